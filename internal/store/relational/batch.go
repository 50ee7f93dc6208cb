package relational

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// Batch implements store.Deployments.
func (s *Store) Batch(ctx context.Context, fn func(store.Batch) error) error {
	err := s.write.Do(ctx, func(t Tx) error {
		if !s.alone { // no feed tells what others did
			s.remembered.forget()
		}
		b := s.newBatch(t)
		if err := fn(b); err != nil {
			return err
		}
		return b.end()
	})
	return wrap(err, "write a batch")
}

// batch is one Batch under way. It remembers what it has read or written: nobody else can change it meanwhile, and the events of a batch mostly touch
// the same few deployments. What changes is written at the end, each row once, or when somebody asks the database for it before.
type batch struct {
	tx         Tx
	remembered *remembered // of earlier batches
	known      map[string]*known
	dirty      []*known // in the order in which they became so
	pending    pending
	scratch    []byte // for documents while they are written
	// failed is why a transition could not be written although it was admitted. It may be half there, so the batch can't be committed.
	failed error
}

func (s *Store) newBatch(t Tx) *batch {
	return &batch{tx: t, remembered: &s.remembered, known: map[string]*known{}}
}

// end writes what is left to be written.
func (b *batch) end() error {
	if err := errors.Join(b.tx.Broken(), b.failed); err != nil {
		return err // also when fn overlooked it
	}
	b.flush()
	if err := b.flushRows(); err != nil {
		return err
	}
	b.remembered.keep(b.known)
	return nil
}

// known is a deployment as the transaction has it.
type known struct {
	d       deploy.Deployment
	row     deploy.State // what the database has of status and wakeAt
	dirty   bool
	targets map[string]deploy.Target // those that were read or written
	// complete says that there are no other targets: the deployment has been known since it was made.
	complete bool
	changed  []string // targets that the database may not have as they are, since the batch began
}

func (k *known) change(t deploy.Target) {
	k.targets[t.ID] = t
	k.changed = append(k.changed, t.ID)
}

// forgetTargets forgets what was known of the targets, because a statement has changed them.
func (k *known) forgetTargets() {
	clear(k.targets)
	k.complete, k.changed = false, nil
}

// load finds a deployment. The error is store.ErrNotFound or the database's.
func (b *batch) load(ctx context.Context, id string) (*known, error) {
	if k := b.recall(id); k != nil {
		return k, nil
	}
	d, err := readDeployment(ctx, b.tx, "", id)
	if err != nil {
		return nil, err
	}
	return b.learn(d), nil
}

func (b *batch) learn(d deploy.Deployment) *known {
	k := &known{d: d, row: d.State, targets: map[string]deploy.Target{}}
	b.known[d.Spec.ID] = k
	return k
}

// recall is a deployment that the batch or an earlier one knows, or nil.
func (b *batch) recall(id string) *known {
	k := b.known[id]
	if k == nil {
		if k = b.remembered.deployment(id); k != nil {
			b.known[id] = k
		}
	}
	return k
}

// Expect implements store.Batch.
func (b *batch) Expect(ctx context.Context, all []store.TargetKey) error {
	var deployments, targets [][]any
	asked := map[store.TargetKey]bool{}
	for _, key := range all {
		k := b.recall(key.Deployment)
		if d := (store.TargetKey{Deployment: key.Deployment}); k == nil && !asked[d] {
			asked[d] = true
			deployments = append(deployments, []any{key.Deployment})
		}
		if !asked[key] && key.Target != "" && (k == nil || !has(k.targets, key.Target)) {
			asked[key] = true
			targets = append(targets, []any{key.Deployment, key.Target})
		}
	}
	err := b.tx.EachOf(ctx, deploymentsOf, deployments, func(rows Rows) (bool, error) {
		d, err := scanDeployment(rows.Scan)
		if err == nil {
			b.learn(d)
		}
		return true, err
	})
	if err == nil {
		err = b.tx.EachOf(ctx, targetsOf, targets, func(rows Rows) (bool, error) {
			t, err := scanTarget(rows.Scan)
			if err == nil && b.known[t.DeploymentID] != nil {
				b.known[t.DeploymentID].targets[t.ID] = t
			}
			return true, err
		})
	}
	return wrap(err, "read %d deployments and %d targets", len(deployments), len(targets))
}

// Deployment implements store.Batch.
func (b *batch) Deployment(ctx context.Context, id string) (deploy.Deployment, error) {
	k, err := b.load(ctx, id)
	if err != nil {
		return deploy.Deployment{}, wrap(err, "read deployment %s", id)
	}
	return k.d, nil
}

// View implements store.Batch.
func (b *batch) View(ctx context.Context, d deploy.Deployment, n deploy.Need) (deploy.View, error) {
	v := deploy.View{Deployment: d}
	if n.Target != "" {
		t, err := b.target(ctx, d.Spec.ID, n.Target)
		switch {
		case err == nil:
			v.Target = &t
		case !errors.Is(err, store.ErrNotFound):
			return deploy.View{}, wrap(err, "read target %q of deployment %s", n.Target, d.Spec.ID)
		}
	}
	var err error
	if n.Limit > 0 && n.Turn > 0 {
		v.Next, err = b.next(ctx, d.Spec.ID, n)
	}
	return v, wrap(err, "read the next targets of deployment %s", d.Spec.ID)
}

// scannedMost bounds the targets that are looked through in memory for the next ones.
const scannedMost = 100

// next are the next targets that deploy.Need asks for: those that the database names, unless they have changed in this batch, and those that have.
func (b *batch) next(ctx context.Context, id string, n deploy.Need) (out []deploy.Target, err error) {
	k, err := b.load(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(k.changed) > scannedMost {
		if err := b.flushRows(); err != nil {
			return nil, err
		}
		k.changed = nil
	}
	changed := map[string]bool{}
	for _, id := range k.changed {
		changed[id] = true
	}
	ours := slices.Collect(maps.Keys(changed))
	if k.complete && len(k.targets) <= scannedMost {
		ours = slices.Collect(maps.Keys(k.targets))
	} else {
		m := n
		m.Limit += len(ours)
		if out, err = candidates(ctx, b.tx, id, m); err != nil {
			return nil, err
		}
		out = slices.DeleteFunc(out, func(t deploy.Target) bool { return changed[t.ID] })
	}
	for _, id := range ours {
		t := k.targets[id]
		if t.Lane == n.Lane && t.Turn < n.Turn && (t.Status == deploy.TargetPending || t.Status == deploy.TargetReady) {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b deploy.Target) int { return cmp.Or(cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.ID, b.ID)) })
	return out[:min(len(out), n.Limit)], nil
}

// target finds a target. The error is store.ErrNotFound or the database's.
func (b *batch) target(ctx context.Context, deploymentID, id string) (deploy.Target, error) {
	k, err := b.load(ctx, deploymentID)
	if err != nil {
		return deploy.Target{}, err
	}
	if t, ok := k.targets[id]; ok {
		return t, nil
	}
	t, err := readTarget(ctx, b.tx, deploymentID, id)
	if err == nil {
		k.targets[id] = t
	}
	return t, err
}

// The statements of deployments. Columns that have not changed are left out, so that their indexes rest.
var (
	changeStatus = Bulk{
		One: `UPDATE deployment SET state = ?, version = ?, wake_at = ?, status = ?, standing = ? WHERE id = ?`,
		All: `UPDATE deployment SET state = n.state, version = n.version, wake_at = n.wake_at, status = n.status, standing = n.standing
			FROM unnest(?::text[], ?::bigint[], ?::bigint[], ?::text[], ?::text[], ?::text[]) AS n (state, version, wake_at, status, standing, this) WHERE deployment.id = n.this`,
		None: errGone,
	}
	changeWaking = Bulk{
		One: `UPDATE deployment SET state = ?, version = ?, wake_at = ? WHERE id = ?`,
		All: `UPDATE deployment SET state = n.state, version = n.version, wake_at = n.wake_at
			FROM unnest(?::text[], ?::bigint[], ?::bigint[], ?::text[]) AS n (state, version, wake_at, this) WHERE deployment.id = n.this`,
		None: errGone,
	}
	changeState = Bulk{
		One:  `UPDATE deployment SET state = ?, version = ? WHERE id = ?`,
		All:  `UPDATE deployment SET state = n.state, version = n.version FROM unnest(?::text[], ?::bigint[], ?::text[]) AS n (state, version, this) WHERE deployment.id = n.this`,
		None: errGone,
	}
)

// flush writes the deployments whose state has changed.
func (b *batch) flush() {
	var statuses, wakings, states [][]any
	for _, k := range b.dirty {
		id, st := k.d.Spec.ID, k.d.State
		state := encode(st)
		switch {
		case st.Status != k.row.Status || st.Waiting != k.row.Waiting:
			statuses = append(statuses, []any{state, st.Version, nanos(st.WakeAt), string(st.Status), standing(k.d), id})
		case !st.WakeAt.Equal(k.row.WakeAt):
			wakings = append(wakings, []any{state, st.Version, nanos(st.WakeAt), id})
		default:
			states = append(states, []any{state, st.Version, id})
		}
		k.row, k.dirty = st, false
	}
	b.dirty = b.dirty[:0]
	for _, of := range []struct {
		what Bulk
		rows [][]any
	}{{changeStatus, statuses}, {changeWaking, wakings}, {changeState, states}} {
		b.tx.LaterOf(of.what, of.rows)
	}
}
