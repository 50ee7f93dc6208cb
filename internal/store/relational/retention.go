package relational

import (
	"context"
	"errors"
	"math"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

var _ store.Retention = (*Store)(nil)

// HistoryGroups implements store.Retention. Each id is a step in the index, whatever the number of deployments.
func (s *Store) HistoryGroups(ctx context.Context, p store.Page) ([]string, error) {
	out, err := s.skim(ctx, `SELECT group_id FROM deployment WHERE group_id > ? ORDER BY group_id LIMIT 1`, p)
	return out, wrap(err, "list the groups that have deployments")
}

// skim reads the distinct values of an indexed column.
func (s *Store) skim(ctx context.Context, next string, p store.Page) (out []string, err error) {
	for after := p.After; p.Limit <= 0 || len(out) < p.Limit; {
		err := s.read.Row(ctx, next, []any{after}, &after)
		if errors.Is(err, store.ErrNotFound) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, after)
	}
	return out, nil
}

// mark is a place between the entries of a list that is ordered by a time and something else.
type mark struct {
	at int64
	id string
}

// OldDeployments implements store.Retention. Both bounds are a range of the group's list from its old end.
func (s *Store) OldDeployments(ctx context.Context, groupID string, createdBefore time.Time, newest int, p store.Page) ([]store.OldDeployment, error) {
	from, err := markOf(p.After)
	if err != nil {
		return nil, wrap(err, "list old deployments")
	}
	count := mark{at: math.MinInt64}
	if newest > 0 {
		err := s.read.Row(ctx, `SELECT created_at, id FROM deployment WHERE group_id = ? ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET ?`,
			[]any{groupID, newest - 1}, &count.at, &count.id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, wrap(err, "find the newest deployments of group %s", groupID)
		}
	}
	end := count
	if !createdBefore.IsZero() && unixNano(createdBefore) > end.at {
		end = mark{at: unixNano(createdBefore)}
	}
	var out []store.OldDeployment
	err = s.read.Each(ctx, `SELECT d.id, d.account, d.created_at, d.status, d.state, s.spec,
			d.wake_at IS NOT NULL OR EXISTS (SELECT 1 FROM effect e WHERE e.deployment_id = d.id) OR EXISTS (SELECT 1 FROM delivery m WHERE m.deployment_id = d.id)
		FROM deployment d JOIN deployment_spec s ON s.deployment_id = d.id
		WHERE d.group_id = ? AND (d.created_at, d.id) > (?, ?) AND (d.created_at, d.id) < (?, ?) ORDER BY d.created_at, d.id LIMIT ?`,
		[]any{groupID, from.at, from.id, end.at, end.id, limit(p.Limit)}, func(rows Rows) (bool, error) {
			d, err := scanOldDeployment(rows, count)
			out = append(out, d)
			return true, err
		})
	if err != nil || len(out) == 0 {
		return out, wrap(err, "list the old deployments of group %s", groupID)
	}
	held, err := heldDeployments(ctx, s.read, groupID)
	for i, d := range out {
		if d.Held == "" {
			out[i].Held = held[d.ID]
		}
	}
	return out, wrap(err, "find out what group %s needs", groupID)
}

func scanOldDeployment(rows Rows, newest mark) (d store.OldDeployment, err error) {
	var created int64
	var status, state, spec string
	var busy bool
	if err := rows.Scan(&d.ID, &d.Account, &created, &status, &state, &spec, &busy); err != nil {
		return d, err
	}
	var full deploy.Deployment
	if err := errors.Join(decode(spec, &full.Spec), decode(state, &full.State)); err != nil {
		return d, err
	}
	d.Cursor, d.CreatedAt, d.CompletedAt = place(created, d.ID), full.Spec.CreatedAt, full.State.CompletedAt
	d.Application, d.Group = full.Spec.Application, full.Spec.Group
	d.Beyond = created < newest.at || created == newest.at && d.ID < newest.id
	if busy || !deploy.Status(status).Terminal() {
		d.Held = store.HeldUnfinished
	}
	return d, nil
}

// markOf is the place after which a page begins.
func markOf(cursor string) (mark, error) {
	if cursor == "" {
		return mark{at: math.MinInt64}, nil
	}
	at, id, err := parsePlace(cursor)
	return mark{at, id}, err
}

// heldDeployments are the deployments that a group needs: those that are unfinished, those that it remembers, and those that these refer to.
func heldDeployments(ctx context.Context, r Reader, groupID string) (map[string]store.Hold, error) {
	held := map[string]store.Hold{}
	var roots []string
	err := r.Each(ctx, `SELECT id FROM deployment WHERE group_id = ? AND status IN (`+unfinishedStatuses+`)`, []any{groupID}, names(&roots))
	if err != nil {
		return nil, err
	}
	for _, id := range roots {
		held[id] = store.HeldUnfinished
	}
	g, err := readGroup(ctx, r, `WHERE g.id = ?`, groupID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	remembered := []string{g.Environment}
	for _, ref := range []*deploy.DeploymentRef{g.LastSuccessful, g.LastAttempted} {
		if ref != nil {
			remembered = append(remembered, ref.ID)
		}
	}
	roots = append(roots, remembered...)
	for _, id := range roots {
		if id == "" {
			continue
		}
		spec, err := readSpec(ctx, r, id)
		if err != nil {
			return nil, err
		}
		refers := []string{id, spec.Environment, spec.Root, spec.RollbackOf}
		if spec.Previous != nil {
			refers = append(refers, spec.Previous.DeploymentID)
		}
		for _, id := range refers {
			if held[id] == "" {
				held[id] = store.HeldByGroup
			}
		}
	}
	return held, nil
}

// readSpec reads the fixed part of a deployment; zero when there is none.
func readSpec(ctx context.Context, r Reader, id string) (spec deploy.Spec, err error) {
	var doc string
	err = r.Row(ctx, `SELECT spec FROM deployment_spec WHERE deployment_id = ?`, []any{id}, &doc)
	if errors.Is(err, store.ErrNotFound) {
		return spec, nil
	}
	if err == nil {
		err = decode(doc, &spec)
	}
	return spec, err
}

// RemoveDeployments implements store.Retention. A deployment's own rows go in one transaction with the last of its logs; then nobody sees it any
// more, and what is left is swept up.
func (s *Store) RemoveDeployments(ctx context.Context, groupID string, ids []string, rows int) (store.RemovedDeployments, error) {
	var out store.RemovedDeployments
	err := s.write.Do(ctx, func(t Tx) error {
		out = store.RemovedDeployments{}
		held, err := heldDeployments(ctx, t, groupID)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if out.Rows >= rows {
				return nil
			}
			if held[id] != "" {
				continue
			}
			if over, err := isOver(ctx, t, groupID, id); err != nil {
				return err
			} else if !over {
				continue
			}
			n, bytes, err := removeLogs(ctx, t, id, rows-out.Rows)
			if err != nil {
				return err
			}
			out.Rows, out.LogBytes = out.Rows+n, out.LogBytes+bytes
			if out.Rows >= rows {
				return nil // there may be more of them
			}
			if err := removeDeployment(t, id); err != nil {
				return err
			}
			out.Deployments, out.Rows = out.Deployments+1, out.Rows+2
		}
		out.Done = true
		n, err := sweep(ctx, t, rows-out.Rows)
		out.Rows += n
		return err
	})
	return out, wrap(err, "remove deployments of group %s", groupID)
}

// isOver reports whether there is the deployment in the group and nothing of it is still to be done.
func isOver(ctx context.Context, r Reader, groupID, id string) (bool, error) {
	var status string
	var busy bool
	err := r.Row(ctx, `SELECT d.status, d.wake_at IS NOT NULL OR EXISTS (SELECT 1 FROM effect e WHERE e.deployment_id = d.id)
			OR EXISTS (SELECT 1 FROM delivery m WHERE m.deployment_id = d.id)
		FROM deployment d WHERE d.id = ? AND d.group_id = ?`, []any{id, groupID}, &status, &busy)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && !busy && deploy.Status(status).Terminal(), err
}

func removeDeployment(t Tx, id string) error {
	if _, err := t.Exec(`INSERT INTO removed_deployment (deployment_id) VALUES (?) ON CONFLICT (deployment_id) DO NOTHING`, id); err != nil {
		return err
	}
	if _, err := t.Exec(`DELETE FROM deployment_spec WHERE deployment_id = ?`, id); err != nil {
		return err
	}
	_, err := t.Exec(`DELETE FROM deployment WHERE id = ?`, id)
	return err
}

// SweepDeployments implements store.Retention.
func (s *Store) SweepDeployments(ctx context.Context, rows int) (int, error) {
	// Most of the time there is nothing, which needs no write.
	var id string
	err := s.read.Row(ctx, nextRemoved, nil, &id)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	n := 0
	if err == nil {
		err = s.write.Do(ctx, func(t Tx) (err error) {
			n, err = sweep(ctx, t, rows)
			return err
		})
	}
	return n, wrap(err, "sweep up after removed deployments")
}

const nextRemoved = `SELECT deployment_id FROM removed_deployment WHERE deployment_id > '' ORDER BY deployment_id LIMIT 1`

// sweep removes about that many rows of removed deployments.
func sweep(ctx context.Context, t Tx, rows int) (removed int, err error) {
	for removed < rows {
		var id string
		err := t.Row(ctx, nextRemoved, nil, &id)
		if errors.Is(err, store.ErrNotFound) {
			return removed, nil
		}
		if err != nil {
			return removed, err
		}
		for _, remove := range []string{
			`DELETE FROM target WHERE deployment_id = ?1 AND id IN (SELECT id FROM target WHERE deployment_id = ?1 ORDER BY id LIMIT ?2)`,
			`DELETE FROM journal WHERE deployment_id = ?1 AND number IN (SELECT number FROM journal WHERE deployment_id = ?1 ORDER BY number LIMIT ?2)`,
		} {
			n, err := t.Exec(remove, id, rows-removed)
			if err != nil {
				return removed, err
			}
			if removed += int(n); removed >= rows {
				return removed, nil
			}
		}
		if _, err := t.Exec(`DELETE FROM removed_deployment WHERE deployment_id = ?`, id); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}
