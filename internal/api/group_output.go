package api

import (
	"crossfade/internal/deploy"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

func groupOut(g deploy.Group, platform string) *control.DeploymentGroupInfo {
	s := g.Settings
	out := &control.DeploymentGroupInfo{
		ApplicationName: &g.Application, DeploymentGroupId: &g.ID, DeploymentGroupName: &g.Name, DeploymentConfigName: &s.Config,
		Ec2TagFilters:                    ec2FiltersOut(s.Selection.EC2Filters),
		OnPremisesInstanceTagFilters:     onPremFiltersOut(s.Selection.OnPremFilters),
		Ec2TagSet:                        ec2SetOut(s.Selection.EC2TagSet),
		OnPremisesTagSet:                 onPremSetOut(s.Selection.OnPremTagSet),
		AutoScalingGroups:                make([]control.AutoScalingGroup, len(s.Selection.AutoScalingGroups)),
		ServiceRoleArn:                   &s.ServiceRoleARN,
		TriggerConfigurations:            triggersOut(s.Triggers),
		AlarmConfiguration:               alarmsOut(s.Alarms),
		AutoRollbackConfiguration:        autoRollbackOut(s.AutoRollback),
		DeploymentStyle:                  styleOut(s.Style),
		OutdatedInstancesStrategy:        new(control.OutdatedInstancesStrategy(s.OutdatedInstances)),
		BlueGreenDeploymentConfiguration: blueGreenOut(s.BlueGreen, platform),
		LoadBalancerInfo:                 loadBalancerOut(s.LoadBalancer),
		LastSuccessfulDeployment:         deploymentRefOut(g.LastSuccessful),
		LastAttemptedDeployment:          deploymentRefOut(g.LastAttempted),
		ComputePlatform:                  new(control.ComputePlatform(platform)),
		TerminationHookEnabled:           &s.TerminationHook,
	}
	for i, name := range s.Selection.AutoScalingGroups {
		out.AutoScalingGroups[i].Name = &name
		for _, h := range s.Hooks {
			if h.AutoScalingGroup == name {
				out.AutoScalingGroups[i].Hook, out.AutoScalingGroups[i].TerminationHook = optional(h.Launch), optional(h.Termination)
			}
		}
	}
	if g.TargetRevision != nil {
		out.TargetRevision = revisionOut(*g.TargetRevision, false)
	}
	for _, e := range s.ECSServices {
		out.EcsServices = append(out.EcsServices, control.ECSService{ServiceName: &e.Service, ClusterName: &e.Cluster})
	}
	return out
}

func triggersOut(list []deploy.Trigger) []control.TriggerConfig {
	out := make([]control.TriggerConfig, len(list))
	for i, t := range list {
		out[i] = control.TriggerConfig{TriggerName: &t.Name, TriggerTargetArn: &t.Target}
		for _, e := range t.Events {
			out[i].TriggerEvents = append(out[i].TriggerEvents, control.TriggerEventType(e))
		}
	}
	return out
}

func alarmsOut(a *deploy.AlarmSettings) *control.AlarmConfiguration {
	if a == nil {
		return nil
	}
	out := &control.AlarmConfiguration{Enabled: &a.Enabled, IgnorePollAlarmFailure: &a.IgnorePollFailure, Alarms: []control.Alarm{}}
	for _, n := range a.Names {
		out.Alarms = append(out.Alarms, control.Alarm{Name: &n})
	}
	return out
}

func autoRollbackOut(a *deploy.AutoRollback) *control.AutoRollbackConfiguration {
	if a == nil {
		return nil
	}
	out := &control.AutoRollbackConfiguration{Enabled: &a.Enabled, Events: []control.AutoRollbackEvent{}}
	for _, e := range a.Events {
		out.Events = append(out.Events, control.AutoRollbackEvent(e))
	}
	return out
}

func styleOut(s deploy.Style) *control.DeploymentStyle {
	return &control.DeploymentStyle{DeploymentType: new(control.DeploymentType(s.Type)), DeploymentOption: new(control.DeploymentOption(s.Option))}
}

func blueGreenOut(b *deploy.BlueGreenSettings, platform string) *control.BlueGreenDeploymentConfiguration {
	if b == nil {
		return nil
	}
	out := &control.BlueGreenDeploymentConfiguration{
		DeploymentReadyOption: &control.DeploymentReadyOption{
			ActionOnTimeout: new(control.DeploymentReadyAction(b.ReadyAction)), WaitTimeInMinutes: new(int32(b.ReadyWaitMinutes)),
		},
		TerminateBlueInstancesOnDeploymentSuccess: &control.BlueInstanceTerminationOption{
			Action: new(control.InstanceAction(b.TerminationAction)), TerminationWaitTimeInMinutes: new(int32(b.TerminationWaitMinutes)),
		},
	}
	if platform == deploy.PlatformServer {
		out.GreenFleetProvisioningOption = &control.GreenFleetProvisioningOption{Action: new(control.GreenFleetProvisioningAction(b.Provisioning))}
	}
	return out
}

func loadBalancerOut(l *deploy.LoadBalancer) *control.LoadBalancerInfo {
	if l == nil {
		return nil
	}
	out := &control.LoadBalancerInfo{}
	for _, n := range l.Balancers {
		out.ElbInfoList = append(out.ElbInfoList, control.ELBInfo{Name: &n})
	}
	for _, n := range l.TargetGroups {
		out.TargetGroupInfoList = append(out.TargetGroupInfoList, control.TargetGroupInfo{Name: &n})
	}
	for _, p := range l.Pairs {
		pair := control.TargetGroupPairInfo{ProdTrafficRoute: routeOut(p.ProdListeners), TestTrafficRoute: routeOut(p.TestListeners)}
		for _, n := range p.TargetGroups {
			pair.TargetGroups = append(pair.TargetGroups, control.TargetGroupInfo{Name: &n})
		}
		out.TargetGroupPairInfoList = append(out.TargetGroupPairInfoList, pair)
	}
	return out
}

func routeOut(listeners []string) *control.TrafficRoute {
	if len(listeners) == 0 {
		return nil
	}
	return &control.TrafficRoute{ListenerArns: listeners}
}

func deploymentRefOut(r *deploy.DeploymentRef) *control.LastDeploymentInfo {
	if r == nil {
		return nil
	}
	return &control.LastDeploymentInfo{
		DeploymentId: &r.ID, Status: new(control.DeploymentStatus(r.Status)), CreateTime: wire.At(r.CreatedAt), EndTime: wire.At(r.CompletedAt),
	}
}
