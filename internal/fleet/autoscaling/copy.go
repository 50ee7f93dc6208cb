package autoscaling

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
)

// deploymentHooks begin the names of hooks that are a deployment group's. A copy gets none of them: its own are set.
const deploymentHooks = "CodeDeploy-managed-"

// Copy implements fleet.Scaling. What a group has in calls of its own is not copied: scaling policies, scheduled actions, notifications, metrics,
// suspended processes, a warm pool.
func (d *Driver) Copy(ctx context.Context, account, source, name string, size int) error {
	from, err := d.one(ctx, account, source)
	if err != nil {
		return err
	}
	there, err := d.describe(ctx, []string{name})
	if err != nil || len(there) > 0 {
		return err
	}
	hooks, err := d.hooks(ctx, source)
	if err != nil {
		return err
	}
	_, err = d.groups.CreateAutoScalingGroup(ctx, copyOf(from, hooks, name, int32(min(size, 1<<20)))) //nolint:gosec // bounded
	if err != nil && !refused(err, codeExists) {
		return fmt.Errorf("make the Auto Scaling group %s like %s: %w", name, source, err)
	}
	return nil
}

// copyOf is the call that makes a group like another. The bounds of the size give way to the size.
func copyOf(g types.AutoScalingGroup, hooks []types.LifecycleHook, name string, size int32) *autoscaling.CreateAutoScalingGroupInput {
	in := &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: &name, DesiredCapacity: &size,
		MinSize: aws.Int32(min(aws.ToInt32(g.MinSize), size)), MaxSize: aws.Int32(max(aws.ToInt32(g.MaxSize), size)),
		LaunchConfigurationName: g.LaunchConfigurationName, LaunchTemplate: template(g.LaunchTemplate), MixedInstancesPolicy: mixed(g.MixedInstancesPolicy),
		VPCZoneIdentifier: g.VPCZoneIdentifier, HealthCheckType: g.HealthCheckType, HealthCheckGracePeriod: g.HealthCheckGracePeriod,
		DefaultCooldown: g.DefaultCooldown, DefaultInstanceWarmup: g.DefaultInstanceWarmup, CapacityRebalance: g.CapacityRebalance,
		DesiredCapacityType: g.DesiredCapacityType, MaxInstanceLifetime: g.MaxInstanceLifetime, PlacementGroup: g.PlacementGroup,
		NewInstancesProtectedFromScaleIn: g.NewInstancesProtectedFromScaleIn, TerminationPolicies: g.TerminationPolicies,
		ServiceLinkedRoleARN: g.ServiceLinkedRoleARN, Context: g.Context, InstanceMaintenancePolicy: g.InstanceMaintenancePolicy,
		AvailabilityZoneDistribution: g.AvailabilityZoneDistribution, AvailabilityZoneImpairmentPolicy: g.AvailabilityZoneImpairmentPolicy,
		CapacityReservationSpecification: g.CapacityReservationSpecification,
		TargetGroupARNs:                  g.TargetGroupARNs, LoadBalancerNames: g.LoadBalancerNames,
	}
	if aws.ToString(g.VPCZoneIdentifier) == "" { // subnets say the zones
		in.VPCZoneIdentifier, in.AvailabilityZones = nil, g.AvailabilityZones
	}
	if len(g.TargetGroupARNs) == 0 && len(g.LoadBalancerNames) == 0 { // AWS repeats these among the traffic sources, and takes one or the other
		in.TrafficSources = g.TrafficSources
	}
	for _, t := range g.Tags {
		if !strings.HasPrefix(aws.ToString(t.Key), "aws:") { // AWS's own, which nobody else may set
			in.Tags = append(in.Tags, types.Tag{
				Key: t.Key, Value: t.Value, PropagateAtLaunch: t.PropagateAtLaunch, ResourceId: &name, ResourceType: aws.String("auto-scaling-group"),
			})
		}
	}
	for _, h := range hooks {
		if strings.HasPrefix(aws.ToString(h.LifecycleHookName), deploymentHooks) {
			continue
		}
		in.LifecycleHookSpecificationList = append(in.LifecycleHookSpecificationList, types.LifecycleHookSpecification{
			LifecycleHookName: h.LifecycleHookName, LifecycleTransition: h.LifecycleTransition, DefaultResult: h.DefaultResult,
			HeartbeatTimeout: h.HeartbeatTimeout, NotificationMetadata: h.NotificationMetadata, NotificationTargetARN: h.NotificationTargetARN, RoleARN: h.RoleARN,
		})
	}
	return in
}

// template names a launch template by its id alone: AWS tells id and name, and takes one of them.
func template(t *types.LaunchTemplateSpecification) *types.LaunchTemplateSpecification {
	if t == nil || t.LaunchTemplateId == nil {
		return t
	}
	return &types.LaunchTemplateSpecification{LaunchTemplateId: t.LaunchTemplateId, Version: t.Version}
}

func mixed(p *types.MixedInstancesPolicy) *types.MixedInstancesPolicy {
	if p == nil || p.LaunchTemplate == nil {
		return p
	}
	launch := *p.LaunchTemplate
	launch.LaunchTemplateSpecification = template(launch.LaunchTemplateSpecification)
	launch.Overrides = slices.Clone(launch.Overrides)
	for i := range launch.Overrides {
		launch.Overrides[i].LaunchTemplateSpecification = template(launch.Overrides[i].LaunchTemplateSpecification)
	}
	return &types.MixedInstancesPolicy{LaunchTemplate: &launch, InstancesDistribution: p.InstancesDistribution}
}
