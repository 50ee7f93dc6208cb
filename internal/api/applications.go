package api

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// application reads an application that must exist.
func (s *Service) application(ctx context.Context, name string) (deploy.Application, error) {
	a, err := s.cfg.Store.Application(ctx, s.account(ctx), name)
	if errors.Is(err, store.ErrNotFound) {
		return a, noApplication(name)
	}
	if err != nil {
		return a, fmt.Errorf("read application %s: %w", name, err)
	}
	return a, nil
}

// CreateApplication implements control.Service.
func (s *Service) CreateApplication(ctx context.Context, in *control.CreateApplicationInput) (*control.CreateApplicationOutput, error) {
	p := s.check("CreateApplication", in)
	p.name(control.InvalidApplicationNameException, "applicationName", in.ApplicationName)
	tags := p.resourceTags("tags", in.Tags)
	if err := p.err(); err != nil {
		return nil, err
	}
	a := deploy.Application{
		ID: s.cfg.IDs.UUID(), Account: s.account(ctx), Name: *in.ApplicationName, Platform: deploy.PlatformServer, Tags: tags, CreatedAt: s.now(),
	}
	if in.ComputePlatform != nil {
		a.Platform = string(*in.ComputePlatform)
	}
	err := s.cfg.Store.CreateApplication(ctx, a, maxApplications)
	switch {
	case errors.Is(err, store.ErrExists):
		return nil, wire.Errorf(control.ApplicationAlreadyExistsException, "Application already exists: %s", a.Name)
	case errors.Is(err, store.ErrLimit):
		return nil, wire.Errorf(control.ApplicationLimitExceededException, "The account has %d applications, the most that it may have; delete one first.", maxApplications)
	case err != nil:
		return nil, fmt.Errorf("create application %s: %w", a.Name, err)
	}
	return &control.CreateApplicationOutput{ApplicationId: &a.ID}, nil
}

func applicationOut(a deploy.Application) control.ApplicationInfo {
	return control.ApplicationInfo{
		ApplicationId: &a.ID, ApplicationName: &a.Name, CreateTime: wire.At(a.CreatedAt), LinkedToGitHub: new(false),
		ComputePlatform: new(control.ComputePlatform(a.Platform)),
	}
}

// GetApplication implements control.Service.
func (s *Service) GetApplication(ctx context.Context, in *control.GetApplicationInput) (*control.GetApplicationOutput, error) {
	p := s.check("GetApplication", in)
	p.name(control.InvalidApplicationNameException, "applicationName", in.ApplicationName)
	if err := p.err(); err != nil {
		return nil, err
	}
	a, err := s.application(ctx, *in.ApplicationName)
	if err != nil {
		return nil, err
	}
	return &control.GetApplicationOutput{Application: new(applicationOut(a))}, nil
}

// BatchGetApplications implements control.Service. One unknown name fails the call.
func (s *Service) BatchGetApplications(ctx context.Context, in *control.BatchGetApplicationsInput) (*control.BatchGetApplicationsOutput, error) {
	p := s.check("BatchGetApplications", in)
	p.names(control.InvalidApplicationNameException, "applicationNames", in.ApplicationNames)
	p.atMost(control.BatchLimitExceededException, "applicationNames", len(in.ApplicationNames), 100)
	if err := p.err(); err != nil {
		return nil, err
	}
	out := &control.BatchGetApplicationsOutput{ApplicationsInfo: []control.ApplicationInfo{}}
	for _, name := range once(in.ApplicationNames) {
		a, err := s.application(ctx, name)
		if err != nil {
			return nil, err
		}
		out.ApplicationsInfo = append(out.ApplicationsInfo, applicationOut(a))
	}
	return out, nil
}

// once returns the names without repetitions, in the order of their first appearance.
func once(names []string) []string {
	var out []string
	for _, n := range names {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// ListApplications implements control.Service.
func (s *Service) ListApplications(ctx context.Context, in *control.ListApplicationsInput) (*control.ListApplicationsOutput, error) {
	l, err := s.list(ctx, "ListApplications")
	if err != nil {
		return nil, err
	}
	page, err := l.page(in.NextToken)
	if err != nil {
		return nil, err
	}
	names, err := s.cfg.Store.Applications(ctx, l.account, page)
	if err != nil {
		return nil, fmt.Errorf("list applications: %w", err)
	}
	names, next := cut(l, names, itself)
	return &control.ListApplicationsOutput{Applications: some(names), NextToken: next}, nil
}

// UpdateApplication implements control.Service: it renames.
func (s *Service) UpdateApplication(ctx context.Context, in *control.UpdateApplicationInput) error {
	p := s.check("UpdateApplication", in)
	p.require(control.ApplicationNameRequiredException, "applicationName", in.ApplicationName)
	p.name(control.InvalidApplicationNameException, "applicationName", in.ApplicationName)
	p.name(control.InvalidApplicationNameException, "newApplicationName", in.NewApplicationName)
	if err := p.err(); err != nil {
		return err
	}
	name, newName := *in.ApplicationName, value(in.NewApplicationName)
	if newName == "" || newName == name {
		_, err := s.application(ctx, name)
		return err
	}
	err := s.cfg.Store.RenameApplication(ctx, s.account(ctx), name, newName)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return noApplication(name)
	case errors.Is(err, store.ErrExists):
		return wire.Errorf(control.ApplicationAlreadyExistsException, "Application already exists: %s", newName)
	case err != nil:
		return fmt.Errorf("rename application %s: %w", name, err)
	}
	return nil
}

// DeleteApplication implements control.Service. Deleting an unknown application succeeds: the operation declares no exception for it.
func (s *Service) DeleteApplication(ctx context.Context, in *control.DeleteApplicationInput) error {
	p := s.check("DeleteApplication", in)
	p.name(control.InvalidApplicationNameException, "applicationName", in.ApplicationName)
	if err := p.err(); err != nil {
		return err
	}
	unfinished, err := s.cfg.Store.DeleteApplication(ctx, s.account(ctx), *in.ApplicationName)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("delete application %s: %w", *in.ApplicationName, err)
	}
	return s.abandon(ctx, unfinished, deploy.ErrorInfo{
		Code: deploy.CodeApplicationMissing, Message: fmt.Sprintf("The application %s was deleted.", *in.ApplicationName),
	})
}

// abandon ends deployments whose application or group is gone. One that ended by itself meanwhile is as good.
func (s *Service) abandon(ctx context.Context, ids []string, why deploy.ErrorInfo) error {
	for _, id := range ids {
		_, err := s.cfg.Engine.Do(ctx, id, deploy.Abandon{Error: why})
		var refusal *deploy.Refusal
		if err != nil && !errors.As(err, &refusal) && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("end deployment %s: %w", id, err)
		}
	}
	return nil
}
