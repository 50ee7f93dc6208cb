package relational

import (
	"context"
	"errors"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// The values of deployment.standing.
const (
	standingActive  = "active"
	standingWaiting = "waiting"
	standingBeside  = "beside"
)

// standing says whether a deployment has its group's turn, waits for it, or needs none.
func standing(d deploy.Deployment) string {
	switch {
	case d.Spec.Beside():
		return standingBeside
	case d.State.Waiting:
		return standingWaiting
	default:
		return standingActive
	}
}

// activeDeployment finds the deployment that has a group's turn.
const activeDeployment = `SELECT id FROM deployment WHERE group_id = ? AND status IN (` + unfinishedStatuses + `) AND standing = 'active'`

// Group implements store.Batch.
func (b *batch) Group(ctx context.Context, id string) (deploy.Group, error) {
	b.flush()
	g, err := readGroup(ctx, b.tx, `WHERE g.id = ?`, id)
	return g, wrap(err, "read deployment group %s", id)
}

// NextWaiting implements store.Batch.
func (b *batch) NextWaiting(ctx context.Context, groupID string) (string, error) {
	err := b.turnFree(ctx, groupID)
	var busy *store.GroupBusyError
	if errors.As(err, &busy) {
		return "", nil
	}
	if err != nil {
		return "", wrap(err, "find the active deployment of group %s", groupID)
	}
	var id string
	err = b.tx.Row(ctx, `SELECT id FROM deployment WHERE group_id = ? AND standing = 'waiting' AND status = 'Queued' ORDER BY created_at, id LIMIT 1`,
		[]any{groupID}, &id)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return id, wrap(err, "find the next deployment of group %s", groupID)
}

// InstanceStates implements store.Deployments.
func (s *Store) InstanceStates(ctx context.Context, groupID string) ([]deploy.InstanceState, error) {
	var out []deploy.InstanceState
	err := s.read.Each(ctx, `SELECT doc FROM instance_state WHERE group_id = ? ORDER BY instance`, []any{groupID}, func(rows Rows) (bool, error) {
		var doc string
		var state deploy.InstanceState
		err := rows.Scan(&doc)
		if err == nil {
			err = decode(doc, &state)
		}
		out = append(out, state)
		return true, err
	})
	return out, wrap(err, "list the instance states of group %s", groupID)
}

// instances keeps what a deployment found out about instances of its group. A group that is gone knows nothing.
func (b *batch) instances(t deploy.Transition) error {
	changes := t.Instances()
	if len(changes) == 0 {
		return nil
	}
	ctx := context.Background()
	var current []byte
	err := b.tx.Row(ctx, `SELECT coalesce(target_revision_key, '') FROM deployment_group WHERE id = ?`, []any{changes[0].GroupID}, &current)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, c := range changes {
		var was deploy.InstanceState
		var doc string
		err := b.tx.Row(ctx, `SELECT doc FROM instance_state WHERE group_id = ? AND instance = ?`, []any{c.GroupID, c.Instance}, &doc)
		if err == nil {
			err = decode(doc, &was)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		b.tx.Later(nil, `INSERT INTO instance_state (group_id, instance, doc) VALUES (?, ?, ?)
			ON CONFLICT (group_id, instance) DO UPDATE SET doc = excluded.doc`, c.GroupID, c.Instance, encode(c.After(was, string(current))))
	}
	return nil
}

// changeAutoScalingGroups replaces the Auto Scaling groups in a group's settings.
func changeAutoScalingGroups(t Tx, groupID string, groups []string) error {
	var doc string
	err := t.Row(context.Background(), `SELECT settings FROM deployment_group WHERE id = ?`, []any{groupID}, &doc)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var settings deploy.GroupSettings
	if err := decode(doc, &settings); err != nil {
		return err
	}
	settings.ReplaceAutoScalingGroups(groups)
	t.Later(nil, `UPDATE deployment_group SET settings = ? WHERE id = ?`, encode(settings), groupID)
	return nil
}
