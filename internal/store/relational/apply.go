package relational

import (
	"context"
	"errors"
	"fmt"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// Apply implements store.Batch. All checks, those of the spawned deployment included, come before the first write: a refusal has written
// nothing, and no savepoint is needed.
func (b *batch) Apply(ctx context.Context, t deploy.Transition) error {
	if t.Empty() || b.failed != nil {
		return b.failed
	}
	id := t.Deployment().Spec.ID
	if err := b.admit(ctx, t, ""); err != nil {
		return wrap(err, "apply to deployment %s", id)
	}
	spawn := t.Spawn()
	if spawn != nil {
		if err := b.admit(ctx, *spawn, id); err != nil {
			return wrap(err, "apply to deployment %s: create its rollback %s", id, spawn.Deployment().Spec.ID)
		}
	}
	err := b.apply(t)
	if err == nil && spawn != nil {
		// The row of the one that ended still stands as the group's active deployment.
		b.flush()
		err = b.apply(*spawn)
	}
	if err == nil {
		err = b.tx.Broken()
	}
	if err != nil {
		// None of the documented errors: those promise that nothing was written.
		b.failed = fmt.Errorf("write the transition of deployment %s: %v", id, err)
	}
	return b.failed
}

// admit refuses what may not be applied. ended is the deployment whose end spawns this one: its group is free then, and may even be gone,
// because what has been deleted must not keep a deployment from ending.
func (b *batch) admit(ctx context.Context, t deploy.Transition, ended string) error {
	d := t.Deployment()
	spec := d.Spec
	if !t.Created() {
		k, err := b.load(ctx, spec.ID)
		if errors.Is(err, store.ErrNotFound) || err == nil && k.d.State.Version != t.From() {
			return store.ErrConflict
		}
		if err != nil || standing(k.d) == standing(d) {
			return err
		}
		return b.turnFree(ctx, spec.GroupID)
	}
	if ended == "" {
		known, err := exists(b.tx, `SELECT 1 FROM deployment_group WHERE id = ? AND account = ?`, spec.GroupID, spec.Account)
		if err != nil {
			return err
		}
		if !known {
			return store.ErrNotFound
		}
	}
	b.flush()
	// A rollback goes before those that wait.
	if standing(d) == standingActive && ended == "" {
		if err := b.groupFree(ctx, spec.GroupID); err != nil {
			return err
		}
	}
	taken, err := exists(b.tx, `SELECT 1 FROM deployment WHERE id = ?`, spec.ID)
	if err == nil && taken {
		err = store.ErrExists
	}
	return err
}

// groupFree fails with *store.GroupBusyError while the group has an unfinished deployment, also one that waits.
func (b *batch) groupFree(ctx context.Context, groupID string) error {
	return b.busy(ctx, groupID, `SELECT id FROM deployment WHERE group_id = ? AND status IN (`+unfinishedStatuses+`) AND standing <> 'beside' ORDER BY id LIMIT 1`)
}

// turnFree fails with *store.GroupBusyError while a deployment has the group's turn.
func (b *batch) turnFree(ctx context.Context, groupID string) error {
	b.flush()
	return b.busy(ctx, groupID, activeDeployment)
}

func (b *batch) busy(ctx context.Context, groupID, query string) error {
	var active string
	err := b.tx.Row(ctx, query, []any{groupID}, &active)
	switch {
	case err == nil:
		return &store.GroupBusyError{Active: active}
	case errors.Is(err, store.ErrNotFound):
		return nil
	default:
		return err
	}
}

// apply writes a transition that was admitted.
func (b *batch) apply(t deploy.Transition) error {
	d := t.Deployment()
	if t.Created() {
		b.create(d)
	} else {
		k := b.known[d.Spec.ID]
		k.d = d
		if t.Respecified() {
			b.tx.Later(errGone, `UPDATE deployment_spec SET spec = ? WHERE deployment_id = ?`, encode(d.Spec), d.Spec.ID)
		}
		if !k.dirty {
			k.dirty = true
			b.dirty = append(b.dirty, k)
		}
	}
	b.rows(t)
	if err := b.notices(t); err != nil {
		return err
	}
	if g := t.Group(); g != nil && g.TargetRevision != nil {
		if err := b.flushStates(); err != nil { // what instances have is held against the revision that the group has until now
			return err
		}
	}
	return changeGroup(b.tx, t.Group())
}

func (b *batch) create(d deploy.Deployment) {
	spec, st := d.Spec, d.State
	b.tx.Later(nil, `
		INSERT INTO deployment (id, account, application_id, group_id, external_id, config, created_at, status, version, wake_at, state, standing, root)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		spec.ID, spec.Account, spec.ApplicationID, spec.GroupID, spec.ExternalID, spec.Config, nanosOrZero(spec.CreatedAt),
		string(st.Status), st.Version, nanos(st.WakeAt), encode(st), standing(d), spec.Root)
	b.tx.Later(nil, `INSERT INTO deployment_spec (deployment_id, spec) VALUES (?, ?)`, spec.ID, encode(spec))
	useRevision(b.tx, spec, spec.CreatedAt)
	b.learn(d).complete = true
}

// errGone is what a change of a row gets that is not there, which is a defect.
var errGone = errors.New("a row that is to be changed was never added")
