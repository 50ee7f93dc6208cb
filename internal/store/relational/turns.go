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

// revisionsOf and statesOf read what groups should have, and what their instances have.
var (
	revisionsOf = Bulk{
		One: `SELECT id, coalesce(target_revision_key, '') FROM deployment_group WHERE id = ?`,
		All: `SELECT g.id, coalesce(g.target_revision_key, '') FROM unnest(?::text[]) AS n (id) JOIN deployment_group g ON g.id = n.id`,
	}
	statesOf = Bulk{
		One: `SELECT group_id, instance, doc FROM instance_state WHERE group_id = ? AND instance = ?`,
		All: `SELECT s.group_id, s.instance, s.doc FROM unnest(?::text[], ?::text[]) AS n (of, name) JOIN instance_state s ON s.group_id = n.of AND s.instance = n.name`,
	}
	keepStates = Bulk{
		One: `INSERT INTO instance_state (group_id, instance, doc) VALUES (?, ?, ?) ON CONFLICT (group_id, instance) DO UPDATE SET doc = excluded.doc`,
		All: `INSERT INTO instance_state (group_id, instance, doc) SELECT * FROM unnest(?::text[], ?::text[], ?::text[])
			ON CONFLICT (group_id, instance) DO UPDATE SET doc = excluded.doc`,
	}
)

// instances keeps what deployments found out about instances of their groups. A group that is gone knows nothing.
func (b *batch) instances(changes []deploy.InstanceChange) error {
	if len(changes) == 0 {
		return nil
	}
	ctx := context.Background()
	type key struct{ group, instance string }
	was, current := map[key]deploy.InstanceState{}, map[string]string{}
	var groups, keys [][]any
	for _, c := range changes {
		if _, asked := current[c.GroupID]; !asked {
			current[c.GroupID] = ""
			groups = append(groups, []any{c.GroupID})
		}
		if k := (key{c.GroupID, c.Instance}); !has(was, k) {
			was[k] = deploy.InstanceState{}
			keys = append(keys, []any{c.GroupID, c.Instance})
		}
	}
	clear(current)
	err := b.tx.EachOf(ctx, revisionsOf, groups, func(rows Rows) (bool, error) {
		var id string
		var revision []byte
		err := rows.Scan(&id, &revision)
		current[id] = string(revision)
		return true, err
	})
	if err != nil {
		return err
	}
	err = b.tx.EachOf(ctx, statesOf, keys, func(rows Rows) (bool, error) {
		var k key
		var doc string
		var state deploy.InstanceState
		err := rows.Scan(&k.group, &k.instance, &doc)
		if err == nil {
			err = decode(doc, &state)
		}
		was[k] = state
		return true, err
	})
	if err != nil {
		return err
	}
	for _, c := range changes {
		k := key{c.GroupID, c.Instance}
		was[k] = c.After(was[k], current[c.GroupID])
	}
	var kept [][]any
	for _, of := range keys {
		k := key{of[0].(string), of[1].(string)}
		if _, there := current[k.group]; there {
			kept = append(kept, []any{k.group, k.instance, encode(was[k])})
		}
	}
	b.tx.LaterOf(keepStates, kept)
	return nil
}

func has[K comparable, V any](m map[K]V, k K) bool {
	_, ok := m[k]
	return ok
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
