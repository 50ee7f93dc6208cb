//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

const (
	application = "shop"
	bucket      = "releases"
)

// crew is a deployment group whose two environments take turns, and who deploys to it.
type crew struct {
	group   string
	deploy  *codedeploy.Client
	ledger  *ledger
	chance  *rand.Rand
	serving int // 0 or 1: the environment that has the traffic
	made    int // deployments
}

var colours = [2]string{"blue", "green"}

// prepare makes the group and deploys to its first environment.
func (c *crew) prepare(ctx context.Context) error {
	filter := func(key, value string) types.TagFilter {
		return types.TagFilter{Key: &key, Value: &value, Type: types.TagFilterTypeKeyAndValue}
	}
	_, err := c.deploy.CreateDeploymentGroup(ctx, &codedeploy.CreateDeploymentGroupInput{
		ApplicationName: aws.String(application), DeploymentGroupName: &c.group, ServiceRoleArn: aws.String("arn:aws:iam::" + account + ":role/deploy"),
		DeploymentConfigName: aws.String("CodeDeployDefault.AllAtOnce"),
		OnPremisesTagSet:     &types.OnPremisesTagSet{OnPremisesTagSetList: [][]types.TagFilter{{filter("group", c.group)}, {filter("environment", colours[0])}}},
		DeploymentStyle:      &types.DeploymentStyle{DeploymentType: types.DeploymentTypeBlueGreen, DeploymentOption: types.DeploymentOptionWithTrafficControl},
		LoadBalancerInfo:     &types.LoadBalancerInfo{TargetGroupInfoList: []types.TargetGroupInfo{{Name: &c.group}}},
		BlueGreenDeploymentConfiguration: &types.BlueGreenDeploymentConfiguration{
			DeploymentReadyOption:                     &types.DeploymentReadyOption{ActionOnTimeout: types.DeploymentReadyActionStopDeployment, WaitTimeInMinutes: 600},
			TerminateBlueInstancesOnDeploymentSuccess: &types.BlueInstanceTerminationOption{Action: types.InstanceActionTerminate, TerminationWaitTimeInMinutes: 600},
			GreenFleetProvisioningOption:              &types.GreenFleetProvisioningOption{Action: types.GreenFleetProvisioningActionDiscoverExisting},
		},
	})
	if err != nil {
		return fmt.Errorf("make group %s: %w", c.group, err)
	}
	c.serving = 1 // so that the first goes to the other
	return c.turn(ctx, "good.zip")
}

// work deploys until more is over, and finishes what it began; until ctx ends.
func (c *crew) work(ctx, more context.Context) error {
	for more.Err() == nil {
		key := "good.zip"
		switch c.chance.IntN(8) {
		case 0:
			key = badKey
		case 1:
			key = "stopped.zip"
		}
		if err := c.turn(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// turn is one deployment to the environment that does not serve, from its creation to its end.
func (c *crew) turn(ctx context.Context, key string) error {
	id, err := c.create(ctx, key)
	if err != nil {
		return err
	}
	c.made++
	end := map[string]types.DeploymentStatus{badKey: types.DeploymentStatusFailed, "stopped.zip": types.DeploymentStatusStopped}[key]
	if end == "" {
		end = types.DeploymentStatusSucceeded
	}
	c.ledger.deployment(id, string(end))
	if end == types.DeploymentStatusFailed {
		return c.await(ctx, id, end, func(i *types.DeploymentInfo) bool { return i.Status == end })
	}
	if err := c.await(ctx, id, end, func(i *types.DeploymentInfo) bool { return i.Status == types.DeploymentStatusReady }); err != nil {
		return err
	}
	if end == types.DeploymentStatusStopped {
		err := c.acknowledged(ctx, "stop "+id, func() error {
			_, err := c.deploy.StopDeployment(ctx, &codedeploy.StopDeploymentInput{DeploymentId: &id})
			return past[*types.DeploymentAlreadyCompletedException](err)
		})
		return errors.Join(err, c.await(ctx, id, end, func(i *types.DeploymentInfo) bool { return i.Status == end }))
	}
	// ContinueDeployment whose answer was lost is called again, and then told that the wait is over.
	err = c.acknowledged(ctx, "continue "+id, func() error {
		_, err := c.deploy.ContinueDeployment(ctx, &codedeploy.ContinueDeploymentInput{DeploymentId: &id, DeploymentWaitType: types.DeploymentWaitTypeReadyWait})
		return past[*types.DeploymentIsNotInReadyStateException](err)
	})
	if err != nil {
		return err
	}
	// The first deployment of a group has no original environment, and so no termination wait.
	if err := c.await(ctx, id, end, func(i *types.DeploymentInfo) bool { return i.InstanceTerminationWaitTimeStarted || i.Status == end }); err != nil {
		return err
	}
	err = c.acknowledged(ctx, "end the termination wait of "+id, func() error {
		_, err := c.deploy.ContinueDeployment(ctx, &codedeploy.ContinueDeploymentInput{DeploymentId: &id, DeploymentWaitType: types.DeploymentWaitTypeTerminationWait})
		return past[*types.DeploymentIsNotInReadyStateException](past[*types.DeploymentAlreadyCompletedException](err))
	})
	if err != nil {
		return err
	}
	if err := c.await(ctx, id, end, func(i *types.DeploymentInfo) bool { return i.Status == end }); err != nil {
		return err
	}
	c.serving = 1 - c.serving
	return nil
}

// past takes an error that says that it was done before for success.
func past[T error](err error) error {
	if _, done := errors.AsType[T](err); done {
		return nil
	}
	return err
}

// create makes a deployment. One that was made although the answer was lost is found by what it is in the way of.
func (c *crew) create(ctx context.Context, key string) (id string, err error) {
	description := fmt.Sprintf("%s-%d", c.group, c.made)
	err = c.acknowledged(ctx, "create "+description, func() error {
		out, err := c.deploy.CreateDeployment(ctx, &codedeploy.CreateDeploymentInput{
			ApplicationName: aws.String(application), DeploymentGroupName: &c.group, Description: &description,
			Revision: &types.RevisionLocation{RevisionType: types.RevisionLocationTypeS3, S3Location: &types.S3Location{Bucket: aws.String(bucket), Key: &key, BundleType: types.BundleTypeZip}},
			TargetInstances: &types.TargetInstances{Ec2TagSet: &types.EC2TagSet{Ec2TagSetList: [][]types.EC2TagFilter{
				{{Key: aws.String("group"), Value: &c.group, Type: types.EC2TagFilterTypeKeyAndValue}},
				{{Key: aws.String("environment"), Value: &colours[1-c.serving], Type: types.EC2TagFilterTypeKeyAndValue}},
			}}},
		})
		if _, busy := errors.AsType[*types.DeploymentLimitExceededException](err); busy {
			id, err = c.find(ctx, description)
			return err
		}
		if err == nil {
			id = *out.DeploymentId
		}
		return err
	})
	return id, err
}

// find is the newest deployment of the group, if it has the description.
func (c *crew) find(ctx context.Context, description string) (string, error) {
	list, err := c.deploy.ListDeployments(ctx, &codedeploy.ListDeploymentsInput{ApplicationName: aws.String(application), DeploymentGroupName: &c.group})
	if err != nil {
		return "", err
	}
	if len(list.Deployments) == 0 {
		return "", errors.New("the group is busy with a deployment that is not listed")
	}
	info, err := c.deploy.GetDeployment(ctx, &codedeploy.GetDeploymentInput{DeploymentId: &list.Deployments[0]})
	if err != nil {
		return "", err
	}
	if aws.ToString(info.DeploymentInfo.Description) != description {
		return "", fmt.Errorf("the group is busy with %s (%s)", list.Deployments[0], aws.ToString(info.DeploymentInfo.Description))
	}
	return list.Deployments[0], nil
}

// acknowledged repeats a call until it is answered. What the servers refuse for good ends the test.
func (c *crew) acknowledged(ctx context.Context, what string, call func() error) error {
	for failures := 1; ; failures++ {
		err := call()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || failures > 60 {
			return fmt.Errorf("%s: %w", what, err)
		}
		pause(ctx, failures)
	}
}

// await follows a deployment until it is as wished; one that ends as it must not is an error.
func (c *crew) await(ctx context.Context, id string, end types.DeploymentStatus, ok func(*types.DeploymentInfo) bool) error {
	for {
		out, err := c.deploy.GetDeployment(ctx, &codedeploy.GetDeploymentInput{DeploymentId: &id})
		if _, gone := errors.AsType[*types.DeploymentDoesNotExistException](err); gone {
			return fmt.Errorf("deployment %s was acknowledged and is gone", id)
		}
		if err == nil {
			i := out.DeploymentInfo
			switch s := i.Status; {
			case ok(i):
				return nil
			case s == types.DeploymentStatusSucceeded, s == types.DeploymentStatusFailed, s == types.DeploymentStatusStopped:
				why := ""
				if i.ErrorInformation != nil {
					why = fmt.Sprintf("%s %s", i.ErrorInformation.Code, aws.ToString(i.ErrorInformation.Message))
				}
				return fmt.Errorf("deployment %s of %s is %s, not %s: %s", id, c.group, s, end, why)
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("deployment %s of %s does not come to its end: %w\n%s", id, c.group, errors.Join(context.Cause(ctx), err), c.targets(id))
		}
		time.Sleep(30 * time.Millisecond)
	}
}

// keptLong is for how many rounds of the clerk an application is kept that is not deleted at once, so that the account never has a thousand, the most that
// it may have. It divides by three.
const keptLong = 150

// clerk makes and deletes applications and notes what was acknowledged.
func (c *crew) clerk(ctx, more context.Context) error {
	for n := 0; more.Err() == nil; n++ {
		name, over := fmt.Sprintf("%s-%d", c.group, n), n
		if n%3 != 0 {
			over = n - keptLong
		}
		err := c.acknowledged(ctx, "create application "+name, func() error {
			_, err := c.deploy.CreateApplication(ctx, &codedeploy.CreateApplicationInput{ApplicationName: &name})
			return past[*types.ApplicationAlreadyExistsException](err)
		})
		if err != nil {
			return err
		}
		c.ledger.application(name, true)
		if over >= 0 {
			name := fmt.Sprintf("%s-%d", c.group, over)
			err := c.acknowledged(ctx, "delete application "+name, func() error {
				_, err := c.deploy.DeleteApplication(ctx, &codedeploy.DeleteApplicationInput{ApplicationName: &name})
				return past[*types.ApplicationDoesNotExistException](err)
			})
			if err != nil {
				return err
			}
			c.ledger.application(name, false)
		}
		select {
		case <-more.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// targets says how every lifecycle event of a deployment stands.
func (c *crew) targets(id string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	info, err := c.deploy.GetDeployment(ctx, &codedeploy.GetDeploymentInput{DeploymentId: &id})
	if err != nil {
		return err.Error()
	}
	list, err := c.deploy.ListDeploymentTargets(ctx, &codedeploy.ListDeploymentTargetsInput{DeploymentId: &id})
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %+v\n", info.DeploymentInfo.Status, *info.DeploymentInfo.DeploymentOverview)
	for _, name := range list.TargetIds {
		out, err := c.deploy.GetDeploymentTarget(ctx, &codedeploy.GetDeploymentTargetInput{DeploymentId: &id, TargetId: &name})
		if err != nil {
			return err.Error()
		}
		t := out.DeploymentTarget.InstanceTarget
		fmt.Fprintf(&b, "%s %s %s:", name, t.InstanceLabel, t.Status)
		for _, e := range t.LifecycleEvents {
			fmt.Fprintf(&b, " %s=%s", aws.ToString(e.LifecycleEventName), e.Status)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
