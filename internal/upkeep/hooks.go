package upkeep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
	"crossfade/internal/store"
)

// hooks is an account's hooks.
type hooks struct {
	groups map[string]bool // the names of the Auto Scaling groups
	owners map[place]owner
}

// collect notes the hooks of a group.
func (p *pass) collect(g deploy.Group) {
	if p.Scaling == nil {
		return
	}
	for _, h := range g.Settings.Hooks {
		for _, hook := range hooksOf(h) {
			of := p.hooks[g.Account]
			if of == nil {
				of = &hooks{groups: map[string]bool{}, owners: map[place]owner{}}
				p.hooks[g.Account] = of
			}
			of.groups[h.AutoScalingGroup] = true
			at := place{g.Account, h.AutoScalingGroup, hook.Name}
			of.owners[at], p.seen[at] = owner{group: g, termination: hook.Termination}, true
		}
	}
}

// hooksOf are the hooks that there are to be on the Auto Scaling group.
func hooksOf(h deploy.ScalingHook) (all []fleet.Hook) {
	if h.Launch != "" {
		all = append(all, fleet.Hook{Name: h.Launch})
	}
	if h.Termination != "" {
		all = append(all, fleet.Hook{Name: h.Termination, Termination: true})
	}
	return all
}

// serveHooks sets the hooks that there are to be and answers the instances that wait at them.
func (p *pass) serveHooks(ctx context.Context) (problems []error) {
	for _, account := range slices.Sorted(maps.Keys(p.hooks)) {
		of := p.hooks[account]
		for _, at := range slices.SortedFunc(maps.Keys(of.owners), comparePlaces) {
			if err := within(ctx, func(ctx context.Context) error { return p.setHook(ctx, at, of.owners[at]) }); err != nil {
				problems = append(problems, err)
			}
		}
		var waiting []fleet.Waiting
		err := within(ctx, func(ctx context.Context) (err error) {
			waiting, err = p.Scaling.Waiting(ctx, account, slices.Sorted(maps.Keys(of.groups)))
			return err
		})
		if err != nil {
			problems = append(problems, fmt.Errorf("list the instances of account %s that wait at hooks: %w", account, err))
			continue
		}
		for _, w := range waiting {
			o, ours := of.owners[place{account, w.Group, w.Hook.Name}]
			if !ours || o.termination != w.Hook.Termination {
				continue
			}
			if err := within(ctx, func(ctx context.Context) error { return p.serve(ctx, o, w) }); err != nil {
				problems = append(problems, fmt.Errorf("serve instance %s of %s, which waits at hook %s: %w", w.Instance.Name, w.Group, w.Hook.Name, err))
			}
		}
	}
	return problems
}

func comparePlaces(a, b place) int {
	return slices.Compare([]string{a.group, a.hook}, []string{b.group, b.hook})
}

// setHook makes sure of a hook. Instances would wait in vain at one that the group has given up meanwhile, so the group is asked once more
// afterwards: whoever gives a hook up takes it away after saying so.
func (p *pass) setHook(ctx context.Context, at place, o owner) error {
	if last, ok := p.set[at]; ok && p.now.Sub(last) < hookAgain {
		return nil
	}
	err := p.Scaling.SetHook(ctx, at.account, at.group, fleet.Hook{Name: at.hook, Termination: o.termination})
	if errors.Is(err, fleet.ErrUnknownGroup) {
		p.Log.Debug("no such Auto Scaling group", "group", o.group.Name, "asg", at.group)
		return nil
	}
	if err != nil {
		return fmt.Errorf("set hook %s of the Auto Scaling group %s: %w", at.hook, at.group, err)
	}
	p.acted = true
	g, err := p.Store.GroupByID(ctx, o.group.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("read deployment group %s again: %w", o.group.Name, err)
	}
	for _, h := range g.Settings.Hooks {
		if h.AutoScalingGroup == at.group && (h.Launch == at.hook || h.Termination == at.hook) {
			p.set[at] = p.now
			return p.dropOld(ctx, g, at)
		}
	}
	if err := p.Scaling.RemoveHook(ctx, at.account, at.group, at.hook); err != nil {
		return fmt.Errorf("remove hook %s of the Auto Scaling group %s: %w", at.hook, at.group, err)
	}
	return nil
}

// dropOld takes a hook away from the Auto Scaling groups that a blue/green deployment left behind when the copy took over the hook. The deployment
// itself does so too, where it comes to its last phase, but a pass may have set the hook again before the copy became the group's.
func (p *pass) dropOld(ctx context.Context, g deploy.Group, at place) error {
	for _, ref := range []*deploy.DeploymentRef{g.LastSuccessful, g.LastAttempted} {
		if ref == nil {
			continue
		}
		spec, err := p.spec(ctx, g.Account, ref.ID)
		if err != nil {
			return err
		}
		if !spec.Copies() || !slices.Contains(g.Settings.Selection.AutoScalingGroups, spec.CopyName()) {
			continue
		}
		for _, old := range spec.GroupSelection.AutoScalingGroups {
			if err := p.Scaling.RemoveHook(ctx, at.account, old, at.hook); err != nil {
				return fmt.Errorf("remove hook %s of the Auto Scaling group %s: %w", at.hook, old, err)
			}
		}
		return nil
	}
	return nil
}

// serve answers an instance that waits at a hook.
func (p *pass) serve(ctx context.Context, o owner, w fleet.Waiting) error {
	key := wait{place{o.group.Account, w.Group, w.Hook.Name}, w.Instance.Name, w.Token}
	p.waiting[key] = true
	if last, ok := p.gone[key]; ok && p.now.Sub(last) < goAgain {
		return nil
	}
	id, d, err := p.besideOf(ctx, o, w)
	if err != nil {
		return err
	}
	deployed := false
	if o.termination && d == nil && o.group.TargetRevision != nil {
		if deployed, err = p.deployed(ctx, o.group.ID, w.Instance.Name); err != nil {
			return err
		}
	}
	switch a := answerTo(o, w, d, deployed); a {
	case begin:
		last, err := p.spec(ctx, o.group.Account, o.group.LastSuccessful.ID)
		if err != nil {
			return err
		}
		spec := launchSpec(o.group, last, w.Instance.Name, id)
		if o.termination {
			spec = retireSpec(o.group, last, w.Instance.Name, id)
		}
		if err := p.create(ctx, spec); err != nil {
			return err
		}
		return p.beat(ctx, key, w)
	case hold:
		return p.beat(ctx, key, w)
	case proceed, abandon:
		if err := p.Scaling.Complete(ctx, o.group.Account, w, a == proceed); err != nil {
			return fmt.Errorf("complete the hook: %w", err)
		}
		p.gone[key], p.acted = p.now, true
		p.Log.Info("instance goes on from its hook", "instance", w.Instance.Name, "asg", w.Group, "hook", w.Hook.Name, "group", o.group.Name, "proceed", a == proceed)
	case stay:
	}
	return nil
}

// besideOf finds the deployment that was made for the instance, and the id that it has or is to have.
func (p *pass) besideOf(ctx context.Context, o owner, w fleet.Waiting) (id string, d *deploy.Deployment, err error) {
	for n := 0; ; n++ {
		id := besideID(o.group, w, n)
		d, err := p.Store.Deployment(ctx, "", id)
		if errors.Is(err, store.ErrNotFound) {
			return id, nil, nil
		}
		if err != nil {
			return id, nil, fmt.Errorf("read deployment %s: %w", id, err)
		}
		if d.Spec.GroupID == o.group.ID && d.Spec.Beside() && slices.Equal(d.Spec.Only, []string{w.Instance.Name}) {
			return id, &d, nil
		}
	}
}

// deployed reports whether the group deployed something to the instance.
func (p *pass) deployed(ctx context.Context, groupID, instance string) (bool, error) {
	states, ok := p.states[groupID]
	if !ok {
		all, err := p.Store.InstanceStates(ctx, groupID)
		if err != nil {
			return false, fmt.Errorf("read what is known of the instances: %w", err)
		}
		states = map[string]bool{}
		for _, s := range all {
			states[s.Instance] = true
		}
		p.states[groupID] = states
	}
	return states[instance], nil
}

// beat keeps an instance waiting.
func (p *pass) beat(ctx context.Context, key wait, w fleet.Waiting) error {
	if last, ok := p.beats[key]; ok && p.now.Sub(last) < heartbeat {
		return nil
	}
	if err := p.Scaling.Heartbeat(ctx, key.account, w); err != nil {
		return fmt.Errorf("keep it waiting: %w", err)
	}
	p.beats[key], p.acted = p.now, true
	return nil
}
