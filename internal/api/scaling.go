package api

import (
	"context"
	"fmt"
	"slices"

	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// knownAutoScaling refuses Auto Scaling groups that no fleet has.
func (s *Service) knownAutoScaling(ctx context.Context, code wire.Code, member string, names []string) error {
	if len(names) == 0 {
		return nil
	}
	var found []fleet.Group
	if s.cfg.Scaling != nil {
		var err error
		if found, err = s.cfg.Scaling.Groups(ctx, s.account(ctx), names); err != nil {
			return fmt.Errorf("look up Auto Scaling groups: %w", err)
		}
	}
	for _, n := range names {
		if !slices.ContainsFunc(found, func(g fleet.Group) bool { return g.Name == n }) {
			return wire.Errorf(code, "%s names the Auto Scaling group %s, and no fleet of this server has one of that name; define it under fleets in the configuration, or correct the name.", member, quote(n))
		}
	}
	return nil
}

// removeHooks takes hooks away and returns those that could not be.
func (s *Service) removeHooks(ctx context.Context, account string, hooks []deploy.ScalingHook) []control.AutoScalingGroup {
	left := []control.AutoScalingGroup{}
	for _, h := range hooks {
		var launch, termination *string
		for name, into := range map[string]**string{h.Launch: &launch, h.Termination: &termination} {
			if name == "" || s.cfg.Scaling == nil {
				continue
			}
			if err := s.cfg.Scaling.RemoveHook(ctx, account, h.AutoScalingGroup, name); err != nil {
				*into = &name
			}
		}
		if launch != nil || termination != nil {
			left = append(left, control.AutoScalingGroup{Name: &h.AutoScalingGroup, Hook: launch, TerminationHook: termination})
		}
	}
	return left
}
