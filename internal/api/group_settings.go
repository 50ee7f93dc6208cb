package api

import (
	"fmt"
	"regexp"
	"slices"
	"sync"
	"unicode/utf8"

	"crossfade/internal/deploy"
	"crossfade/internal/wire/control"
)

const (
	maxTriggers      = 10
	maxAlarms        = 10
	maxAutoScaling   = 10
	maxBalancers     = 10
	maxTargetGroup   = 32  // characters of a target group's name
	maxName          = 255 // characters of an alarm's, trigger's or Auto Scaling group's name
	outdatedUpdate   = "UPDATE"
	maxServerWait    = 2880 // minutes
	maxECSReadyWait  = 7200
	maxTerminateWait = 2880
)

// groupMembers is what a caller says of a group's settings, on creation or for a change. Nil members say nothing.
type groupMembers struct {
	config        *string
	ec2Filters    []control.EC2TagFilter
	ec2Set        *control.EC2TagSet
	onPremFilters []control.TagFilter
	onPremSet     *control.OnPremisesTagSet
	autoScaling   []string
	role          *string
	triggers      []control.TriggerConfig
	alarms        *control.AlarmConfiguration
	autoRollback  *control.AutoRollbackConfiguration
	outdated      *control.OutdatedInstancesStrategy
	style         *control.DeploymentStyle
	blueGreen     *control.BlueGreenDeploymentConfiguration
	balancer      *control.LoadBalancerInfo
	ecsServices   []control.ECSService
	hook          *bool
}

func createdMembers(in *control.CreateDeploymentGroupInput) groupMembers {
	return groupMembers{
		in.DeploymentConfigName, in.Ec2TagFilters, in.Ec2TagSet, in.OnPremisesInstanceTagFilters, in.OnPremisesTagSet, in.AutoScalingGroups,
		in.ServiceRoleArn, in.TriggerConfigurations, in.AlarmConfiguration, in.AutoRollbackConfiguration, in.OutdatedInstancesStrategy,
		in.DeploymentStyle, in.BlueGreenDeploymentConfiguration, in.LoadBalancerInfo, in.EcsServices, in.TerminationHookEnabled,
	}
}

func updatedMembers(in *control.UpdateDeploymentGroupInput) groupMembers {
	return groupMembers{
		in.DeploymentConfigName, in.Ec2TagFilters, in.Ec2TagSet, in.OnPremisesInstanceTagFilters, in.OnPremisesTagSet, in.AutoScalingGroups,
		in.ServiceRoleArn, in.TriggerConfigurations, in.AlarmConfiguration, in.AutoRollbackConfiguration, in.OutdatedInstancesStrategy,
		in.DeploymentStyle, in.BlueGreenDeploymentConfiguration, in.LoadBalancerInfo, in.EcsServices, in.TerminationHookEnabled,
	}
}

// groupSettings notes what is wrong with the members by themselves, and returns a function that writes them into settings. Members that
// are given replace what is there whole; the rest is left.
func (p *problems) groupSettings(m groupMembers, region string) func(*deploy.GroupSettings) {
	p.name(control.InvalidDeploymentConfigNameException, "deploymentConfigName", m.config)
	p.role(m.role)
	var next deploy.GroupSettings
	sel := &next.Selection
	if len(m.ec2Filters) > 0 && m.ec2Set != nil && len(m.ec2Set.Ec2TagSetList) > 0 {
		p.add(control.InvalidEC2TagCombinationException, "ec2TagFilters and ec2TagSet are both given; use one of them.")
	}
	if len(m.onPremFilters) > 0 && m.onPremSet != nil && len(m.onPremSet.OnPremisesTagSetList) > 0 {
		p.add(control.InvalidOnPremisesTagCombinationException, "onPremisesInstanceTagFilters and onPremisesTagSet are both given; use one of them.")
	}
	sel.EC2Filters = p.tagFilters(control.InvalidEC2TagException, "ec2TagFilters", ec2Filters(m.ec2Filters))
	sel.EC2TagSet = p.tagSet(control.InvalidEC2TagException, control.TagSetListLimitExceededException, "ec2TagSet", ec2SetLists(m.ec2Set))
	sel.OnPremFilters = p.tagFilters(control.InvalidTagException, "onPremisesInstanceTagFilters", onPremFilters(m.onPremFilters))
	sel.OnPremTagSet = p.tagSet(control.InvalidTagException, control.TagSetListLimitExceededException, "onPremisesTagSet", onPremSetLists(m.onPremSet))
	sel.AutoScalingGroups = p.autoScalingGroups(m.autoScaling)
	next.Triggers = p.triggers(m.triggers, region)
	next.Alarms = p.alarms("alarmConfiguration", m.alarms)
	next.AutoRollback = p.autoRollback(m.autoRollback)
	next.LoadBalancer = p.loadBalancer(m.balancer)
	next.ECSServices = p.ecsServices(m.ecsServices)
	next.BlueGreen = p.blueGreen(m.blueGreen)

	return func(s *deploy.GroupSettings) {
		if m.config != nil {
			s.Config = *m.config
		}
		if m.role != nil {
			s.ServiceRoleARN = *m.role
		}
		m.choose(&s.Selection, next.Selection)
		if m.triggers != nil {
			s.Triggers = next.Triggers
		}
		if m.alarms != nil {
			s.Alarms = next.Alarms
		}
		if m.autoRollback != nil {
			s.AutoRollback = next.AutoRollback
		}
		if m.outdated != nil {
			s.OutdatedInstances = string(*m.outdated)
		}
		if m.style != nil {
			s.Style = styleIn(m.style)
		}
		if m.blueGreen != nil {
			s.BlueGreen = next.BlueGreen
		}
		if m.balancer != nil {
			s.LoadBalancer = next.LoadBalancer
		}
		if m.ecsServices != nil {
			s.ECSServices = next.ECSServices
		}
		if m.hook != nil {
			s.TerminationHook = *m.hook
		}
	}
}

// choose writes the filters that are given. Filters and a tag set exclude each other, so that one takes the other's place.
func (m groupMembers) choose(s *deploy.Selection, next deploy.Selection) {
	if m.ec2Filters != nil {
		s.EC2Filters = next.EC2Filters
		if len(next.EC2Filters) > 0 {
			s.EC2TagSet = nil
		}
	}
	if m.ec2Set != nil {
		s.EC2TagSet = next.EC2TagSet
		if len(next.EC2TagSet) > 0 {
			s.EC2Filters = nil
		}
	}
	if m.onPremFilters != nil {
		s.OnPremFilters = next.OnPremFilters
		if len(next.OnPremFilters) > 0 {
			s.OnPremTagSet = nil
		}
	}
	if m.onPremSet != nil {
		s.OnPremTagSet = next.OnPremTagSet
		if len(next.OnPremTagSet) > 0 {
			s.OnPremFilters = nil
		}
	}
	if m.autoScaling != nil {
		s.AutoScalingGroups = next.AutoScalingGroups
	}
}

var rolePattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^arn:[a-z-]+:iam::[0-9]{12}:role/[\x21-\x7e]{1,512}$`)
})

func (p *problems) role(arn *string) {
	if value(arn) != "" && !rolePattern().MatchString(*arn) {
		p.add(control.InvalidRoleException, "serviceRoleArn %s is not the ARN of a role, as in arn:aws:iam::123456789012:role/CodeDeploy.", quote(*arn))
	} else if arn != nil && *arn == "" {
		p.add(control.InvalidRoleException, "serviceRoleArn is empty; leave it out or give the ARN of a role.")
	}
}

func (p *problems) autoScalingGroups(names []string) []string {
	const code = control.InvalidAutoScalingGroupException
	if len(names) > maxAutoScaling {
		p.add(code, "autoScalingGroups has %d names, and at most %d are allowed.", len(names), maxAutoScaling)
	}
	for i, n := range names {
		if n == "" || utf8.RuneCountInString(n) > maxName {
			p.add(code, "autoScalingGroups[%d] has %d characters; a name has 1 to %d.", i, utf8.RuneCountInString(n), maxName)
		} else if slices.Contains(names[:i], n) {
			p.add(code, "autoScalingGroups names %s twice.", quote(n))
		}
	}
	return names
}

func (p *problems) triggers(list []control.TriggerConfig, region string) []deploy.Trigger {
	const code = control.InvalidTriggerConfigException
	if len(list) > maxTriggers {
		p.add(control.TriggerTargetsLimitExceededException, "triggerConfigurations has %d triggers, and a group may have %d.", len(list), maxTriggers)
	}
	topic := regexp.MustCompile(`^arn:[a-z-]+:sns:` + regexp.QuoteMeta(region) + `:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?$`)
	out := make([]deploy.Trigger, len(list))
	for i, t := range list {
		out[i] = deploy.Trigger{Name: value(t.TriggerName), Target: value(t.TriggerTargetArn)}
		for _, e := range t.TriggerEvents {
			out[i].Events = append(out[i].Events, string(e))
		}
		switch before := out[:i]; {
		case out[i].Name == "" || utf8.RuneCountInString(out[i].Name) > maxName:
			p.add(code, "triggerConfigurations[%d] has no triggerName of 1 to %d characters.", i, maxName)
		case !topic.MatchString(out[i].Target):
			p.add(code, "Topic ARN %s of trigger %s is not valid: give the ARN of an SNS topic in %s.", quote(out[i].Target), quote(out[i].Name), region)
		case len(out[i].Events) == 0:
			p.add(code, "Trigger %s has no triggerEvents.", quote(out[i].Name))
		case slices.ContainsFunc(before, func(b deploy.Trigger) bool { return b.Name == out[i].Name }):
			p.add(code, "Duplicate Trigger name detected: %s.", quote(out[i].Name))
		case slices.ContainsFunc(before, func(b deploy.Trigger) bool { return b.Target == out[i].Target }):
			p.add(code, "Duplicate Trigger target name detected: %s.", quote(out[i].Target))
		}
	}
	return out
}

// alarms notes a bad alarm configuration, a group's or a deployment's own. That the alarms exist is not checked.
func (p *problems) alarms(member string, a *control.AlarmConfiguration) *deploy.AlarmSettings {
	const code = control.InvalidAlarmConfigException
	if a == nil {
		return nil
	}
	out := &deploy.AlarmSettings{Enabled: value(a.Enabled), IgnorePollFailure: value(a.IgnorePollAlarmFailure)}
	if out.Enabled && len(a.Alarms) == 0 {
		p.add(code, "%s is enabled but has no alarms.", member)
	}
	if len(a.Alarms) > maxAlarms {
		p.add(control.AlarmsLimitExceededException, "%s has %d alarms, and at most %d are allowed.", member, len(a.Alarms), maxAlarms)
	}
	for i, alarm := range a.Alarms {
		n := value(alarm.Name)
		if n == "" || utf8.RuneCountInString(n) > maxName {
			p.add(code, "%s.alarms[%d] has no name of 1 to %d characters.", member, i, maxName)
		} else if slices.Contains(out.Names, n) {
			p.add(code, "%s names the alarm %s twice.", member, quote(n))
		}
		out.Names = append(out.Names, n)
	}
	return out
}

// autoRollback notes a bad rollback configuration, a group's or a deployment's own.
func (p *problems) autoRollback(a *control.AutoRollbackConfiguration) *deploy.AutoRollback {
	if a == nil {
		return nil
	}
	out := &deploy.AutoRollback{Enabled: value(a.Enabled)}
	for _, e := range a.Events {
		out.Events = append(out.Events, string(e))
	}
	if out.Enabled && len(out.Events) == 0 {
		p.add(control.InvalidAutoRollbackConfigException, "autoRollbackConfiguration is enabled but has no events.")
	}
	return out
}

// blueGreen notes what is wrong with the block whatever the platform.
func (p *problems) blueGreen(b *control.BlueGreenDeploymentConfiguration) *deploy.BlueGreenSettings {
	const code = control.InvalidBlueGreenDeploymentConfigurationException
	if b == nil {
		return nil
	}
	out := &deploy.BlueGreenSettings{Provisioning: deploy.ProvisionDiscover}
	if g := b.GreenFleetProvisioningOption; g != nil && g.Action != nil {
		out.Provisioning = string(*g.Action)
	}
	ready, end := b.DeploymentReadyOption, b.TerminateBlueInstancesOnDeploymentSuccess
	if ready == nil {
		p.add(code, "Deployment ready option cannot be null for blue green deployment.")
		return out
	}
	if end == nil {
		p.add(code, "Terminate blue instances option cannot be null for blue green deployment.")
		return out
	}
	out.ReadyAction, out.ReadyWaitMinutes = string(value(ready.ActionOnTimeout)), int(value(ready.WaitTimeInMinutes))
	out.TerminationAction, out.TerminationWaitMinutes = string(value(end.Action)), int(value(end.TerminationWaitTimeInMinutes))
	switch {
	case out.ReadyAction == "":
		p.add(code, "deploymentReadyOption has no actionOnTimeout; give CONTINUE_DEPLOYMENT or STOP_DEPLOYMENT.")
	case out.ReadyWaitMinutes < 0:
		p.add(code, "waitTimeInMinutes of deploymentReadyOption can't be negative.")
	case out.ReadyAction == deploy.ReadyContinue && out.ReadyWaitMinutes > 0:
		p.add(code, "Deployment ready action cannot be set to 'CONTINUE_DEPLOYMENT' when timeout is specified.")
	case out.ReadyAction == deploy.ReadyStop && out.ReadyWaitMinutes == 0:
		p.add(code, "Deployment ready action 'STOP_DEPLOYMENT' needs a waitTimeInMinutes of at least 1.")
	case out.TerminationAction == "":
		p.add(code, "terminateBlueInstancesOnDeploymentSuccess has no action; give TERMINATE or KEEP_ALIVE.")
	case out.TerminationWaitMinutes < 0:
		p.add(code, "terminationWaitTimeInMinutes can't be negative.")
	case out.TerminationWaitMinutes > maxTerminateWait:
		p.add(code, "Timeout for instance termination cannot be more than 2 days.")
	}
	return out
}

// loadBalancer notes bad names. An empty loadBalancerInfo is none.
func (p *problems) loadBalancer(l *control.LoadBalancerInfo) *deploy.LoadBalancer {
	const code = control.InvalidLoadBalancerInfoException
	if l == nil || len(l.ElbInfoList)+len(l.TargetGroupInfoList)+len(l.TargetGroupPairInfoList) == 0 {
		return nil
	}
	out := &deploy.LoadBalancer{}
	if len(l.ElbInfoList) > maxBalancers || len(l.TargetGroupInfoList) > maxBalancers {
		p.add(code, "A list of loadBalancerInfo has more than %d entries.", maxBalancers)
	}
	for i, e := range l.ElbInfoList {
		out.Balancers = append(out.Balancers, value(e.Name))
		if value(e.Name) == "" {
			p.add(code, "loadBalancerInfo.elbInfoList[%d] has no name.", i)
		}
	}
	for i, g := range l.TargetGroupInfoList {
		out.TargetGroups = append(out.TargetGroups, value(g.Name))
		if n := utf8.RuneCountInString(value(g.Name)); n == 0 || n > maxTargetGroup {
			p.add(code, "loadBalancerInfo.targetGroupInfoList[%d] has a name of %d characters; it has 1 to %d.", i, n, maxTargetGroup)
		}
	}
	if len(l.TargetGroupPairInfoList) > 1 {
		p.add(control.InvalidTargetGroupPairException, "targetGroupPairInfoList has %d pairs, and one is allowed.", len(l.TargetGroupPairInfoList))
	}
	for _, pair := range l.TargetGroupPairInfoList {
		out.Pairs = append(out.Pairs, p.targetGroupPair(pair))
	}
	return out
}

func (p *problems) targetGroupPair(pair control.TargetGroupPairInfo) deploy.TargetGroupPair {
	const code = control.InvalidTargetGroupPairException
	var out deploy.TargetGroupPair
	for _, g := range pair.TargetGroups {
		out.TargetGroups = append(out.TargetGroups, value(g.Name))
	}
	out.ProdListeners = listeners(pair.ProdTrafficRoute)
	out.TestListeners = listeners(pair.TestTrafficRoute)
	switch {
	case len(out.TargetGroups) != 2 || out.TargetGroups[0] == out.TargetGroups[1] || slices.Contains(out.TargetGroups, ""):
		p.add(code, "A target group pair has exactly two different target groups.")
	case slices.ContainsFunc(out.TargetGroups, func(n string) bool { return utf8.RuneCountInString(n) > maxTargetGroup }):
		p.add(code, "The name of a target group has at most %d characters.", maxTargetGroup)
	case len(out.ProdListeners) != 1:
		p.add(code, "prodTrafficRoute of a target group pair has exactly one listener ARN.")
	case pair.TestTrafficRoute != nil && len(out.TestListeners) > 1:
		p.add(code, "testTrafficRoute of a target group pair has at most one listener ARN.")
	}
	return out
}

func listeners(r *control.TrafficRoute) []string {
	if r == nil {
		return nil
	}
	return r.ListenerArns
}

func (p *problems) ecsServices(list []control.ECSService) []deploy.ECSService {
	var out []deploy.ECSService
	for i, e := range list {
		out = append(out, deploy.ECSService{Cluster: value(e.ClusterName), Service: value(e.ServiceName)})
		if out[i].Cluster == "" || out[i].Service == "" {
			p.add(control.InvalidECSServiceException, "ecsServices[%d] needs a clusterName and a serviceName.", i)
		}
	}
	return out
}

func styleIn(s *control.DeploymentStyle) deploy.Style {
	out := deploy.Style{Type: string(value(s.DeploymentType)), Option: string(value(s.DeploymentOption))}
	if out.Type == "" {
		out.Type = deploy.StyleInPlace
	}
	if out.Option == "" {
		out.Option = deploy.WithoutTrafficCntrl
	}
	return out
}

// defaultSettings is what a group has whose creator says nothing.
func defaultSettings(platform string) deploy.GroupSettings {
	s := deploy.GroupSettings{
		Config: defaultConfig(platform), OutdatedInstances: outdatedUpdate,
		Style: deploy.Style{Type: deploy.StyleInPlace, Option: deploy.WithoutTrafficCntrl},
	}
	if platform != deploy.PlatformServer {
		s.Style = deploy.Style{Type: deploy.StyleBlueGreen, Option: deploy.WithTrafficControl}
	}
	return s
}

// combined notes what is wrong with settings as a whole on a platform. m is what the caller gave now: some combinations are refused only
// when they are asked for, and kept when they came about.
func (p *problems) combined(s deploy.GroupSettings, platform string, m groupMembers) {
	switch platform {
	case deploy.PlatformServer:
		p.combinedServer(s, m)
		return
	case deploy.PlatformECS:
		p.combinedECS(s)
	}
	const bad = control.InvalidDeploymentStyleException
	if s.Style.Type != deploy.StyleBlueGreen || s.Style.Option != deploy.WithTrafficControl {
		p.add(bad, "For %s deployment, the deployment type must be BLUE_GREEN, and deployment option must be WITH_TRAFFIC_CONTROL.", platform)
	}
	if platform == deploy.PlatformLambda && m.blueGreen != nil {
		p.add(control.InvalidBlueGreenDeploymentConfigurationException, "For Lambda deployment group, blueGreenDeploymentConfiguration can not be specified.")
	}
	if platform == deploy.PlatformLambda && len(s.ECSServices) > 0 {
		p.add(control.InvalidECSServiceException, "Lambda Deployment Groups should not define a value for ecsServices.")
	}
	sel := s.Selection
	if len(sel.EC2Filters)+len(sel.EC2TagSet) > 0 {
		p.add(control.InvalidEC2TagException, "For %s deployment group, ec2TagFilters can not be specified.", platform)
	}
	if len(sel.OnPremFilters)+len(sel.OnPremTagSet) > 0 {
		p.add(control.InvalidTagException, "For %s deployment group, onPremisesInstanceTagFilters can not be specified.", platform)
	}
	if len(sel.AutoScalingGroups) > 0 {
		p.add(control.InvalidAutoScalingGroupException, "For %s deployment group, autoScalingGroups can not be specified.", platform)
	}
}

func (p *problems) combinedServer(s deploy.GroupSettings, m groupMembers) {
	const badBlock = control.InvalidBlueGreenDeploymentConfigurationException
	blueGreen := s.Style.Type == deploy.StyleBlueGreen
	if blueGreen && s.Style.Option == deploy.WithoutTrafficCntrl {
		p.add(control.InvalidDeploymentStyleException, "For blue/green deployments the deployment option must be WITH_TRAFFIC_CONTROL.")
	}
	if s.Style.Option == deploy.WithTrafficControl && s.LoadBalancer == nil {
		p.add(control.InvalidLoadBalancerInfoException, "The deploymentOption value is set to WITH_TRAFFIC_CONTROL, but no load balancer or target group has been specified in loadBalancerInfo.")
	}
	if len(s.ECSServices) > 0 {
		p.add(control.InvalidECSServiceException, "Server Deployment Groups should not define a value for ecsServices, eksClusters, or targetGroupPairInfoList.")
	}
	if m.blueGreen != nil && !blueGreen {
		p.add(badBlock, "blueGreenDeploymentConfiguration is given, but the deployment type is IN_PLACE.")
	}
	if s.BlueGreen == nil || !blueGreen {
		return
	}
	if s.BlueGreen.ReadyWaitMinutes > maxServerWait {
		p.add(badBlock, "waitTimeInMinutes of deploymentReadyOption is %d, and at most %d (2 days) is allowed.", s.BlueGreen.ReadyWaitMinutes, maxServerWait)
	}
	if n := len(s.Selection.AutoScalingGroups); s.BlueGreen.Provisioning == deploy.ProvisionCopyAutoScaler && n != 1 {
		p.add(badBlock, "COPY_AUTO_SCALING_GROUP needs exactly one Auto Scaling group in the deployment group, which has %d.", n)
	}
}

func (p *problems) combinedECS(s deploy.GroupSettings) {
	const badBlock = control.InvalidBlueGreenDeploymentConfigurationException
	const badBalancer = control.InvalidLoadBalancerInfoException
	switch b := s.BlueGreen; {
	case b == nil:
		p.add(badBlock, "For ECS deployment group, blueGreenDeploymentConfiguration must be specified.")
	case b.TerminationAction != deploy.TerminationTerminate:
		p.add(badBlock, "For ECS deployment group, the action of terminateBlueInstancesOnDeploymentSuccess must be TERMINATE.")
	case b.Provisioning != deploy.ProvisionDiscover:
		p.add(badBlock, "For ECS deployment group, greenFleetProvisioningOption can not be specified.")
	case b.ReadyWaitMinutes > maxECSReadyWait:
		p.add(badBlock, "waitTimeInMinutes of deploymentReadyOption is %d, and at most %d (5 days) is allowed.", b.ReadyWaitMinutes, maxECSReadyWait)
	}
	switch l := s.LoadBalancer; {
	case l == nil:
		p.add(badBalancer, "For ECS deployment group, loadBalancerInfo must be specified.")
	case len(l.Balancers) > 0:
		p.add(badBalancer, "For ECS deployment group, loadBalancerInfo must not contain elbInfo list.")
	case len(l.Pairs) == 0:
		p.add(control.InvalidTargetGroupPairException, "For ECS deployment group, targetGroupPairInfoList must have a pair.")
	}
	if n := len(s.ECSServices); n != 1 {
		p.add(control.InvalidECSServiceException, "For ECS deployment group, ecsServices must have exactly one service, %s.", fmt.Sprintf("not %d", n))
	}
}
