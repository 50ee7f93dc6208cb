package relational

import (
	"context"
	"database/sql"
	"strings"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

const targetColumns = `doc, status, due_at`

// scanTarget reads targetColumns.
func scanTarget(scan func(...any) error) (t deploy.Target, err error) {
	var doc string
	var status deploy.TargetStatus
	var due sql.NullInt64
	if err := scan(&doc, (*string)(&status), &due); err != nil {
		return deploy.Target{}, err
	}
	if err := decode(doc, &t); err != nil {
		return deploy.Target{}, err
	}
	t.Status, t.DueAt = status, moment(due)
	return t, nil
}

// Target implements store.Deployments.
func (s *Store) Target(ctx context.Context, deploymentID, id string) (deploy.Target, error) {
	t, err := readTarget(ctx, s.read, deploymentID, id)
	return t, wrap(err, "read target %q of deployment %s", id, deploymentID)
}

func readTarget(ctx context.Context, r Reader, deploymentID, id string) (deploy.Target, error) {
	return scanTarget(func(into ...any) error {
		return r.Row(ctx, `SELECT `+targetColumns+` FROM target WHERE deployment_id = ? AND id = ?`, []any{deploymentID, id}, into...)
	})
}

// targetsOf reads targets by deployment and id.
var targetsOf = Bulk{
	One: `SELECT ` + targetColumns + ` FROM target WHERE deployment_id = ? AND id = ?`,
	All: `SELECT ` + targetColumns + ` FROM unnest(?::text[], ?::text[]) AS n (of, target) JOIN target t ON t.deployment_id = n.of AND t.id = n.target`,
}

// UnfinishedTargets implements store.Store. It looks for the instance in each unfinished deployment: an index of targets by instance would cost
// a write at every lifecycle event, and a host asks once in a deployment.
func (s *Store) UnfinishedTargets(ctx context.Context, account, instance string) ([]deploy.Target, error) {
	var out []deploy.Target
	err := s.read.Each(ctx, `SELECT t.doc, t.status, t.due_at FROM deployment d JOIN target t ON t.deployment_id = d.id
		WHERE d.status IN (`+unfinishedStatuses+`) AND d.account = ? AND t.id = ?`, []any{account, instance}, func(rows Rows) (bool, error) {
		t, err := scanTarget(rows.Scan)
		out = append(out, t)
		return true, err
	})
	return out, wrap(err, "list unfinished targets of instance %q", instance)
}

// Targets implements store.Deployments, by id, which is also Page.After. A deployment that does not exist has none.
func (s *Store) Targets(ctx context.Context, deploymentID string, f store.TargetFilter, p store.Page) ([]deploy.Target, error) {
	query := `SELECT ` + targetColumns + ` FROM target WHERE deployment_id = ? AND id > ?`
	args := []any{deploymentID, p.After}
	if statuses := distinct(f.Statuses); len(statuses) > 0 {
		query += ` AND +status IN (` + marks(len(statuses)) + `)`
		args = append(args, statuses...)
	}
	if lanes := distinct(f.Lanes); len(lanes) > 0 {
		query += ` AND +lane IN (` + marks(len(lanes)) + `)`
		args = append(args, lanes...)
	}
	var out []deploy.Target
	err := s.read.Each(ctx, query+` ORDER BY id LIMIT ?`, append(args, limit(p.Limit)), collectTargets(&out))
	return out, wrap(err, "list targets of deployment %s", deploymentID)
}

func collectTargets(out *[]deploy.Target) func(Rows) (bool, error) {
	return func(rows Rows) (bool, error) {
		t, err := scanTarget(rows.Scan)
		*out = append(*out, t)
		return true, err
	}
}

// candidates reads what deploy.Need asks for. Each lower turn is an index range in the order of rank and id, and the ranges are merged.
func candidates(ctx context.Context, r Reader, deploymentID string, n deploy.Need) ([]deploy.Target, error) {
	if n.Limit <= 0 || n.Turn <= 0 {
		return nil, nil
	}
	const arm = `SELECT ` + targetColumns + `, rank, id FROM target
		WHERE deployment_id = ? AND lane = ? AND turn = ? AND status IN ('Pending', 'Ready')`
	arms := make([]string, n.Turn)
	var args []any
	for turn := range n.Turn {
		arms[turn] = arm
		args = append(args, deploymentID, string(n.Lane), turn)
	}
	query := strings.Join(arms, ` UNION ALL `) + ` ORDER BY rank, id LIMIT ?`
	var out []deploy.Target
	err := r.Each(ctx, query, append(args, n.Limit), func(rows Rows) (bool, error) {
		var rank int
		var id string
		t, err := scanTarget(func(into ...any) error { return rows.Scan(append(into, &rank, &id)...) })
		out = append(out, t)
		return true, err
	})
	return out, err
}
