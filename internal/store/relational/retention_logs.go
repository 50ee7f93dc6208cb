package relational

import (
	"context"
	"database/sql"
	"errors"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// OldLogs implements store.Retention. Chunks are numbered in the order in which they came.
func (s *Store) OldLogs(ctx context.Context, after int64, most int) (logs []store.OldLog, position int64, err error) {
	position = after
	seen := map[string]bool{}
	var ids []string
	err = s.read.Each(ctx, `SELECT id, deployment_id FROM event_log_chunk WHERE id > ? ORDER BY id LIMIT ?`, []any{after, limit(most)}, func(rows Rows) (bool, error) {
		var id string
		err := rows.Scan(&position, &id)
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
		return true, err
	})
	if err != nil {
		return nil, after, wrap(err, "read the oldest logs")
	}
	for _, id := range ids {
		var state string
		l := store.OldLog{DeploymentID: id}
		var created sql.NullInt64
		err := s.read.Row(ctx, `SELECT d.account, d.created_at, d.state, (SELECT coalesce(sum(l.head + l.tail), 0) FROM event_log l WHERE l.deployment_id = d.id)
			FROM deployment d WHERE d.id = ?`, []any{id}, &l.Account, &created, &state, &l.Bytes)
		if errors.Is(err, store.ErrNotFound) {
			continue // it went meanwhile
		}
		var full deploy.State
		if err == nil {
			err = decode(state, &full)
		}
		if err != nil {
			return nil, after, wrap(err, "read the deployment %s of a log", id)
		}
		l.CreatedAt, l.CompletedAt = moment(created), full.CompletedAt
		logs = append(logs, l)
	}
	return logs, position, nil
}

// LogBytes implements store.Retention.
func (s *Store) LogBytes(ctx context.Context) (n int64, err error) {
	err = s.read.Row(ctx, `SELECT coalesce(sum(head + tail), 0) FROM event_log`, nil, &n)
	return n, wrap(err, "add up the logs")
}

// RemoveLogs implements store.Retention.
func (s *Store) RemoveLogs(ctx context.Context, deploymentID string, rows int) (removed int, bytes int64, err error) {
	err = s.write.Do(ctx, func(t Tx) error {
		removed, bytes = 0, 0
		var status string
		err := t.Row(ctx, `SELECT status FROM deployment WHERE id = ?`, []any{deploymentID}, &status)
		if errors.Is(err, store.ErrNotFound) || err == nil && !deploy.Status(status).Terminal() {
			return nil
		}
		if err == nil {
			removed, bytes, err = removeLogs(ctx, t, deploymentID, rows)
		}
		return err
	})
	return removed, bytes, wrap(err, "remove logs of deployment %s", deploymentID)
}

// removeLogs removes at most that many rows of a deployment's logs: chunks first, then the logs themselves.
func removeLogs(ctx context.Context, t Tx, id string, rows int) (removed int, bytes int64, err error) {
	var chunks, last int64
	err = t.Row(ctx, `SELECT count(*), coalesce(sum(size), 0), coalesce(max(id), 0)
		FROM (SELECT id, size FROM event_log_chunk WHERE deployment_id = ? ORDER BY id LIMIT ?) AS oldest`, []any{id, rows}, &chunks, &bytes, &last)
	if err == nil && chunks > 0 {
		_, err = t.Exec(`DELETE FROM event_log_chunk WHERE deployment_id = ? AND id <= ?`, id, last)
	}
	removed = int(chunks)
	if err != nil || removed >= rows {
		return removed, bytes, err
	}
	n, err := t.Exec(`DELETE FROM event_log WHERE deployment_id = ?1 AND (target_id, attempt) IN
		(SELECT target_id, attempt FROM event_log WHERE deployment_id = ?1 ORDER BY target_id, attempt LIMIT ?2)`, id, rows-removed)
	return removed + int(n), bytes, err
}
