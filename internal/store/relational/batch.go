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
		b := &batch{tx: t, known: map[string]*known{}}
		if err := fn(b); err != nil {
			return err
		}
		if err := errors.Join(t.Broken(), b.failed); err != nil {
			return err // also when fn overlooked it
		}
		b.flush()
		return nil
	})
	return wrap(err, "write a batch")
}

// batch is one Batch under way. It remembers the deployments that it has read or written: nobody else can change them meanwhile, and the
// events of a batch mostly touch the same few. Their state is written once, at the end.
type batch struct {
	tx    Tx
	known map[string]*known
	dirty []*known // in the order in which they became so
	// failed is why a transition could not be written although it was admitted. It may be half there, so the batch can't be committed.
	failed error
}

// known is a deployment as the transaction has it.
type known struct {
	d     deploy.Deployment
	row   deploy.State // what the database has of status and wakeAt
	dirty bool
}

// load finds a deployment. The error is store.ErrNotFound or the database's.
func (b *batch) load(ctx context.Context, id string) (*known, error) {
	if k, ok := b.known[id]; ok {
		return k, nil
	}
	d, err := readDeployment(ctx, b.tx, "", id)
	if err != nil {
		return nil, err
	}
	k := &known{d: d, row: d.State}
	b.known[id] = k
	return k, nil
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
		t, err := readTarget(ctx, b.tx, d.Spec.ID, n.Target)
		switch {
		case err == nil:
			v.Target = &t
		case !errors.Is(err, store.ErrNotFound):
			return deploy.View{}, wrap(err, "read target %q of deployment %s", n.Target, d.Spec.ID)
		}
	}
	var err error
	v.Next, err = candidates(ctx, b.tx, d.Spec.ID, n)
	return v, wrap(err, "read the next targets of deployment %s", d.Spec.ID)
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
