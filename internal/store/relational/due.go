package relational

import (
	"context"
	"database/sql"
	"time"

	"crossfade/internal/store"
)

// Due implements store.Deployments.
func (s *Store) Due(ctx context.Context, at time.Time, most int) ([]store.Due, error) {
	var out []store.Due
	err := s.read.Each(ctx, `
		SELECT id AS deployment, '' AS target, wake_at AS at FROM deployment WHERE wake_at <= ?1
		UNION ALL
		SELECT deployment_id AS deployment, id AS target, due_at AS at FROM target WHERE due_at <= ?1
		ORDER BY at, deployment LIMIT ?2`, []any{unixNano(at), limit(most)},
		func(rows Rows) (bool, error) {
			var d store.Due
			var at sql.NullInt64
			err := rows.Scan(&d.DeploymentID, &d.Target, &at)
			d.At = moment(at)
			out = append(out, d)
			return true, err
		})
	return out, wrap(err, "read what is due")
}

// NextDue implements store.Deployments.
func (s *Store) NextDue(ctx context.Context) (time.Time, error) {
	var at sql.NullInt64
	err := s.read.Row(ctx, `SELECT min(at) FROM (
			SELECT min(wake_at) AS at FROM deployment WHERE wake_at IS NOT NULL
			UNION ALL
			SELECT min(due_at) FROM target WHERE due_at IS NOT NULL) AS earliest`, nil, &at)
	return moment(at), wrap(err, "read the next deadline")
}
