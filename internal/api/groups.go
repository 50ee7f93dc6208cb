package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// group reads a group, and its application, that must exist.
func (s *Service) group(ctx context.Context, application, name string) (deploy.Application, deploy.Group, error) {
	app, err := s.application(ctx, application)
	if err != nil {
		return app, deploy.Group{}, err
	}
	g, err := s.cfg.Store.Group(ctx, app.Account, app.Name, name)
	if errors.Is(err, store.ErrNotFound) {
		return app, g, noGroup(name)
	}
	if err != nil {
		return app, g, fmt.Errorf("read deployment group %s of %s: %w", name, application, err)
	}
	return app, g, nil
}

func (p *problems) groupNames(application, group *string, member string) {
	p.name(control.InvalidApplicationNameException, "applicationName", application)
	p.name(control.InvalidDeploymentGroupNameException, member, group)
}

func groupExists(name string) error {
	return wire.Errorf(control.DeploymentGroupAlreadyExistsException, "Deployment group already exists: %s", name)
}

// configFor reads the config that a group or a deployment of the platform and the style names. A config that shifts traffic in steps has nothing
// to do in place, where there is one environment; all would go at once to those who asked for a part.
func (s *Service) configFor(ctx context.Context, platform, name string, style deploy.Style) (deploy.Config, error) {
	c, err := s.config(ctx, name)
	switch {
	case err != nil:
		return c, err
	case c.Platform != platform:
		return c, wire.Errorf(control.InvalidDeploymentConfigNameException,
			"Compute platform of deployment config %s (%s) does not match expected compute platform %s.", name, c.Platform, platform)
	case c.Routing.InSteps() && style.Type != deploy.StyleBlueGreen:
		return c, wire.Errorf(control.InvalidTrafficRoutingConfigurationException,
			"The deployment config %s shifts traffic in steps, which needs two environments; use it with the deployment type BLUE_GREEN.", name)
	}
	return c, nil
}

// CreateDeploymentGroup implements control.Service.
func (s *Service) CreateDeploymentGroup(ctx context.Context, in *control.CreateDeploymentGroupInput) (*control.CreateDeploymentGroupOutput, error) {
	p := s.check("CreateDeploymentGroup", in)
	p.groupNames(in.ApplicationName, in.DeploymentGroupName, "deploymentGroupName")
	members := createdMembers(in)
	write := p.groupSettings(members, s.cfg.Region)
	tags := p.resourceTags("tags", in.Tags)
	if err := p.err(); err != nil {
		return nil, err
	}
	app, err := s.application(ctx, *in.ApplicationName)
	if err != nil {
		return nil, err
	}
	g := deploy.Group{
		ID: s.cfg.IDs.UUID(), Account: app.Account, ApplicationID: app.ID, Application: app.Name, Name: *in.DeploymentGroupName,
		Settings: defaultSettings(app.Platform), Tags: tags, CreatedAt: s.now(),
	}
	write(&g.Settings)
	p.combined(g.Settings, app.Platform, members)
	if err := p.err(); err != nil {
		return nil, err
	}
	if _, err := s.configFor(ctx, app.Platform, g.Settings.Config, g.Settings.Style); err != nil {
		return nil, err
	}
	if err := s.knownAutoScaling(ctx, control.InvalidAutoScalingGroupException, "autoScalingGroups", in.AutoScalingGroups); err != nil {
		return nil, err
	}
	g.Settings.SettleHooks(g.Name, s.cfg.IDs.UUID)
	err = s.cfg.Store.CreateGroup(ctx, g, maxGroups)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, noApplication(app.Name) // deleted meanwhile
	case errors.Is(err, store.ErrExists):
		return nil, groupExists(g.Name)
	case errors.Is(err, store.ErrLimit):
		return nil, wire.Errorf(control.DeploymentGroupLimitExceededException, "The application %s has %d deployment groups, the most that it may have; delete one first.", app.Name, maxGroups)
	case err != nil:
		return nil, fmt.Errorf("create deployment group %s of %s: %w", g.Name, app.Name, err)
	}
	s.tryTriggers(ctx, g, nil)
	s.changed()
	return &control.CreateDeploymentGroupOutput{DeploymentGroupId: &g.ID}, nil
}

// UpdateDeploymentGroup implements control.Service. The result is checked as a whole, in the transaction that writes it.
func (s *Service) UpdateDeploymentGroup(ctx context.Context, in *control.UpdateDeploymentGroupInput) (*control.UpdateDeploymentGroupOutput, error) {
	p := s.check("UpdateDeploymentGroup", in)
	p.groupNames(in.ApplicationName, in.CurrentDeploymentGroupName, "currentDeploymentGroupName")
	p.name(control.InvalidDeploymentGroupNameException, "newDeploymentGroupName", in.NewDeploymentGroupName)
	members := updatedMembers(in)
	write := p.groupSettings(members, s.cfg.Region)
	if err := p.err(); err != nil {
		return nil, err
	}
	app, g, err := s.group(ctx, *in.ApplicationName, *in.CurrentDeploymentGroupName)
	if err != nil {
		return nil, err
	}
	// What is malformed as a whole is reported before what does not exist, so the result is looked at before it is made.
	result := g.Settings
	write(&result)
	p.combined(result, app.Platform, members)
	if err := p.err(); err != nil {
		return nil, err
	}
	if members.config != nil || members.style != nil {
		if _, err := s.configFor(ctx, app.Platform, result.Config, result.Style); err != nil {
			return nil, err
		}
	}
	if err := s.knownAutoScaling(ctx, control.InvalidAutoScalingGroupException, "autoScalingGroups", in.AutoScalingGroups); err != nil {
		return nil, err
	}
	newName := value(in.NewDeploymentGroupName)
	var removed []deploy.ScalingHook
	var before []deploy.Trigger
	err = s.cfg.Store.UpdateGroup(ctx, app.Account, g.ID, func(now *deploy.Group) error {
		if newName != "" {
			now.Name = newName
		}
		before = now.Settings.Triggers
		write(&now.Settings)
		whole := &problems{}
		whole.combined(now.Settings, app.Platform, members)
		removed = now.Settings.SettleHooks(now.Name, s.cfg.IDs.UUID)
		g = *now
		return whole.err()
	})
	var exception *wire.Error
	switch {
	case errors.As(err, &exception):
		return nil, exception
	case errors.Is(err, store.ErrNotFound):
		return nil, noGroup(g.Name) // deleted meanwhile
	case errors.Is(err, store.ErrExists):
		return nil, groupExists(newName)
	case err != nil:
		return nil, fmt.Errorf("update deployment group %s of %s: %w", g.Name, app.Name, err)
	}
	s.tryTriggers(ctx, g, before)
	s.changed()
	return &control.UpdateDeploymentGroupOutput{HooksNotCleanedUp: s.removeHooks(ctx, app.Account, removed)}, nil
}

// tryTriggers sends a test by each of the group's triggers that was not there before.
func (s *Service) tryTriggers(ctx context.Context, g deploy.Group, before []deploy.Trigger) {
	if s.cfg.Triggers == nil {
		return
	}
	for _, t := range g.Settings.Triggers {
		known := slices.ContainsFunc(before, func(b deploy.Trigger) bool {
			return b.Name == t.Name && b.Target == t.Target && slices.Equal(b.Events, t.Events)
		})
		if !known {
			s.cfg.Triggers.TestTrigger(ctx, g, t)
		}
	}
}

// GetDeploymentGroup implements control.Service.
func (s *Service) GetDeploymentGroup(ctx context.Context, in *control.GetDeploymentGroupInput) (*control.GetDeploymentGroupOutput, error) {
	p := s.check("GetDeploymentGroup", in)
	p.groupNames(in.ApplicationName, in.DeploymentGroupName, "deploymentGroupName")
	if err := p.err(); err != nil {
		return nil, err
	}
	app, g, err := s.group(ctx, *in.ApplicationName, *in.DeploymentGroupName)
	if err != nil {
		return nil, err
	}
	return &control.GetDeploymentGroupOutput{DeploymentGroupInfo: groupOut(g, app.Platform)}, nil
}

// BatchGetDeploymentGroups implements control.Service. Unknown groups are left out and named in errorMessage.
func (s *Service) BatchGetDeploymentGroups(ctx context.Context, in *control.BatchGetDeploymentGroupsInput) (*control.BatchGetDeploymentGroupsOutput, error) {
	p := s.check("BatchGetDeploymentGroups", in)
	p.name(control.InvalidApplicationNameException, "applicationName", in.ApplicationName)
	p.names(control.InvalidDeploymentGroupNameException, "deploymentGroupNames", in.DeploymentGroupNames)
	p.atMost(control.BatchLimitExceededException, "deploymentGroupNames", len(in.DeploymentGroupNames), 100)
	if err := p.err(); err != nil {
		return nil, err
	}
	app, err := s.application(ctx, *in.ApplicationName)
	if err != nil {
		return nil, err
	}
	out := &control.BatchGetDeploymentGroupsOutput{DeploymentGroupsInfo: []control.DeploymentGroupInfo{}}
	var unknown []string
	for _, name := range once(in.DeploymentGroupNames) {
		g, err := s.cfg.Store.Group(ctx, app.Account, app.Name, name)
		if errors.Is(err, store.ErrNotFound) {
			unknown = append(unknown, name)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read deployment group %s of %s: %w", name, app.Name, err)
		}
		out.DeploymentGroupsInfo = append(out.DeploymentGroupsInfo, *groupOut(g, app.Platform))
	}
	if len(unknown) > 0 {
		out.ErrorMessage = new(fmt.Sprintf("No Deployment Group found for name: %s", strings.Join(unknown, ", ")))
	}
	return out, nil
}

// ListDeploymentGroups implements control.Service.
func (s *Service) ListDeploymentGroups(ctx context.Context, in *control.ListDeploymentGroupsInput) (*control.ListDeploymentGroupsOutput, error) {
	p := s.check("ListDeploymentGroups", in)
	p.name(control.InvalidApplicationNameException, "applicationName", in.ApplicationName)
	if err := p.err(); err != nil {
		return nil, err
	}
	l, err := s.list(ctx, "ListDeploymentGroups", *in.ApplicationName)
	if err != nil {
		return nil, err
	}
	page, err := l.page(in.NextToken)
	if err != nil {
		return nil, err
	}
	app, err := s.application(ctx, *in.ApplicationName)
	if err != nil {
		return nil, err
	}
	names, err := s.cfg.Store.Groups(ctx, app.Account, app.Name, page)
	if err != nil {
		return nil, fmt.Errorf("list the deployment groups of %s: %w", app.Name, err)
	}
	names, next := cut(l, names, itself)
	return &control.ListDeploymentGroupsOutput{ApplicationName: &app.Name, DeploymentGroups: some(names), NextToken: next}, nil
}

// DeleteDeploymentGroup implements control.Service. Deleting an unknown group, or one of an unknown application, succeeds: the operation
// declares no exception for it.
func (s *Service) DeleteDeploymentGroup(ctx context.Context, in *control.DeleteDeploymentGroupInput) (*control.DeleteDeploymentGroupOutput, error) {
	p := s.check("DeleteDeploymentGroup", in)
	p.groupNames(in.ApplicationName, in.DeploymentGroupName, "deploymentGroupName")
	if err := p.err(); err != nil {
		return nil, err
	}
	was, err := s.cfg.Store.Group(ctx, s.account(ctx), *in.ApplicationName, *in.DeploymentGroupName)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("read deployment group %s of %s: %w", *in.DeploymentGroupName, *in.ApplicationName, err)
	}
	unfinished, err := s.cfg.Store.DeleteGroup(ctx, s.account(ctx), *in.ApplicationName, *in.DeploymentGroupName)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("delete deployment group %s of %s: %w", *in.DeploymentGroupName, *in.ApplicationName, err)
	}
	err = s.abandon(ctx, unfinished, deploy.ErrorInfo{
		Code: deploy.CodeGroupMissing, Message: fmt.Sprintf("The deployment group %s was deleted.", *in.DeploymentGroupName),
	})
	if err != nil {
		return nil, err
	}
	return &control.DeleteDeploymentGroupOutput{HooksNotCleanedUp: s.removeHooks(ctx, s.account(ctx), was.Settings.Hooks)}, nil
}
