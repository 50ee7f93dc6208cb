package autoscaling

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/smithy-go"

	"crossfade/internal/fleet"
)

// seen is the states of instances in groups as deployments see them. Others are no members: they stand by, are detached, or keep warm.
var seen = map[types.LifecycleState]fleet.MemberState{
	types.LifecycleStatePending:            fleet.MemberPending,
	types.LifecycleStatePendingProceed:     fleet.MemberPending,
	types.LifecycleStatePendingWait:        fleet.MemberPendingWait,
	types.LifecycleStateInService:          fleet.MemberInService,
	types.LifecycleStateQuarantined:        fleet.MemberTerminating,
	types.LifecycleStateTerminating:        fleet.MemberTerminating,
	types.LifecycleStateTerminatingProceed: fleet.MemberTerminating,
	types.LifecycleStateTerminatingWait:    fleet.MemberEndWait,
}

// The transitions at which instances wait.
const (
	launching   = "autoscaling:EC2_INSTANCE_LAUNCHING"
	terminating = "autoscaling:EC2_INSTANCE_TERMINATING"
)

// describe reads the groups of the names that there are. No names are none: AWS would list every group.
func (d *Driver) describe(ctx context.Context, names []string) ([]types.AutoScalingGroup, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var out []types.AutoScalingGroup
	pages := autoscaling.NewDescribeAutoScalingGroupsPaginator(d.groups, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: names})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describe Auto Scaling groups: %w", err)
		}
		out = append(out, page.AutoScalingGroups...)
	}
	return out, nil
}

// one reads a group, or fails with fleet.ErrUnknownGroup.
func (d *Driver) one(ctx context.Context, account, name string) (types.AutoScalingGroup, error) {
	if d.ours(account) {
		found, err := d.describe(ctx, []string{name})
		if err != nil {
			return types.AutoScalingGroup{}, err
		}
		if len(found) > 0 {
			return found[0], nil
		}
	}
	return types.AutoScalingGroup{}, fmt.Errorf("there is no Auto Scaling group %s in %s: %w", name, d.region, fleet.ErrUnknownGroup)
}

// Groups implements fleet.Scaling.
func (d *Driver) Groups(ctx context.Context, account string, names []string) ([]fleet.Group, error) {
	if !d.ours(account) {
		return nil, nil
	}
	found, err := d.describe(ctx, names)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	h, err := d.hosts(ctx)
	if err != nil {
		return nil, err
	}
	byName := map[string]fleet.Group{}
	for _, g := range found {
		byName[aws.ToString(g.AutoScalingGroupName)] = d.group(h, g)
	}
	var out []fleet.Group
	for _, n := range names {
		if g, ok := byName[n]; ok {
			out = append(out, g)
		}
	}
	return out, nil
}

func (d *Driver) group(h hosts, g types.AutoScalingGroup) fleet.Group {
	part, owner := partitionOf(d.region).name, d.account
	if a, err := arn.Parse(aws.ToString(g.AutoScalingGroupARN)); err == nil {
		part, owner = a.Partition, a.AccountID
	}
	out := fleet.Group{Name: aws.ToString(g.AutoScalingGroupName), Desired: int(aws.ToInt32(g.DesiredCapacity))}
	for _, i := range g.Instances {
		if s, ok := seen[i.LifecycleState]; ok {
			out.Members = append(out.Members, fleet.Member{Instance: d.instance(h, part, owner, aws.ToString(i.InstanceId), aws.ToString(i.AvailabilityZone)), State: s})
		}
	}
	return out
}

// Delete implements fleet.Scaling. AWS ends the instances with the group, and shows it until they are gone.
func (d *Driver) Delete(ctx context.Context, account, name string) (gone bool, err error) {
	g, err := d.one(ctx, account, name)
	switch {
	case errors.Is(err, fleet.ErrUnknownGroup):
		return true, nil
	case err != nil:
		return false, err
	case aws.ToString(g.Status) != "": // it is being deleted
		return false, nil
	}
	_, err = d.groups.DeleteAutoScalingGroup(ctx, &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: &name, ForceDelete: aws.Bool(true)})
	if err == nil || refused(err, codeInProgress) || refused(err, codeInUse) || refused(err, codeContention) || refused(err, codeValidation, "not found") {
		return false, nil
	}
	return false, fmt.Errorf("delete the Auto Scaling group %s: %w", name, err)
}

// hookTimeout is how long an instance waits at a hook without a heartbeat, in seconds: two of CodeDeploy's heartbeats.
const hookTimeout = 600

// SetHook implements fleet.Scaling. A launch that nobody decides on is abandoned, an end goes on.
func (d *Driver) SetHook(ctx context.Context, account, group string, h fleet.Hook) error {
	if _, err := d.one(ctx, account, group); err != nil {
		return err
	}
	in := &autoscaling.PutLifecycleHookInput{
		AutoScalingGroupName: &group, LifecycleHookName: &h.Name, HeartbeatTimeout: aws.Int32(hookTimeout),
		LifecycleTransition: aws.String(launching), DefaultResult: aws.String("ABANDON"),
	}
	if h.Termination {
		in.LifecycleTransition, in.DefaultResult = aws.String(terminating), aws.String("CONTINUE")
	}
	if _, err := d.groups.PutLifecycleHook(ctx, in); err != nil {
		return fmt.Errorf("set the lifecycle hook %s of the Auto Scaling group %s: %w", h.Name, group, err)
	}
	return nil
}

// RemoveHook implements fleet.Scaling. AWS abandons the launches that wait at a hook that is deleted; they are told to go on before.
func (d *Driver) RemoveHook(ctx context.Context, account, group, hook string) error {
	waiting, err := d.Waiting(ctx, account, []string{group})
	if err != nil || !d.ours(account) {
		return err
	}
	for _, w := range waiting {
		if w.Hook.Name != hook {
			continue
		}
		if err := d.Complete(ctx, account, w, true); err != nil {
			return err
		}
	}
	_, err = d.groups.DeleteLifecycleHook(ctx, &autoscaling.DeleteLifecycleHookInput{AutoScalingGroupName: &group, LifecycleHookName: &hook})
	if err != nil && !refused(err, codeValidation, "not found", "no lifecycle hook") {
		return fmt.Errorf("delete the lifecycle hook %s of the Auto Scaling group %s: %w", hook, group, err)
	}
	return nil
}

// hooks reads the lifecycle hooks of a group.
func (d *Driver) hooks(ctx context.Context, group string) ([]types.LifecycleHook, error) {
	out, err := d.groups.DescribeLifecycleHooks(ctx, &autoscaling.DescribeLifecycleHooksInput{AutoScalingGroupName: &group})
	if err != nil {
		return nil, fmt.Errorf("describe the lifecycle hooks of the Auto Scaling group %s: %w", group, err)
	}
	return out.LifecycleHooks, nil
}

// Waiting implements fleet.Scaling. AWS does not say at which of several hooks an instance still waits, so it is listed with each: completing one
// that is completed is no error.
func (d *Driver) Waiting(ctx context.Context, account string, groups []string) ([]fleet.Waiting, error) {
	found, err := d.Groups(ctx, account, groups)
	if err != nil {
		return nil, err
	}
	var out []fleet.Waiting
	for _, g := range found {
		var hooks []types.LifecycleHook
		for _, m := range g.Members {
			if m.State != fleet.MemberPendingWait && m.State != fleet.MemberEndWait {
				continue
			}
			if hooks == nil {
				if hooks, err = d.hooks(ctx, g.Name); err != nil {
					return nil, err
				}
			}
			for _, h := range hooks {
				ends := aws.ToString(h.LifecycleTransition) == terminating
				if ends == (m.State == fleet.MemberEndWait) {
					out = append(out, fleet.Waiting{Group: g.Name, Hook: fleet.Hook{Name: aws.ToString(h.LifecycleHookName), Termination: ends}, Instance: m.Instance})
				}
			}
		}
	}
	return out, nil
}

// over reports whether AWS says that an instance does not wait, or not any more.
func over(err error) bool {
	return refused(err, codeValidation, "no active lifecycle action", "not found", "no lifecycle hook")
}

// Heartbeat implements fleet.Scaling.
func (d *Driver) Heartbeat(ctx context.Context, account string, w fleet.Waiting) error {
	if !d.ours(account) {
		return nil
	}
	_, err := d.groups.RecordLifecycleActionHeartbeat(ctx, &autoscaling.RecordLifecycleActionHeartbeatInput{
		AutoScalingGroupName: &w.Group, LifecycleHookName: &w.Hook.Name, InstanceId: &w.Instance.Name,
	})
	if err != nil && !over(err) {
		return fmt.Errorf("keep instance %s waiting: %w", w.Instance.Name, err)
	}
	return nil
}

// Complete implements fleet.Scaling.
func (d *Driver) Complete(ctx context.Context, account string, w fleet.Waiting, proceed bool) error {
	if !d.ours(account) {
		return nil
	}
	result := "ABANDON"
	if proceed {
		result = "CONTINUE"
	}
	_, err := d.groups.CompleteLifecycleAction(ctx, &autoscaling.CompleteLifecycleActionInput{
		AutoScalingGroupName: &w.Group, LifecycleHookName: &w.Hook.Name, InstanceId: &w.Instance.Name, LifecycleActionResult: &result,
	})
	if err != nil && !over(err) {
		return fmt.Errorf("end the wait of instance %s: %w", w.Instance.Name, err)
	}
	return nil
}

// message is what AWS says of a refusal, without a full stop.
func message(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return strings.TrimSuffix(e.ErrorMessage(), ".")
	}
	return err.Error()
}
