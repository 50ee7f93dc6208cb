package upkeep

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
	"crossfade/internal/store"
)

// followUp creates the deployment that brings the group's revision to those of its instances that do not have it.
func (p *pass) followUp(ctx context.Context, g deploy.Group) error {
	if !keepsUp(g) {
		return nil
	}
	found, err := p.find(ctx, g)
	if err != nil || len(found) == 0 {
		return err
	}
	states, err := p.Store.InstanceStates(ctx, g.ID)
	if err != nil {
		return fmt.Errorf("read what is known of the instances: %w", err)
	}
	if len(outdated(g, found, states, true)) == 0 {
		return nil
	}
	h, err := p.history(ctx, g)
	if err != nil || h.waits(g, p.now) {
		return err
	}
	names := outdated(g, found, states, h.settled(g))
	if len(names) == 0 {
		return nil
	}
	config, err := p.config(ctx, g, len(names))
	if err != nil {
		return err
	}
	// The fleet may have taken its time. A deployment that succeeded meanwhile has made another revision the group's, and the old one would
	// become it again.
	now, err := p.Store.GroupByID(ctx, g.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the group again: %w", err)
	}
	if !keepsUp(now) || !reflect.DeepEqual(now.LastSuccessful, g.LastSuccessful) || !reflect.DeepEqual(now.LastAttempted, g.LastAttempted) {
		return nil
	}
	return p.create(ctx, followUpSpec(now, config, h, names, p.NewID()))
}

// find is the group's instances that can be deployed to: those whose agents have been heard of, and of its Auto Scaling groups' those in service. An
// instance that is registered before its agent runs would only fail.
func (p *pass) find(ctx context.Context, g deploy.Group) ([]fleet.Instance, error) {
	found, err := p.fleet.Find(ctx, g.Account, g.Settings.Selection)
	if err != nil {
		return nil, fmt.Errorf("find the instances: %w", err)
	}
	registered, err := p.registered.of(ctx, g.Account)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(slices.Clone(found), func(i fleet.Instance) bool { return registered.silent(i.Host) })
	if len(found) == 0 || p.Scaling == nil || len(g.Settings.Selection.AutoScalingGroups) == 0 || !byTags(g.Settings.Selection) {
		return found, nil
	}
	// Tags may pick a member that still waits at a hook.
	groups, err := p.Scaling.Groups(ctx, g.Account, g.Settings.Selection.AutoScalingGroups)
	if err != nil {
		return nil, fmt.Errorf("read the Auto Scaling groups: %w", err)
	}
	away := map[string]bool{}
	for _, asg := range groups {
		for _, m := range asg.Members {
			away[m.Name] = m.State != fleet.MemberInService
		}
	}
	return slices.DeleteFunc(found, func(i fleet.Instance) bool { return away[i.Name] }), nil
}

// history reads what went before in the group.
func (p *pass) history(ctx context.Context, g deploy.Group) (h history, err error) {
	if h.last, err = p.spec(ctx, g.Account, g.LastSuccessful.ID); err != nil {
		return h, err
	}
	if g.LastAttempted == nil || g.LastAttempted.ID == g.LastSuccessful.ID {
		h.attempted = h.last
		return h, nil
	}
	if h.attempted, err = p.spec(ctx, g.Account, g.LastAttempted.ID); err != nil {
		return h, err
	}
	since, err := p.Store.Deployments(ctx, g.Account, store.DeploymentFilter{Root: h.root(g), From: g.LastSuccessful.CreatedAt}, store.Page{Limit: maxRounds + 1})
	if err != nil {
		return h, fmt.Errorf("list the follow-ups of deployment %s: %w", h.root(g), err)
	}
	for _, d := range since {
		if d.ID != g.LastSuccessful.ID {
			h.rounds++
		}
	}
	return h, nil
}

// oneAtATime is the config of follow-ups to so few instances that the group's own would let none be deployed to.
const oneAtATime = "CodeDeployDefault.OneAtATime"

// config is the deployment config of a follow-up to n instances.
func (p *pass) config(ctx context.Context, g deploy.Group, n int) (deploy.Config, error) {
	c, err := p.Configs(ctx, g.Account, g.Settings.Config)
	if errors.Is(err, store.ErrNotFound) || err == nil && !allows(c, n) {
		c, err = p.Configs(ctx, g.Account, oneAtATime)
	}
	if err != nil {
		return c, fmt.Errorf("read the deployment config: %w", err)
	}
	return c, nil
}

// allows reports whether a deployment of the config can touch some of n instances.
func allows(c deploy.Config, n int) bool {
	return c.MinimumHealthy == nil || c.MinimumHealthy.Minimum(n) < n
}
