package relational

import (
	"context"
	"errors"

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
	if n.Limit <= 0 || n.Turn <= 0 {
		return v, nil
	}
	err := b.flushRows()
	if err == nil {
		v.Next, err = candidates(ctx, b.tx, d.Spec.ID, n)
	}
	return v, wrap(err, "read the next targets of deployment %s", d.Spec.ID)
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

// flush writes the deployments whose state has changed. Columns that have not changed are left out, so that their indexes rest.
func (b *batch) flush() {
	for _, k := range b.dirty {
		id, st := k.d.Spec.ID, k.d.State
		state := encode(st)
		switch {
		case st.Status != k.row.Status || st.Waiting != k.row.Waiting:
			b.tx.Later(errGone, `UPDATE deployment SET state = ?, version = ?, wake_at = ?, status = ?, standing = ? WHERE id = ?`,
				state, st.Version, nanos(st.WakeAt), string(st.Status), standing(k.d), id)
		case !st.WakeAt.Equal(k.row.WakeAt):
			b.tx.Later(errGone, `UPDATE deployment SET state = ?, version = ?, wake_at = ? WHERE id = ?`, state, st.Version, nanos(st.WakeAt), id)
		default:
			b.tx.Later(errGone, `UPDATE deployment SET state = ?, version = ? WHERE id = ?`, state, st.Version, id)
		}
		k.row, k.dirty = st, false
	}
	b.dirty = b.dirty[:0]
}
