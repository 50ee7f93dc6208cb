package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
	"crossfade/internal/store"
	"crossfade/internal/traffic"
)

func unknownGroups(names []string) string {
	return fmt.Sprintf("The load balancer has no target group %s; define it in the configuration or correct loadBalancerInfo of the deployment group.", strings.Join(names, ", "))
}

// resolve finds a deployment's instances, under a lease. A rollback's are those of the deployment that it rolls back.
func (r *Runner) resolve(ctx context.Context, lease *store.Lease, id string) (deploy.What, error) {
	d, err := r.Store.Deployment(ctx, "", id)
	if err != nil {
		return nil, fmt.Errorf("read deployment %s: %w", id, err)
	}
	spec := d.Spec
	if problem, err := r.balancerProblem(ctx, spec); err != nil || problem != nil {
		if err != nil {
			return nil, err
		}
		return deploy.Resolved{Problem: problem}, nil
	}
	if spec.RollbackOf != "" && spec.Kind.BlueGreen() {
		originals, err := r.lane(ctx, spec.RollbackOf, deploy.LaneOriginal)
		if err != nil {
			return nil, err
		}
		replacements, err := r.lane(ctx, spec.RollbackOf, deploy.LaneReplacement)
		if err != nil {
			return nil, err
		}
		return deploy.Resolved{Originals: originals, Replacements: replacements}, nil
	}
	if ended, err := r.endSharing(ctx, d); err != nil || !ended {
		return nil, err
	}
	if r.Revisions != nil {
		if problem, err := r.Revisions.Prepare(ctx, spec.Account, spec.Revision); err != nil || problem != nil {
			if err != nil {
				return nil, fmt.Errorf("prepare the revision of deployment %s: %w", id, err)
			}
			return deploy.Resolved{Problem: problem}, nil
		}
	}
	var e deploy.Resolved
	if e.Originals, err = r.environment(ctx, spec); err != nil {
		return nil, err
	}
	switch {
	case spec.Copies():
		replacements, problem, err := r.provision(ctx, lease, d)
		if err != nil || problem == nil && replacements == nil {
			return nil, err
		}
		if problem != nil {
			return deploy.Resolved{Problem: problem}, nil
		}
		e.Replacements = replacements
	case spec.Kind.Replaces() && spec.TargetInstances != nil:
		found, err := r.Fleet.Find(ctx, spec.Account, *spec.TargetInstances)
		if err != nil {
			return nil, fmt.Errorf("find the replacement environment: %w", err)
		}
		e.Replacements = selected(found)
	}
	if err := r.rank(ctx, spec, e.Originals, e.Replacements); err != nil {
		return nil, err
	}
	if !spec.Kind.Replaces() {
		return e, nil
	}
	idle, problem, err := r.takeOutOfTraffic(ctx, d, e)
	switch {
	case err != nil:
		return nil, err
	case problem != nil:
		return deploy.Resolved{Problem: problem}, nil
	case !idle:
		return nil, nil
	}
	return e, nil
}

// balancerProblem says what keeps the load balancer from doing what the deployment will ask of it.
func (r *Runner) balancerProblem(ctx context.Context, spec deploy.Spec) (*deploy.ErrorInfo, error) {
	groups := spec.LoadBalancer.Names()
	if !spec.Kind.Traffic() || len(groups) == 0 {
		return nil, nil
	}
	unknown, err := r.Router.Known(ctx, groups)
	if err != nil {
		return nil, fmt.Errorf("look up target groups: %w", err)
	}
	switch {
	case len(unknown) > 0:
		return &deploy.ErrorInfo{Code: deploy.CodeBalancerInvalid, Message: unknownGroups(unknown)}, nil
	case spec.Kind.Shifts() && r.Splitter == nil:
		return &deploy.ErrorInfo{Code: deploy.CodeBalancerInvalid, Message: fmt.Sprintf(
			"Deployment config %s shifts traffic in steps, and the load balancer can't share requests out between environments; use a config without a traffic routing.", spec.Config)}, nil
	}
	return nil, nil
}

// endSharing ends what an earlier deployment that was stopped in the middle of a shift left of the sharing of requests, and reports whether there is
// none. One that shifts in steps itself begins with a sharing of its own.
func (r *Runner) endSharing(ctx context.Context, d deploy.Deployment) (bool, error) {
	groups := d.Spec.LoadBalancer.Names()
	if r.Splitter == nil || !d.Spec.Kind.Traffic() || d.Spec.Kind.Shifts() || len(groups) == 0 {
		return true, nil
	}
	observed, err := r.Splitter.SplitOf(ctx, groups)
	if err != nil {
		return false, fmt.Errorf("observe how requests are shared out: %w", err)
	}
	ended := true
	for _, o := range observed {
		if o.Environment == "" {
			continue
		}
		// Another group behind the same target group may be shifting now.
		owner, err := r.Store.Deployment(ctx, "", o.Environment)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return false, fmt.Errorf("read deployment %s: %w", o.Environment, err)
		}
		if err == nil && !owner.State.Status.Terminal() {
			continue
		}
		ended = false
		none := traffic.Split{TargetGroups: []string{o.TargetGroup}, Generation: max(o.Generation+1, d.FirstGeneration(), deploy.GenerationAt(r.Now()))}
		if err := r.Splitter.Split(ctx, none); err != nil {
			return false, fmt.Errorf("end the sharing of requests that deployment %s left in target group %s: %w", o.Environment, o.TargetGroup, err)
		}
	}
	return ended, nil
}

// rank gives the instances their order by what the group knows of them.
func (r *Runner) rank(ctx context.Context, spec deploy.Spec, environments ...[]deploy.Selected) error {
	states, err := r.Store.InstanceStates(ctx, spec.GroupID)
	if err != nil {
		return fmt.Errorf("read what group %s knows of its instances: %w", spec.Group, err)
	}
	known := make(map[string]deploy.InstanceState, len(states))
	for _, s := range states {
		known[s.Instance] = s
	}
	current := ""
	if spec.Previous != nil {
		current = spec.Previous.Revision.Key()
	}
	for _, environment := range environments {
		for i := range environment {
			state, deployed := known[environment[i].ID]
			// An instance is up to date when it has what is deployed, which need not be the group's revision yet.
			environment[i].Rank, environment[i].Current = state.Rank(current), state.Healthy && state.Current(spec.Revision.Key())
			environment[i].Failed = deployed && !state.Healthy
		}
	}
	return nil
}

// environment is the group's instances now: the replacements of its last blue/green deployment as far as they are still registered, else
// what its filters select.
func (r *Runner) environment(ctx context.Context, spec deploy.Spec) ([]deploy.Selected, error) {
	if len(spec.Only) > 0 {
		found, err := r.Fleet.Lookup(ctx, spec.Account, spec.Only)
		if err != nil {
			return nil, fmt.Errorf("look up the instances of deployment %s: %w", spec.ID, err)
		}
		return selected(found), nil
	}
	var environment []deploy.Selected
	if spec.Environment != "" {
		var err error
		if environment, err = r.replacements(ctx, spec); err != nil || !spec.Copies() {
			return environment, err
		}
	}
	found, err := r.Fleet.Find(ctx, spec.Account, spec.GroupSelection)
	if err != nil {
		return nil, fmt.Errorf("find the instances of group %s: %w", spec.Group, err)
	}
	// A group that goes over from one kind of environment to the other has instances of both.
	for _, f := range selected(found) {
		if !slices.ContainsFunc(environment, func(s deploy.Selected) bool { return s.ID == f.ID }) {
			environment = append(environment, f)
		}
	}
	return environment, nil
}

// replacements are the instances of the group's last blue/green deployment, as far as they are still there.
func (r *Runner) replacements(ctx context.Context, spec deploy.Spec) ([]deploy.Selected, error) {
	targets, err := r.Store.Targets(ctx, spec.Environment, store.TargetFilter{Lanes: []deploy.Lane{deploy.LaneReplacement}, Statuses: []deploy.TargetStatus{deploy.TargetSucceeded}}, store.Page{})
	if err != nil {
		return nil, fmt.Errorf("read the environment of deployment %s: %w", spec.Environment, err)
	}
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.ID
	}
	found, err := r.Fleet.Lookup(ctx, spec.Account, names)
	if err != nil {
		return nil, fmt.Errorf("look up the environment of deployment %s: %w", spec.Environment, err)
	}
	return selected(found), nil
}

func (r *Runner) lane(ctx context.Context, id string, lane deploy.Lane) ([]deploy.Selected, error) {
	targets, err := r.Store.Targets(ctx, id, store.TargetFilter{Lanes: []deploy.Lane{lane}}, store.Page{})
	if err != nil {
		return nil, fmt.Errorf("read the %s targets of deployment %s: %w", lane, id, err)
	}
	return asSelected(targets), nil
}

func asSelected(targets []deploy.Target) []deploy.Selected {
	out := make([]deploy.Selected, len(targets))
	for i, t := range targets {
		out[i] = deploy.Selected{ID: t.ID, ARN: t.ARN, Host: t.Host}
	}
	return out
}

func selected(found []fleet.Instance) []deploy.Selected {
	out := make([]deploy.Selected, len(found))
	for i, f := range found {
		out[i] = deploy.Selected{ID: f.Name, ARN: f.ARN, Host: f.Host, Zone: f.Zone}
	}
	return out
}

// takeOutOfTraffic makes sure that no replacement serves while it is being installed: an earlier deployment that ended in the middle of
// rerouting may have left some registered. It reports whether all are idle now, or a problem when they carry traffic that nobody else would.
func (r *Runner) takeOutOfTraffic(ctx context.Context, d deploy.Deployment, e deploy.Resolved) (idle bool, problem *deploy.ErrorInfo, err error) {
	groups := d.Spec.LoadBalancer.Names()
	original := map[string]bool{}
	for _, s := range e.Originals {
		original[s.ID] = true
	}
	var serving []string
	for _, s := range e.Replacements {
		if original[s.ID] && d.Spec.Environment != "" {
			return true, nil, nil // the state machine refuses such a deployment
		}
		observed, err := r.observe(ctx, groups, s.ID)
		if err != nil {
			return false, nil, err
		}
		if out, _ := traffic.Settled(traffic.Want{TargetGroups: groups, Instance: s.ID}, observed); !out {
			serving = append(serving, s.ID)
		}
	}
	if len(serving) == 0 {
		return true, nil, nil
	}
	if ok, err := r.anyHealthy(ctx, groups, e); err != nil || !ok {
		if err != nil {
			return false, nil, err
		}
		return false, &deploy.ErrorInfo{Code: deploy.CodeHealthConstraintsInvalid, Message: fmt.Sprintf(
			"The replacement instances %s receive traffic now and no original instance is healthy in target group %s: installing on them would interrupt the service. Deploy to other instances.",
			strings.Join(serving, ", "), strings.Join(groups, ", "))}, nil
	}
	for _, id := range serving {
		// A generation below every order of the deployment itself and above those of earlier ones, of other groups too.
		want := traffic.Want{TargetGroups: groups, Instance: id, Generation: max(d.FirstGeneration(), deploy.GenerationAt(r.Now()))}
		if err := r.Router.MakeSo(ctx, want); err != nil {
			return false, nil, fmt.Errorf("take instance %s out of traffic before it is installed: %w", id, err)
		}
	}
	return false, nil, nil
}

func (r *Runner) observe(ctx context.Context, groups []string, instance string) ([]traffic.Observed, error) {
	observed, err := r.Router.WhatIsSo(ctx, groups, instance)
	if err != nil {
		return nil, fmt.Errorf("observe traffic of instance %s: %w", instance, err)
	}
	return observed, nil
}

// anyHealthy reports whether some original that is not also a replacement is healthy in every target group.
func (r *Runner) anyHealthy(ctx context.Context, groups []string, e deploy.Resolved) (bool, error) {
	replacement := map[string]bool{}
	for _, s := range e.Replacements {
		replacement[s.ID] = true
	}
	for _, s := range e.Originals {
		if replacement[s.ID] {
			continue
		}
		observed, err := r.observe(ctx, groups, s.ID)
		if err != nil {
			return false, err
		}
		if in, _ := traffic.Settled(traffic.Want{TargetGroups: groups, Instance: s.ID, In: true}, observed); in {
			return true, nil
		}
	}
	return false, nil
}

// terminate ends the originals.
func (r *Runner) terminate(ctx context.Context, id string) (deploy.What, error) {
	d, err := r.Store.Deployment(ctx, "", id)
	if err != nil {
		return nil, fmt.Errorf("read deployment %s: %w", id, err)
	}
	if d.Spec.Copies() {
		return r.endOriginalGroups(ctx, d)
	}
	originals, err := r.lane(ctx, id, deploy.LaneOriginal)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(originals))
	for i, s := range originals {
		names[i] = s.ID
	}
	notes, err := r.Fleet.Terminate(ctx, d.Spec.Account, names)
	if err != nil {
		return nil, fmt.Errorf("terminate the originals of deployment %s: %w", id, err)
	}
	return deploy.Terminated{Notes: notes}, nil
}
