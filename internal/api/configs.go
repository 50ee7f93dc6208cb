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

// config reads a deployment config that must exist, a built-in one or the account's own.
func (s *Service) config(ctx context.Context, name string) (deploy.Config, error) {
	c, err := ConfigOf(ctx, s.cfg.Store, s.account(ctx), name)
	if errors.Is(err, store.ErrNotFound) {
		return c, noConfig(name)
	}
	if err != nil {
		return c, fmt.Errorf("read deployment config %s: %w", name, err)
	}
	return c, nil
}

// CreateDeploymentConfig implements control.Service.
func (s *Service) CreateDeploymentConfig(ctx context.Context, in *control.CreateDeploymentConfigInput) (*control.CreateDeploymentConfigOutput, error) {
	p := s.check("CreateDeploymentConfig", in)
	p.name(control.InvalidDeploymentConfigNameException, "deploymentConfigName", in.DeploymentConfigName)
	if strings.HasPrefix(value(in.DeploymentConfigName), builtInPrefix) {
		p.add(control.InvalidDeploymentConfigNameException, "deploymentConfigName %s begins with %s, which is reserved for built-in configs.", quote(*in.DeploymentConfigName), builtInPrefix)
	}
	c := deploy.Config{
		ID: s.cfg.IDs.UUID(), Account: s.account(ctx), Name: value(in.DeploymentConfigName), Platform: deploy.PlatformServer, CreatedAt: s.now(),
	}
	if in.ComputePlatform != nil {
		c.Platform = string(*in.ComputePlatform)
	}
	c.MinimumHealthy = p.minimumHealthy(c.Platform, in.MinimumHealthyHosts)
	c.Routing = p.routing(c.Platform, in.TrafficRoutingConfig)
	c.Zonal = p.zonal(c.Platform, in.ZonalConfig)
	if err := p.err(); err != nil {
		return nil, err
	}
	err := s.cfg.Store.CreateConfig(ctx, c, maxConfigs)
	switch {
	case errors.Is(err, store.ErrExists):
		return nil, wire.Errorf(control.DeploymentConfigAlreadyExistsException, "Deployment config already exists: %s", c.Name)
	case errors.Is(err, store.ErrLimit):
		return nil, wire.Errorf(control.DeploymentConfigLimitExceededException, "The account has %d deployment configs, the most that it may have; delete one first.", maxConfigs)
	case err != nil:
		return nil, fmt.Errorf("create deployment config %s: %w", c.Name, err)
	}
	return &control.CreateDeploymentConfigOutput{DeploymentConfigId: &c.ID}, nil
}

// GetDeploymentConfig implements control.Service.
func (s *Service) GetDeploymentConfig(ctx context.Context, in *control.GetDeploymentConfigInput) (*control.GetDeploymentConfigOutput, error) {
	p := s.check("GetDeploymentConfig", in)
	p.name(control.InvalidDeploymentConfigNameException, "deploymentConfigName", in.DeploymentConfigName)
	if err := p.err(); err != nil {
		return nil, err
	}
	c, err := s.config(ctx, *in.DeploymentConfigName)
	if err != nil {
		return nil, err
	}
	return &control.GetDeploymentConfigOutput{DeploymentConfigInfo: configOut(c)}, nil
}

// ListDeploymentConfigs implements control.Service: built-in and own ones, in one list by name.
func (s *Service) ListDeploymentConfigs(ctx context.Context, in *control.ListDeploymentConfigsInput) (*control.ListDeploymentConfigsOutput, error) {
	l, err := s.list(ctx, "ListDeploymentConfigs")
	if err != nil {
		return nil, err
	}
	page, err := l.page(in.NextToken)
	if err != nil {
		return nil, err
	}
	names, err := s.cfg.Store.Configs(ctx, l.account, page)
	if err != nil {
		return nil, fmt.Errorf("list deployment configs: %w", err)
	}
	names = slices.Clone(names)
	for _, c := range builtInConfigs() {
		if c.Name > page.After {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	names, next := cut(l, names, itself)
	return &control.ListDeploymentConfigsOutput{DeploymentConfigsList: some(names), NextToken: next}, nil
}

// DeleteDeploymentConfig implements control.Service. Deleting an unknown config succeeds: the operation declares no exception for it.
func (s *Service) DeleteDeploymentConfig(ctx context.Context, in *control.DeleteDeploymentConfigInput) error {
	p := s.check("DeleteDeploymentConfig", in)
	p.name(control.InvalidDeploymentConfigNameException, "deploymentConfigName", in.DeploymentConfigName)
	if err := p.err(); err != nil {
		return err
	}
	name := *in.DeploymentConfigName
	if _, ok := builtInConfig(name); ok {
		return wire.Errorf(control.InvalidOperationException, "%s is a built-in deployment config and can't be deleted.", name)
	}
	err := s.cfg.Store.DeleteConfig(ctx, s.account(ctx), name)
	switch {
	case errors.Is(err, store.ErrInUse):
		return wire.Errorf(control.DeploymentConfigInUseException, "The deployment config %s is used by a deployment group or an unfinished deployment.", name)
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("delete deployment config %s: %w", name, err)
	}
	return nil
}

func configOut(c deploy.Config) *control.DeploymentConfigInfo {
	out := &control.DeploymentConfigInfo{
		DeploymentConfigId: &c.ID, DeploymentConfigName: &c.Name, CreateTime: wire.At(c.CreatedAt),
		ComputePlatform: new(control.ComputePlatform(c.Platform)),
	}
	if m := c.MinimumHealthy; m != nil {
		out.MinimumHealthyHosts = &control.MinimumHealthyHosts{Type: new(control.MinimumHealthyHostsType(m.Type)), Value: new(int32(m.Value))}
	}
	if r := c.Routing; r != nil {
		out.TrafficRoutingConfig = &control.TrafficRoutingConfig{Type: new(control.TrafficRoutingType(r.Type))}
		switch r.Type {
		case deploy.RoutingCanary:
			out.TrafficRoutingConfig.TimeBasedCanary = &control.TimeBasedCanary{CanaryPercentage: new(int32(r.Percentage)), CanaryInterval: new(int32(r.IntervalMinutes))}
		case deploy.RoutingLinear:
			out.TrafficRoutingConfig.TimeBasedLinear = &control.TimeBasedLinear{LinearPercentage: new(int32(r.Percentage)), LinearInterval: new(int32(r.IntervalMinutes))}
		}
	}
	if z := c.Zonal; z != nil {
		out.ZonalConfig = &control.ZonalConfig{FirstZoneMonitorDurationInSeconds: z.FirstZoneMonitorSeconds, MonitorDurationInSeconds: z.MonitorSeconds}
		if m := z.MinimumHealthyPerZone; m != nil {
			out.ZonalConfig.MinimumHealthyHostsPerZone = &control.MinimumHealthyHostsPerZone{Type: new(control.MinimumHealthyHostsPerZoneType(m.Type)), Value: new(int32(m.Value))}
		}
	}
	return out
}

// ConfigOf reads a deployment config by name, a built-in one or the account's own. It fails with store.ErrNotFound when there is none.
func ConfigOf(ctx context.Context, configs store.Configs, account, name string) (deploy.Config, error) {
	if c, ok := builtInConfig(name); ok {
		return c, nil
	}
	return configs.Config(ctx, account, name)
}
