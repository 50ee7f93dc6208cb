package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// errCrash is what the memory store answers when the simulated server dies in the middle of a commit.
var errCrash = errors.New("the server died")

// memory is what survives a crash: deployments, targets, effects, and what groups remember. It is used by one goroutine.
type memory struct {
	deployments map[string]*row
	effects     map[deploy.EffectKey]deploy.Effect
	groups      map[string]deploy.Group
	states      map[string]map[string]deploy.InstanceState // group -> instance
	undo        []func()
	// crash decides, at a commit, whether the server dies before it or after it.
	crash   func() (before, after bool)
	applied func(t deploy.Transition)
	now     func() time.Time
	shared
	touched   []deploy.EffectKey // effects that the batch under way has changed
	committed func([]deploy.Transition, []deploy.EffectKey)
}

type row struct {
	d       deploy.Deployment
	targets []deploy.Target // by rank and id
	journal []deploy.Line
}

var _ store.Deployments = (*memory)(nil)

func newMemory() *memory {
	return &memory{
		deployments: map[string]*row{}, effects: map[deploy.EffectKey]deploy.Effect{},
		groups: map[string]deploy.Group{}, states: map[string]map[string]deploy.InstanceState{}, shared: newShared(),
	}
}

// Batch implements store.Deployments.
func (m *memory) Batch(_ context.Context, fn func(store.Batch) error) error {
	m.undo, m.touched = nil, nil
	var transitions []deploy.Transition
	err := fn(batch{m, &transitions})
	before, after := m.crash()
	if err == nil && before {
		err = errCrash
	}
	if err != nil {
		for _, u := range slices.Backward(m.undo) {
			u()
		}
		return err
	}
	for _, t := range transitions {
		m.applied(t)
	}
	if m.committed != nil {
		m.committed(transitions, m.touched)
	}
	if after {
		return errCrash
	}
	return nil
}

type batch struct {
	*memory
	transitions *[]deploy.Transition
}

// Expect implements store.Batch.
func (b batch) Expect(context.Context, []store.TargetKey) error { return nil }

// Deployment implements store.Batch.
func (b batch) Deployment(ctx context.Context, id string) (deploy.Deployment, error) {
	return b.memory.Deployment(ctx, "", id)
}

// View implements store.Batch.
func (b batch) View(_ context.Context, d deploy.Deployment, n deploy.Need) (deploy.View, error) {
	v := deploy.View{Deployment: d}
	for _, t := range b.deployments[d.Spec.ID].targets {
		if n.Target != "" && t.ID == n.Target {
			v.Target = &t
		}
		if len(v.Next) < n.Limit && t.Lane == n.Lane && t.Turn < n.Turn && (t.Status == deploy.TargetPending || t.Status == deploy.TargetReady) {
			v.Next = append(v.Next, t)
		}
	}
	return v, nil
}

// Apply implements store.Batch.
func (b batch) Apply(ctx context.Context, t deploy.Transition) error {
	d := t.Deployment()
	id := d.Spec.ID
	r, known := b.deployments[id]
	if t.Created() {
		if busy := b.unfinished(d.Spec.GroupID, func(o deploy.Deployment) bool { return !o.Spec.Beside() }); busy != "" && d.Spec.RollbackOf == "" && !d.State.Waiting && !d.Spec.Beside() {
			return &store.GroupBusyError{Active: busy}
		}
		if known {
			return fmt.Errorf("create deployment %s: %w", id, store.ErrExists)
		}
		r = &row{}
		b.deployments[id] = r
		b.undo = append(b.undo, func() { delete(b.deployments, id) })
	} else if !known || r.d.State.Version != t.From() {
		return store.ErrConflict
	} else if r.d.State.Waiting && !d.State.Waiting {
		if busy := b.unfinished(d.Spec.GroupID, hasTurn); busy != "" {
			return &store.GroupBusyError{Active: busy}
		}
	}
	b.remember(r)
	r.d = d
	r.journal = append(r.journal, t.Journal()...)
	for _, changed := range t.Targets() {
		r.targets[slices.IndexFunc(r.targets, func(x deploy.Target) bool { return x.ID == changed.ID })] = changed
	}
	if added := t.NewTargets(); len(added) > 0 {
		r.targets = append(r.targets, added...)
		slices.SortFunc(r.targets, func(a, b deploy.Target) int { return cmp.Or(cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.ID, b.ID)) })
	}
	if t.SkipRest() {
		for i, x := range r.targets {
			if !x.Status.Over() {
				r.targets[i].Status, r.targets[i].DueAt = deploy.TargetSkipped, time.Time{}
			}
		}
	}
	b.settleEffects(t)
	b.changeGroup(t)
	*b.transitions = append(*b.transitions, t)
	if s := t.Spawn(); s != nil {
		return b.Apply(ctx, *s)
	}
	return nil
}

// remember makes the row as it is come back when the batch fails. Effects and groups are few: they are remembered whole.
func (b batch) remember(r *row) {
	was := row{d: r.d, targets: slices.Clone(r.targets), journal: r.journal[:len(r.journal):len(r.journal)]}
	effects, groups, states := cloneMap(b.effects), cloneMap(b.groups), map[string]map[string]deploy.InstanceState{}
	for id, s := range b.states {
		states[id] = cloneMap(s)
	}
	b.undo = append(b.undo, func() {
		*r = was
		b.effects, b.groups, b.states = effects, groups, states
	})
}

// hasTurn reports whether a deployment has its group's turn.
func hasTurn(d deploy.Deployment) bool { return !d.State.Waiting && !d.Spec.Beside() }

// unfinished finds the first unfinished deployment of a group that is of a kind.
func (b batch) unfinished(group string, of func(deploy.Deployment) bool) string {
	first := ""
	for id, r := range b.deployments {
		if r.d.Spec.GroupID == group && !r.d.State.Status.Terminal() && of(r.d) && (first == "" || id < first) {
			first = id
		}
	}
	return first
}

// Group implements store.Batch.
func (b batch) Group(_ context.Context, id string) (deploy.Group, error) {
	g := b.groups[id]
	g.ID, g.Active = id, b.unfinished(id, hasTurn)
	return g, nil
}

// NextWaiting implements store.Batch.
func (b batch) NextWaiting(_ context.Context, group string) (string, error) {
	if b.unfinished(group, hasTurn) != "" {
		return "", nil
	}
	first := ""
	for id, r := range b.deployments {
		if r.d.Spec.GroupID != group || !r.d.State.Waiting || r.d.State.Status.Terminal() {
			continue
		}
		if first == "" || cmp.Or(r.d.Spec.CreatedAt.Compare(b.deployments[first].d.Spec.CreatedAt), cmp.Compare(id, first)) < 0 {
			first = id
		}
	}
	return first, nil
}

// changeGroup keeps what the transition wants its group to remember and to know.
func (b batch) changeGroup(t deploy.Transition) {
	for _, c := range t.Instances() {
		known := b.states[c.GroupID]
		if known == nil {
			known = map[string]deploy.InstanceState{}
			b.states[c.GroupID] = known
		}
		current := ""
		if r := b.groups[c.GroupID].TargetRevision; r != nil {
			current = r.Key()
		}
		known[c.Instance] = c.After(known[c.Instance], current)
	}
	c := t.Group()
	if c == nil {
		return
	}
	g := b.groups[c.GroupID]
	if c.Environment != nil {
		g.Environment = *c.Environment
	}
	if c.TargetRevision != nil {
		g.TargetRevision = c.TargetRevision
	}
	if c.LastSuccessful != nil {
		g.LastSuccessful = c.LastSuccessful
	}
	if c.LastAttempted != nil {
		g.LastAttempted = c.LastAttempted
	}
	if c.AutoScalingGroups != nil {
		g.Settings.ReplaceAutoScalingGroups(c.AutoScalingGroups)
	}
	b.groups[c.GroupID] = g
}

// InstanceStates implements store.Deployments.
func (m *memory) InstanceStates(_ context.Context, group string) ([]deploy.InstanceState, error) {
	var out []deploy.InstanceState
	for _, s := range m.states[group] {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b deploy.InstanceState) int { return cmp.Compare(a.Instance, b.Instance) })
	return out, nil
}

func cloneMap[K comparable, V any](m map[K]V) map[K]V {
	out := make(map[K]V, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

func (b batch) settleEffects(t deploy.Transition) {
	for _, k := range t.Cleared() {
		delete(b.effects, k)
		b.touched = append(b.touched, k)
	}
	if t.ClearAll() {
		var gone []deploy.EffectKey
		for k := range b.effects {
			if k.DeploymentID == t.Deployment().Spec.ID && k.Kind != deploy.EffectTraffic {
				delete(b.effects, k)
				gone = append(gone, k)
			}
		}
		slices.SortFunc(gone, byKey)
		b.touched = append(b.touched, gone...)
	}
	for _, e := range t.Effects() {
		b.effects[e.Key] = e
		b.touched = append(b.touched, e.Key)
	}
}

// Deployment implements store.Deployments.
func (m *memory) Deployment(_ context.Context, _, id string) (deploy.Deployment, error) {
	r, ok := m.deployments[id]
	if !ok {
		return deploy.Deployment{}, store.ErrNotFound
	}
	return r.d, nil
}

// Targets implements store.Deployments.
func (m *memory) Targets(_ context.Context, id string, f store.TargetFilter, _ store.Page) ([]deploy.Target, error) {
	var out []deploy.Target
	for _, t := range m.deployments[id].targets {
		if (len(f.Lanes) == 0 || slices.Contains(f.Lanes, t.Lane)) && (len(f.Statuses) == 0 || slices.Contains(f.Statuses, t.Status)) {
			out = append(out, t)
		}
	}
	return out, nil
}

// Effects implements store.Deployments.
func (m *memory) Effects(context.Context) ([]deploy.Effect, error) {
	keys := make([]deploy.EffectKey, 0, len(m.effects))
	for k := range m.effects {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, byKey)
	out := make([]deploy.Effect, len(keys))
	for i, k := range keys {
		out[i] = m.effects[k]
	}
	return out, nil
}

// Due implements store.Deployments.
func (m *memory) Due(_ context.Context, at time.Time, limit int) ([]store.Due, error) {
	var out []store.Due
	m.eachDue(func(d store.Due) {
		if !d.At.After(at) {
			out = append(out, d)
		}
	})
	slices.SortFunc(out, func(a, b store.Due) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.DeploymentID, b.DeploymentID), cmp.Compare(a.Target, b.Target))
	})
	return out[:min(limit, len(out))], nil
}

// NextDue implements store.Deployments.
func (m *memory) NextDue(context.Context) (time.Time, error) {
	var next time.Time
	m.eachDue(func(d store.Due) {
		if next.IsZero() || d.At.Before(next) {
			next = d.At
		}
	})
	return next, nil
}

func (m *memory) eachDue(f func(store.Due)) {
	for id, r := range m.deployments {
		if !r.d.State.WakeAt.IsZero() {
			f(store.Due{DeploymentID: id, At: r.d.State.WakeAt})
		}
		for _, t := range r.targets {
			if !t.DueAt.IsZero() {
				f(store.Due{DeploymentID: id, Target: t.ID, At: t.DueAt})
			}
		}
	}
}

// Target implements store.Deployments; the engine does not use it.
func (m *memory) Target(_ context.Context, id, target string) (deploy.Target, error) {
	for _, t := range m.deployments[id].targets {
		if t.ID == target {
			return t, nil
		}
	}
	return deploy.Target{}, store.ErrNotFound
}

// Deployments implements store.Deployments; the engine does not use it.
func (m *memory) Deployments(context.Context, string, store.DeploymentFilter, store.Page) ([]store.DeploymentEntry, error) {
	return nil, errors.ErrUnsupported
}

// Journal implements store.Deployments.
func (m *memory) Journal(_ context.Context, id string, after int64, _ int) ([]deploy.Line, error) {
	return m.deployments[id].journal[after:], nil
}
