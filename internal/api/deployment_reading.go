package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// GetDeployment implements control.Service.
func (s *Service) GetDeployment(ctx context.Context, in *control.GetDeploymentInput) (*control.GetDeploymentOutput, error) {
	p := s.check("GetDeployment", in)
	p.deploymentID(in.DeploymentId)
	if err := p.err(); err != nil {
		return nil, err
	}
	d, err := s.deployment(ctx, *in.DeploymentId)
	if err != nil {
		return nil, err
	}
	info, err := s.deploymentInfo(ctx, d)
	if err != nil {
		return nil, err
	}
	return &control.GetDeploymentOutput{DeploymentInfo: info}, nil
}

// BatchGetDeployments implements control.Service. Unknown ids are left out.
func (s *Service) BatchGetDeployments(ctx context.Context, in *control.BatchGetDeploymentsInput) (*control.BatchGetDeploymentsOutput, error) {
	p := s.check("BatchGetDeployments", in)
	p.atMost(control.BatchLimitExceededException, "deploymentIds", len(in.DeploymentIds), 25)
	for i, id := range in.DeploymentIds {
		if !deploymentIDPattern().MatchString(id) {
			p.add(control.InvalidDeploymentIdException, "deploymentIds[%d] %s is not a deployment id: it is d- and nine of A-Z and 0-9.", i, quote(id))
		}
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	out := &control.BatchGetDeploymentsOutput{DeploymentsInfo: []control.DeploymentInfo{}}
	for _, id := range once(in.DeploymentIds) {
		d, err := s.cfg.Store.Deployment(ctx, s.account(ctx), id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read deployment %s: %w", id, err)
		}
		info, err := s.deploymentInfo(ctx, d)
		if err != nil {
			return nil, err
		}
		out.DeploymentsInfo = append(out.DeploymentsInfo, *info)
	}
	return out, nil
}

// presentNames returns what the deployment's application and group are called now: a deployment follows their renaming. When they are gone
// it keeps the names that they had.
func (s *Service) presentNames(ctx context.Context, d deploy.Deployment) (application, group string, err error) {
	g, err := s.cfg.Store.GroupByID(ctx, d.Spec.GroupID)
	if errors.Is(err, store.ErrNotFound) {
		return d.Spec.Application, d.Spec.Group, nil
	}
	if err != nil {
		return "", "", fmt.Errorf("read the deployment group of deployment %s: %w", d.Spec.ID, err)
	}
	return g.Application, g.Name, nil
}

// deploymentInfo returns the wire form.
func (s *Service) deploymentInfo(ctx context.Context, d deploy.Deployment) (*control.DeploymentInfo, error) {
	spec, st := d.Spec, d.State
	application, group, err := s.presentNames(ctx, d)
	if err != nil {
		return nil, err
	}
	out := &control.DeploymentInfo{
		ApplicationName: &application, DeploymentGroupName: &group, DeploymentConfigName: &spec.Config, DeploymentId: &spec.ID,
		Revision:   revisionOut(spec.Revision, false),
		Status:     new(control.DeploymentStatus(st.Status)),
		CreateTime: wire.At(spec.CreatedAt), StartTime: wire.At(st.StartedAt), CompleteTime: wire.At(st.CompletedAt),
		DeploymentOverview: overviewOut(st.Overview), Description: optional(spec.Description),
		Creator:                            new(control.DeploymentCreator(spec.Creator)),
		IgnoreApplicationStopFailures:      &spec.IgnoreApplicationStopFailures,
		AutoRollbackConfiguration:          autoRollbackOut(spec.AutoRollback),
		UpdateOutdatedInstancesOnly:        &spec.UpdateOutdatedOnly,
		DeploymentStyle:                    styleOut(spec.Style),
		InstanceTerminationWaitTimeStarted: &st.TerminationWaitStarted,
		BlueGreenDeploymentConfiguration:   blueGreenOut(spec.BlueGreen, deploy.PlatformServer),
		LoadBalancerInfo:                   loadBalancerOut(spec.LoadBalancer),
		FileExistsBehavior:                 optional(control.FileExistsBehavior(spec.FileExists)),
		DeploymentStatusMessages:           d.Messages(),
		ComputePlatform:                    new(control.ComputePlatformServer),
		ExternalId:                         optional(spec.ExternalID),
		OverrideAlarmConfiguration:         alarmsOut(spec.Alarms),
	}
	if err := s.related(ctx, d, out); err != nil {
		return nil, err
	}
	if spec.Previous != nil {
		out.PreviousRevision = revisionOut(spec.Previous.Revision, false)
	}
	if e := st.Error; e != nil {
		out.ErrorInformation = &control.ErrorInformation{Code: new(control.ErrorCode(e.Code)), Message: &e.Message}
	}
	if r := st.Rollback; r != nil {
		out.RollbackInfo = &control.RollbackInfo{
			RollbackDeploymentId: optional(r.DeploymentID), RollbackTriggeringDeploymentId: optional(r.TriggeredBy), RollbackMessage: optional(r.Message),
		}
	}
	if t := spec.TargetInstances; t != nil {
		out.TargetInstances = &control.TargetInstances{AutoScalingGroups: some(t.AutoScalingGroups), TagFilters: ec2FiltersOut(t.EC2Filters), Ec2TagSet: ec2SetOut(t.EC2TagSet)}
	}
	return out, nil
}

// related names the deployments that bring the revision to instances that joined meanwhile, and for such a one its root.
func (s *Service) related(ctx context.Context, d deploy.Deployment, out *control.DeploymentInfo) error {
	followUps, err := s.cfg.Store.Deployments(ctx, d.Spec.Account, store.DeploymentFilter{Root: d.Spec.ID}, store.Page{Limit: maxFollowUps})
	if err != nil {
		return fmt.Errorf("list the follow-ups of deployment %s: %w", d.Spec.ID, err)
	}
	if d.Spec.Root == "" && len(followUps) == 0 {
		return nil
	}
	out.RelatedDeployments = &control.RelatedDeployments{AutoUpdateOutdatedInstancesRootDeploymentId: optional(d.Spec.Root)}
	for _, f := range followUps {
		out.RelatedDeployments.AutoUpdateOutdatedInstancesDeploymentIds = append(out.RelatedDeployments.AutoUpdateOutdatedInstancesDeploymentIds, f.ID)
	}
	return nil
}

// maxFollowUps bounds the follow-ups that are named, the newest first.
const maxFollowUps = 100

func overviewOut(c deploy.Counts) *control.DeploymentOverview {
	return &control.DeploymentOverview{
		Pending: new(int64(c.Pending)), InProgress: new(int64(c.InProgress)), Succeeded: new(int64(c.Succeeded)),
		Failed: new(int64(c.Failed)), Skipped: new(int64(c.Skipped)), Ready: new(int64(c.Ready)),
	}
}

// ListDeployments implements control.Service: the newest first.
func (s *Service) ListDeployments(ctx context.Context, in *control.ListDeploymentsInput) (*control.ListDeploymentsOutput, error) {
	p := s.check("ListDeployments", in)
	application, group := value(in.ApplicationName), value(in.DeploymentGroupName)
	if application == "" && group != "" {
		p.add(control.ApplicationNameRequiredException, "deploymentGroupName is given without applicationName.")
	}
	if application != "" && group == "" {
		p.add(control.DeploymentGroupNameRequiredException, "applicationName is given without deploymentGroupName.")
	}
	p.groupNames(in.ApplicationName, in.DeploymentGroupName, "deploymentGroupName")
	f := store.DeploymentFilter{ExternalID: value(in.ExternalId)}
	if in.ExternalId != nil && (f.ExternalID == "" || len(f.ExternalID) > 1024) {
		p.add(control.InvalidExternalIdException, "externalId is empty or longer than 1024 bytes.")
	}
	if f.ExternalID != "" && application+group != "" {
		p.add(control.InvalidInputException, "externalId can't be given together with applicationName and deploymentGroupName.")
	}
	for _, st := range in.IncludeOnlyStatuses {
		f.Statuses = append(f.Statuses, deploy.Status(st))
	}
	if r := in.CreateTimeRange; r != nil {
		f.From, f.To = timeIn(r.Start), timeIn(r.End)
		if !f.From.IsZero() && !f.To.IsZero() && f.From.After(f.To) {
			p.add(control.InvalidTimeRangeException, "createTimeRange starts after it ends.")
		}
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	l, err := s.list(ctx, "ListDeployments", application, group, f)
	if err != nil {
		return nil, err
	}
	page, err := l.page(in.NextToken)
	if err != nil {
		return nil, err
	}
	if group != "" {
		app, g, err := s.group(ctx, application, group)
		if err != nil {
			return nil, err
		}
		f.ApplicationID, f.GroupID = app.ID, g.ID
	}
	entries, err := s.cfg.Store.Deployments(ctx, l.account, f, page)
	if err != nil {
		return nil, fmt.Errorf("list deployments: %w", err)
	}
	entries, next := cut(l, entries, func(e store.DeploymentEntry) string { return e.Cursor })
	out := &control.ListDeploymentsOutput{Deployments: make([]string, len(entries)), NextToken: next}
	for i, e := range entries {
		out.Deployments[i] = e.ID
	}
	return out, nil
}

// timeIn returns the time of a wire value, or the zero time when it is absent.
func timeIn(t *wire.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}
