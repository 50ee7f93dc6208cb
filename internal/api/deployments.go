package api

import (
	"context"
	"errors"
	"fmt"

	"crossfade/internal/awsjson"
	"crossfade/internal/deploy"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// CreateDeployment implements control.Service. It answers when the deployment is durable; which instances take part, and whether it can
// start at all, is found out afterwards and shown by GetDeployment.
func (s *Service) CreateDeployment(ctx context.Context, in *control.CreateDeploymentInput) (*control.CreateDeploymentOutput, error) {
	spec, group, err := s.newDeployment(ctx, in)
	if err != nil {
		return nil, err
	}
	_, err = s.cfg.Engine.Create(ctx, spec)
	var busy *store.GroupBusyError
	switch {
	case errors.As(err, &busy):
		return nil, wire.Errorf(control.DeploymentLimitExceededException, "The Deployment Group '%s' already has an active Deployment '%s'", group.Name, busy.Active)
	case errors.Is(err, store.ErrNotFound):
		return nil, noGroup(group.Name) // deleted meanwhile
	case err != nil:
		return nil, fmt.Errorf("create a deployment of %s to %s: %w", group.Application, group.Name, err)
	}
	return &control.CreateDeploymentOutput{DeploymentId: &spec.ID}, nil
}

// newDeployment checks what a caller wants deployed and returns it with everything that it takes over from its group.
func (s *Service) newDeployment(ctx context.Context, in *control.CreateDeploymentInput) (deploy.Spec, deploy.Group, error) {
	p := s.check("CreateDeployment", in)
	p.require(control.DeploymentGroupNameRequiredException, "deploymentGroupName", in.DeploymentGroupName)
	if in.Revision == nil && !value(in.UpdateOutdatedInstancesOnly) {
		p.add(control.RevisionRequiredException, "revision is required.")
	}
	p.groupNames(in.ApplicationName, in.DeploymentGroupName, "deploymentGroupName")
	p.name(control.InvalidDeploymentConfigNameException, "deploymentConfigName", in.DeploymentConfigName)
	p.description(in.Description)
	spec := deploy.Spec{
		ID: s.deploymentID(), RollbackID: s.deploymentID(), Creator: deploy.CreatorUser, Description: value(in.Description),
		Revision:                      p.revision("revision", in.Revision),
		AutoRollback:                  p.autoRollback(in.AutoRollbackConfiguration),
		Alarms:                        p.alarms("overrideAlarmConfiguration", in.OverrideAlarmConfiguration),
		TargetInstances:               p.targetInstances(in.TargetInstances),
		IgnoreApplicationStopFailures: value(in.IgnoreApplicationStopFailures),
		UpdateOutdatedOnly:            value(in.UpdateOutdatedInstancesOnly),
		FileExists:                    string(value(in.FileExistsBehavior)),
	}
	if err := p.err(); err != nil {
		return deploy.Spec{}, deploy.Group{}, err
	}
	app, group, err := s.group(ctx, *in.ApplicationName, *in.DeploymentGroupName)
	if err != nil {
		return deploy.Spec{}, deploy.Group{}, err
	}
	if err := s.fromGroup(ctx, &spec, app, group, value(in.DeploymentConfigName)); err != nil {
		return deploy.Spec{}, deploy.Group{}, err
	}
	if err := s.checkAgainstGroup(ctx, spec, app, group, in); err != nil {
		return deploy.Spec{}, deploy.Group{}, err
	}
	return spec, group, nil
}

func (s *Service) deploymentID() string { return DeploymentID(s.cfg.IDs) }

// DeploymentID draws the id of a deployment.
func DeploymentID(ids IDs) string { return "d-" + ids.Letters(9) }

// targetInstances notes a bad replacement environment by itself.
func (p *problems) targetInstances(t *control.TargetInstances) *deploy.Selection {
	const code = control.InvalidTargetInstancesException
	if t == nil {
		return nil
	}
	if len(t.TagFilters) > 0 && t.Ec2TagSet != nil && len(t.Ec2TagSet.Ec2TagSetList) > 0 {
		p.add(code, "targetInstances has both tagFilters and ec2TagSet; use one of them.")
	}
	out := &deploy.Selection{
		EC2Filters:        p.tagFilters(code, "targetInstances.tagFilters", ec2Filters(t.TagFilters)),
		EC2TagSet:         p.tagSet(code, code, "targetInstances.ec2TagSet", ec2SetLists(t.Ec2TagSet)),
		AutoScalingGroups: t.AutoScalingGroups,
	}
	return out
}

// fromGroup fills in what a deployment takes over from its group, which it keeps whatever becomes of the group.
func (s *Service) fromGroup(ctx context.Context, spec *deploy.Spec, app deploy.Application, g deploy.Group, configName string) error {
	if configName == "" {
		configName = g.Settings.Config
	}
	config, err := s.configFor(ctx, app.Platform, configName, g.Settings.Style)
	if err != nil {
		return err
	}
	var last deploy.Deployment
	if g.LastSuccessful != nil {
		last, err = s.cfg.Store.Deployment(ctx, app.Account, g.LastSuccessful.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("read deployment %s: %w", g.LastSuccessful.ID, err)
		}
	}
	spec.Take(g, config, last.Spec)
	if spec.Revision.Type == "" && g.TargetRevision != nil {
		spec.Revision, spec.Follows = *g.TargetRevision, true // allowed with updateOutdatedInstancesOnly
	}
	return nil
}

// checkAgainstGroup refuses what does not fit the group and the platform.
func (s *Service) checkAgainstGroup(ctx context.Context, spec deploy.Spec, app deploy.Application, g deploy.Group, in *control.CreateDeploymentInput) error {
	if spec.Revision.Type == "" {
		return wire.Errorf(control.RevisionDoesNotExistException, "revision is required: the deployment group %s has no successful deployment whose revision updateOutdatedInstancesOnly could bring to its instances.", g.Name)
	}
	if err := fits(spec.Revision, app.Platform); err != nil {
		return err
	}
	if app.Platform != deploy.PlatformServer {
		p := &problems{}
		if in.FileExistsBehavior != nil {
			p.add(control.InvalidFileExistsBehaviorException, "For Lambda and ECS deployment, fileExistsBehavior can not be specified.")
		}
		if spec.IgnoreApplicationStopFailures {
			p.add(control.InvalidIgnoreApplicationStopFailuresValueException, "For Lambda and ECS deployment, ignoreApplicationStopFailures can not be true.")
		}
		if spec.UpdateOutdatedOnly {
			p.add(control.InvalidUpdateOutdatedInstancesOnlyValueException, "For Lambda and ECS deployment, updateOutdatedInstancesOnly can not be true.")
		}
		if spec.TargetInstances != nil {
			p.add(control.InvalidTargetInstancesException, "For Lambda and ECS deployment, targetInstances can not be specified.")
		}
		if err := p.err(); err != nil {
			return err
		}
		if c := spec.Revision.Content; c != nil && c.Content == "" {
			_, err := s.cfg.Store.Revision(ctx, app.ID, spec.Revision)
			if errors.Is(err, store.ErrNotFound) {
				return noRevision(app.Name)
			}
			if err != nil {
				return fmt.Errorf("read a revision of %s: %w", app.Name, err)
			}
		}
		return wire.Errorf(awsjson.Validation, "CreateDeployment on the platform %s is not there yet; the application %s can only be prepared.", app.Platform, app.Name)
	}
	if spec.UpdateOutdatedOnly && spec.Kind.BlueGreen() {
		return wire.Errorf(control.InvalidUpdateOutdatedInstancesOnlyValueException, "updateOutdatedInstancesOnly is only for in-place deployments, and the deployment group %s is blue/green.", g.Name)
	}
	if err := s.knownAutoScaling(ctx, control.InvalidAutoScalingGroupException, "The deployment group "+g.Name, g.Settings.Selection.AutoScalingGroups); err != nil {
		return err
	}
	return s.checkTargetInstances(ctx, spec)
}

func (s *Service) checkTargetInstances(ctx context.Context, spec deploy.Spec) error {
	const code = control.InvalidTargetInstancesException
	discover := spec.Kind.Replaces() && spec.BlueGreen != nil && spec.BlueGreen.Provisioning == deploy.ProvisionDiscover
	given := spec.TargetInstances
	switch {
	case discover && (given == nil || given.Empty()):
		return wire.Errorf(code, "targetInstances is required: the deployment group %s is blue/green and discovers its replacement environment.", spec.Group)
	case given == nil:
		return nil
	case !spec.Kind.Replaces():
		return wire.Errorf(code, "targetInstances is only for blue/green deployments, and the deployment group %s is in-place.", spec.Group)
	case !discover && spec.BlueGreen != nil:
		return wire.Errorf(code, "targetInstances can't be given, since the deployment group %s provisions its replacement environment with %s.", spec.Group, spec.BlueGreen.Provisioning)
	}
	if err := s.knownAutoScaling(ctx, code, "targetInstances", given.AutoScalingGroups); err != nil {
		return err
	}
	filters := given.EC2Filters
	for _, l := range given.EC2TagSet {
		filters = append(filters[:len(filters):len(filters)], l...)
	}
	for _, f := range filters {
		found, err := s.cfg.Fleet.Find(ctx, spec.Account, deploy.Selection{EC2Filters: []deploy.TagFilter{f}})
		if err != nil {
			return fmt.Errorf("find the instances of targetInstances: %w", err)
		}
		if len(found) == 0 {
			return wire.Errorf(code, "No instance has a tag that matches the filter of targetInstances with the Key %s and the Value %s.", quote(f.Key), quote(f.Value))
		}
	}
	return nil
}
