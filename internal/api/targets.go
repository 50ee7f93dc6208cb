package api

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// resolved reads a deployment whose targets are known.
func (s *Service) resolved(ctx context.Context, id string) (deploy.Deployment, error) {
	d, err := s.deployment(ctx, id)
	if err != nil {
		return d, err
	}
	if st := d.State.Status; st == deploy.StatusCreated || st == deploy.StatusQueued {
		return d, wire.Errorf(control.DeploymentNotStartedException, "The deployment %s has not started: its instances are not known yet.", id)
	}
	return d, nil
}

// ListDeploymentTargets implements control.Service.
func (s *Service) ListDeploymentTargets(ctx context.Context, in *control.ListDeploymentTargetsInput) (*control.ListDeploymentTargetsOutput, error) {
	p := s.check("ListDeploymentTargets", in)
	p.deploymentID(in.DeploymentId)
	f := store.TargetFilter{}
	for _, st := range in.TargetFilters[control.TargetFilterNameTargetStatus] {
		f.Statuses = append(f.Statuses, p.targetStatus(st))
	}
	for _, label := range in.TargetFilters[control.TargetFilterNameServerInstanceLabel] {
		f.Lanes = append(f.Lanes, p.lane(label))
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	targets, next, err := s.listTargets(ctx, "ListDeploymentTargets", *in.DeploymentId, f, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &control.ListDeploymentTargetsOutput{TargetIds: targets, NextToken: next}, nil
}

// ListDeploymentInstances implements control.Service: the older form of ListDeploymentTargets.
func (s *Service) ListDeploymentInstances(ctx context.Context, in *control.ListDeploymentInstancesInput) (*control.ListDeploymentInstancesOutput, error) {
	p := s.check("ListDeploymentInstances", in)
	p.deploymentID(in.DeploymentId)
	f := store.TargetFilter{}
	for _, st := range in.InstanceStatusFilter {
		f.Statuses = append(f.Statuses, p.targetStatus(string(st)))
	}
	for _, label := range in.InstanceTypeFilter {
		f.Lanes = append(f.Lanes, p.lane(string(label)))
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	targets, next, err := s.listTargets(ctx, "ListDeploymentInstances", *in.DeploymentId, f, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &control.ListDeploymentInstancesOutput{InstancesList: targets, NextToken: next}, nil
}

func (p *problems) targetStatus(s string) deploy.TargetStatus {
	if !slices.Contains(deploy.TargetStatuses(), deploy.TargetStatus(s)) {
		p.add(control.InvalidInstanceStatusException, "%s is not the status of a target: use Pending, InProgress, Succeeded, Failed, Skipped, Unknown or Ready.", quote(s))
	}
	return deploy.TargetStatus(s)
}

func (p *problems) lane(label string) deploy.Lane {
	if label != string(deploy.LaneOriginal) && label != string(deploy.LaneReplacement) {
		p.add(control.InvalidInstanceTypeException, "%s is not the label of an instance: use Blue or Green.", quote(label))
	}
	return deploy.Lane(label)
}

func (s *Service) listTargets(ctx context.Context, operation, id string, f store.TargetFilter, token *string) ([]string, *string, error) {
	l, err := s.list(ctx, operation, id, f)
	if err != nil {
		return nil, nil, err
	}
	page, err := l.page(token)
	if err != nil {
		return nil, nil, err
	}
	d, err := s.resolved(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if len(f.Lanes) > 0 && !d.Spec.Kind.BlueGreen() {
		return nil, nil, wire.Errorf(control.InvalidDeploymentInstanceTypeException, "The deployment %s is in-place: its instances have no label Blue or Green.", id)
	}
	targets, err := s.cfg.Store.Targets(ctx, id, f, page)
	if err != nil {
		return nil, nil, fmt.Errorf("list the targets of deployment %s: %w", id, err)
	}
	targets, next := cut(l, targets, func(t deploy.Target) string { return t.ID })
	ids := make([]string, len(targets))
	for i, t := range targets {
		ids[i] = t.ID
	}
	return ids, next, nil
}

// A target is named by the instance's name or id, or by its ARN: instance/<name>_<suffix> on premises, instance/<id> in EC2.
var targetARNPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^arn:[a-z-]+:(codedeploy|ec2):[a-z0-9-]*:[0-9]*:instance/([A-Za-z0-9._+=,@-]{1,120})$`)
})

// targetName returns the name in what a caller calls a target, or false when it has no such form.
func targetName(given string) (string, bool) {
	if namePattern().MatchString(given) {
		return given, true
	}
	m := targetARNPattern().FindStringSubmatch(given)
	if m == nil {
		return "", false
	}
	name := m[2]
	if i := strings.LastIndexByte(name, '_'); m[1] == "codedeploy" && i > 0 {
		name = name[:i]
	}
	return name, true
}

// target notes an instance's or target's name that has no form of one.
func (p *problems) target(code wire.Code, member, given string) {
	if _, ok := targetName(given); !ok {
		p.add(code, "%s %s is neither the name, the id nor the ARN of an instance.", member, quote(given))
	}
}

// readTarget reads a target; store.ErrNotFound when the deployment has none of the name, or one with another ARN.
func (s *Service) readTarget(ctx context.Context, d deploy.Deployment, given string) (deploy.Target, error) {
	name, _ := targetName(given)
	t, err := s.cfg.Store.Target(ctx, d.Spec.ID, name)
	if err == nil && strings.HasPrefix(given, "arn:") && t.ARN != given {
		err = store.ErrNotFound
	}
	if err != nil {
		return t, fmt.Errorf("read target %s of deployment %s: %w", name, d.Spec.ID, err)
	}
	return t, nil
}

// What has the form of an on-premises instance's ARN but for the name in it has a malformed name.
var onPremisesARNPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^arn:[a-z-]+:codedeploy:[a-z0-9-]*:[0-9]*:instance/`)
})

// GetDeploymentTarget implements control.Service.
func (s *Service) GetDeploymentTarget(ctx context.Context, in *control.GetDeploymentTargetInput) (*control.GetDeploymentTargetOutput, error) {
	p := s.check("GetDeploymentTarget", in)
	p.deploymentID(in.DeploymentId)
	switch id := value(in.TargetId); {
	case id == "":
		// missing, which the model says
	case onPremisesARNPattern().MatchString(id):
		p.target(control.InvalidInstanceNameException, "targetId", id)
	default:
		p.target(control.InvalidDeploymentTargetIdException, "targetId", id)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	d, err := s.resolved(ctx, *in.DeploymentId)
	if err != nil {
		return nil, err
	}
	t, err := s.readTarget(ctx, d, *in.TargetId)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noTarget(d, *in.TargetId)
	}
	if err != nil {
		return nil, err
	}
	return &control.GetDeploymentTargetOutput{DeploymentTarget: new(targetOut(t))}, nil
}

func noTarget(d deploy.Deployment, id string) error {
	return wire.Errorf(control.DeploymentTargetDoesNotExistException, "The deployment %s has no target %s.", d.Spec.ID, quote(id))
}

// BatchGetDeploymentTargets implements control.Service. One unknown target fails the call.
func (s *Service) BatchGetDeploymentTargets(ctx context.Context, in *control.BatchGetDeploymentTargetsInput) (*control.BatchGetDeploymentTargetsOutput, error) {
	p := s.check("BatchGetDeploymentTargets", in)
	p.deploymentID(in.DeploymentId)
	p.atMost(control.DeploymentTargetListSizeExceededException, "targetIds", len(in.TargetIds), 25)
	for i, id := range in.TargetIds {
		p.target(control.InvalidDeploymentTargetIdException, fmt.Sprintf("targetIds[%d]", i), id)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	d, err := s.resolved(ctx, *in.DeploymentId)
	if err != nil {
		return nil, err
	}
	out := &control.BatchGetDeploymentTargetsOutput{DeploymentTargets: []control.DeploymentTarget{}}
	for _, id := range once(in.TargetIds) {
		t, err := s.readTarget(ctx, d, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil, noTarget(d, id)
		}
		if err != nil {
			return nil, err
		}
		out.DeploymentTargets = append(out.DeploymentTargets, targetOut(t))
	}
	return out, nil
}

// GetDeploymentInstance implements control.Service: the older form of GetDeploymentTarget.
func (s *Service) GetDeploymentInstance(ctx context.Context, in *control.GetDeploymentInstanceInput) (*control.GetDeploymentInstanceOutput, error) {
	p := s.check("GetDeploymentInstance", in)
	p.deploymentID(in.DeploymentId)
	if value(in.InstanceId) != "" {
		p.target(control.InvalidInstanceNameException, "instanceId", *in.InstanceId)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	d, err := s.deployment(ctx, *in.DeploymentId)
	if err != nil {
		return nil, err
	}
	t, err := s.readTarget(ctx, d, *in.InstanceId)
	if errors.Is(err, store.ErrNotFound) {
		return nil, wire.Errorf(control.InstanceDoesNotExistException, "The deployment %s has no instance %s.", d.Spec.ID, quote(*in.InstanceId))
	}
	if err != nil {
		return nil, err
	}
	return &control.GetDeploymentInstanceOutput{InstanceSummary: new(instanceSummaryOut(t))}, nil
}

// BatchGetDeploymentInstances implements control.Service. Unknown instances are left out and named in errorMessage.
func (s *Service) BatchGetDeploymentInstances(ctx context.Context, in *control.BatchGetDeploymentInstancesInput) (*control.BatchGetDeploymentInstancesOutput, error) {
	p := s.check("BatchGetDeploymentInstances", in)
	p.deploymentID(in.DeploymentId)
	p.atMost(control.BatchLimitExceededException, "instanceIds", len(in.InstanceIds), 25)
	for i, id := range in.InstanceIds {
		p.target(control.InvalidInstanceNameException, fmt.Sprintf("instanceIds[%d]", i), id)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	d, err := s.deployment(ctx, *in.DeploymentId)
	if err != nil {
		return nil, err
	}
	out := &control.BatchGetDeploymentInstancesOutput{InstancesSummary: []control.InstanceSummary{}}
	var unknown []string
	for _, id := range once(in.InstanceIds) {
		t, err := s.readTarget(ctx, d, id)
		if errors.Is(err, store.ErrNotFound) {
			unknown = append(unknown, id)
			continue
		}
		if err != nil {
			return nil, err
		}
		out.InstancesSummary = append(out.InstancesSummary, instanceSummaryOut(t))
	}
	if len(unknown) > 0 {
		out.ErrorMessage = new(fmt.Sprintf("The deployment %s has no instance %s.", d.Spec.ID, strings.Join(unknown, ", ")))
	}
	return out, nil
}

func targetOut(t deploy.Target) control.DeploymentTarget {
	out := control.DeploymentTarget{
		DeploymentTargetType: new(control.DeploymentTargetTypeInstanceTarget),
		InstanceTarget: &control.InstanceTarget{
			DeploymentId: &t.DeploymentID, TargetId: &t.ID, TargetArn: &t.ARN, Status: new(control.TargetStatus(t.Status)),
			LastUpdatedAt: wire.At(t.UpdatedAt), LifecycleEvents: eventsOut(t),
		},
	}
	if t.Lane != deploy.LaneInPlace {
		out.InstanceTarget.InstanceLabel = new(control.TargetLabel(t.Lane))
	}
	return out
}

func instanceSummaryOut(t deploy.Target) control.InstanceSummary {
	out := control.InstanceSummary{
		DeploymentId: &t.DeploymentID, InstanceId: &t.ARN, Status: new(control.InstanceStatus(t.Status)),
		LastUpdatedAt: wire.At(t.UpdatedAt), LifecycleEvents: eventsOut(t),
	}
	if t.Lane != deploy.LaneInPlace {
		out.InstanceType = new(control.InstanceType(t.Lane))
	}
	return out
}

func eventsOut(t deploy.Target) []control.LifecycleEvent {
	events := t.LifecycleEvents()
	out := make([]control.LifecycleEvent, len(events))
	for i, e := range events {
		out[i] = control.LifecycleEvent{
			LifecycleEventName: new(string(e.Name)), Status: new(control.LifecycleEventStatus(e.Status)),
			StartTime: wire.At(e.StartedAt), EndTime: wire.At(e.EndedAt),
		}
		if d := e.Diagnostics; d != nil {
			out[i].Diagnostics = &control.Diagnostics{
				ErrorCode: new(control.LifecycleErrorCode(d.ErrorCode)), ScriptName: &d.ScriptName, Message: &d.Message, LogTail: &d.LogTail,
			}
		}
	}
	return out
}
