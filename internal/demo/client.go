package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"crossfade/internal/sigv4"
)

// The names that the demo uses.
const (
	bucket      = "releases"
	application = "web"
	group       = "production"
	targetGroup = "web"
	listener    = "web"
	serviceRole = "arn:aws:iam::000000000000:role/CodeDeploy"
)

// client is a user of the server, with the SDK that any user has.
type client struct {
	deploy *codedeploy.Client
	s3     *s3.Client
}

func newClient(endpoint, region string, key sigv4.Credential) client {
	config := aws.Config{
		Region: region, BaseEndpoint: &endpoint, HTTPClient: &http.Client{},
		Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, ""),
	}
	return client{
		deploy: codedeploy.NewFromConfig(config),
		s3:     s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true }),
	}
}

// upload puts the bundle of a version into the revision store.
func (c client) upload(ctx context.Context, version string) error {
	bundle, err := bundleOf(version)
	if err != nil {
		return err
	}
	_, err = c.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(keyOf(version)), Body: bytes.NewReader(bundle)})
	if err != nil {
		return fmt.Errorf("upload the bundle of %s: %w", version, err)
	}
	return nil
}

func keyOf(version string) string { return application + "-" + version + ".zip" }

// define makes the application and its deployment group: the blue hosts, in place, behind the load balancer.
func (c client) define(ctx context.Context) error {
	if _, err := c.deploy.CreateApplication(ctx, &codedeploy.CreateApplicationInput{ApplicationName: aws.String(application)}); err != nil {
		return fmt.Errorf("create the application: %w", err)
	}
	_, err := c.deploy.CreateDeploymentGroup(ctx, &codedeploy.CreateDeploymentGroupInput{
		ApplicationName: aws.String(application), DeploymentGroupName: aws.String(group), ServiceRoleArn: aws.String(serviceRole),
		DeploymentConfigName: aws.String("CodeDeployDefault.AllAtOnce"),
		OnPremisesInstanceTagFilters: []types.TagFilter{
			{Key: aws.String("Environment"), Value: aws.String(blue), Type: types.TagFilterTypeKeyAndValue},
		},
		DeploymentStyle:  &types.DeploymentStyle{DeploymentType: types.DeploymentTypeInPlace, DeploymentOption: types.DeploymentOptionWithTrafficControl},
		LoadBalancerInfo: &types.LoadBalancerInfo{TargetGroupInfoList: []types.TargetGroupInfo{{Name: aws.String(targetGroup)}}},
	})
	if err != nil {
		return fmt.Errorf("create the deployment group: %w", err)
	}
	return nil
}

// turnBlueGreen makes the group's next deployments blue/green, with both waits.
func (c client) turnBlueGreen(ctx context.Context, readyWait, terminationWait int) error {
	_, err := c.deploy.UpdateDeploymentGroup(ctx, &codedeploy.UpdateDeploymentGroupInput{
		ApplicationName: aws.String(application), CurrentDeploymentGroupName: aws.String(group),
		DeploymentStyle: &types.DeploymentStyle{DeploymentType: types.DeploymentTypeBlueGreen, DeploymentOption: types.DeploymentOptionWithTrafficControl},
		BlueGreenDeploymentConfiguration: &types.BlueGreenDeploymentConfiguration{
			DeploymentReadyOption: &types.DeploymentReadyOption{
				ActionOnTimeout: types.DeploymentReadyActionStopDeployment, WaitTimeInMinutes: int32(readyWait),
			},
			TerminateBlueInstancesOnDeploymentSuccess: &types.BlueInstanceTerminationOption{
				Action: types.InstanceActionTerminate, TerminationWaitTimeInMinutes: int32(terminationWait),
			},
			GreenFleetProvisioningOption: &types.GreenFleetProvisioningOption{Action: types.GreenFleetProvisioningActionDiscoverExisting},
		},
	})
	if err != nil {
		return fmt.Errorf("make the deployment group blue/green: %w", err)
	}
	return nil
}

// begin creates a deployment of the version; targets, when not nil, select its replacement environment.
func (c client) begin(ctx context.Context, version string, targets *types.TargetInstances) (id string, err error) {
	out, err := c.deploy.CreateDeployment(ctx, &codedeploy.CreateDeploymentInput{
		ApplicationName: aws.String(application), DeploymentGroupName: aws.String(group), TargetInstances: targets,
		Description: aws.String("the demo's " + version),
		Revision: &types.RevisionLocation{RevisionType: types.RevisionLocationTypeS3, S3Location: &types.S3Location{
			Bucket: aws.String(bucket), Key: aws.String(keyOf(version)), BundleType: types.BundleTypeZip,
		}},
	})
	if err != nil {
		return "", fmt.Errorf("create the deployment of %s: %w", version, err)
	}
	return aws.ToString(out.DeploymentId), nil
}

// tagged selects the hosts of an environment.
func tagged(environment string) *types.TargetInstances {
	return &types.TargetInstances{TagFilters: []types.EC2TagFilter{
		{Key: aws.String("Environment"), Value: &environment, Type: types.EC2TagFilterTypeKeyAndValue},
	}}
}

func (c client) continueDeployment(ctx context.Context, id string, wait types.DeploymentWaitType) error {
	_, err := c.deploy.ContinueDeployment(ctx, &codedeploy.ContinueDeploymentInput{DeploymentId: &id, DeploymentWaitType: wait})
	if err != nil {
		return fmt.Errorf("continue deployment %s: %w", id, err)
	}
	return nil
}

// progress is what the API says of a deployment.
type progress struct {
	id              string
	status          types.DeploymentStatus
	terminationWait bool   // the wait before the originals end has begun
	problem         string // why it failed
	targets         map[string]string
}

func (p progress) over() bool {
	switch p.status {
	case types.DeploymentStatusSucceeded, types.DeploymentStatusFailed, types.DeploymentStatusStopped:
		return true
	default:
		return false
	}
}

// look reads how far a deployment is.
func (c client) look(ctx context.Context, id string) (progress, error) {
	out, err := c.deploy.GetDeployment(ctx, &codedeploy.GetDeploymentInput{DeploymentId: &id})
	if err != nil {
		return progress{}, fmt.Errorf("get deployment %s: %w", id, err)
	}
	p := progress{
		id: id, status: out.DeploymentInfo.Status, terminationWait: out.DeploymentInfo.InstanceTerminationWaitTimeStarted,
		targets: map[string]string{},
	}
	if e := out.DeploymentInfo.ErrorInformation; e != nil {
		p.problem = string(e.Code) + ": " + aws.ToString(e.Message)
	}
	listed, err := c.deploy.ListDeploymentTargets(ctx, &codedeploy.ListDeploymentTargetsInput{DeploymentId: &id})
	var unknownYet *types.DeploymentNotStartedException
	if errors.As(err, &unknownYet) {
		return p, nil
	}
	if err != nil {
		return progress{}, fmt.Errorf("list the targets of deployment %s: %w", id, err)
	}
	if len(listed.TargetIds) == 0 {
		return p, nil
	}
	got, err := c.deploy.BatchGetDeploymentTargets(ctx, &codedeploy.BatchGetDeploymentTargetsInput{DeploymentId: &id, TargetIds: listed.TargetIds})
	if err != nil {
		return progress{}, fmt.Errorf("get the targets of deployment %s: %w", id, err)
	}
	for _, t := range got.DeploymentTargets {
		if t.InstanceTarget != nil {
			p.targets[aws.ToString(t.InstanceTarget.TargetId)] = standing(t.InstanceTarget)
		}
	}
	return p, nil
}

// standing is a target's status, with the lifecycle event that it is in or that failed.
func standing(t *types.InstanceTarget) string {
	s := string(t.Status)
	for _, e := range t.LifecycleEvents {
		if e.Status == types.LifecycleEventStatusInProgress || e.Status == types.LifecycleEventStatusFailed {
			s += " " + aws.ToString(e.LifecycleEventName)
		}
	}
	return s
}
