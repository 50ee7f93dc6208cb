package relational

import (
	"context"
	"database/sql"
	"strings"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// unfinishedStatuses is every status that is not terminal, in the words of the partial indexes, which only serve queries that repeat them.
const unfinishedStatuses = `'Created', 'Queued', 'InProgress', 'Baking', 'Ready'`

// Deployment implements store.Deployments.
func (s *Store) Deployment(ctx context.Context, account, id string) (deploy.Deployment, error) {
	d, err := readDeployment(ctx, s.read, account, id)
	return d, wrap(err, "read deployment %s", id)
}

const deploymentColumns = `s.spec, d.state, d.version`

// scanDeployment reads deploymentColumns.
func scanDeployment(scan func(...any) error) (d deploy.Deployment, err error) {
	var spec, state string
	var version int64
	if err = scan(&spec, &state, &version); err == nil {
		err = decode(spec, &d.Spec)
	}
	if err == nil {
		err = decode(state, &d.State)
	}
	if err != nil {
		return deploy.Deployment{}, err
	}
	d.State.Version = version
	return d, nil
}

func readDeployment(ctx context.Context, r Reader, account, id string) (d deploy.Deployment, err error) {
	return scanDeployment(func(into ...any) error {
		return r.Row(ctx, `SELECT `+deploymentColumns+` FROM deployment d JOIN deployment_spec s ON s.deployment_id = d.id
			WHERE d.id = ?1 AND (?2 = '' OR d.account = ?2)`, []any{id, account}, into...)
	})
}

// deploymentsOf reads deployments by id.
var deploymentsOf = Bulk{
	One: `SELECT ` + deploymentColumns + ` FROM deployment d JOIN deployment_spec s ON s.deployment_id = d.id WHERE d.id = ?`,
	All: `SELECT ` + deploymentColumns + ` FROM unnest(?::text[]) AS n (id) JOIN deployment d ON d.id = n.id JOIN deployment_spec s ON s.deployment_id = d.id`,
}

// Deployments implements store.Deployments. Each status asked for is a scan of its own index range, and the ranges are merged, so a page
// costs its length and not the history's.
func (s *Store) Deployments(ctx context.Context, account string, f store.DeploymentFilter, p store.Page) ([]store.DeploymentEntry, error) {
	condition := strings.Builder{}
	var args []any
	add := func(text string, values ...any) {
		condition.WriteString(text)
		args = append(args, values...)
	}
	add(`account = ?`, account)
	if f.ApplicationID != "" {
		add(` AND application_id = ?`, f.ApplicationID)
	}
	if f.GroupID != "" {
		add(` AND group_id = ?`, f.GroupID)
	}
	if f.ExternalID != "" {
		add(` AND external_id <> '' AND external_id = ?`, f.ExternalID)
	}
	if f.Root != "" {
		add(` AND root <> '' AND root = ?`, f.Root)
	}
	if !f.From.IsZero() {
		add(` AND created_at >= ?`, unixNano(f.From))
	}
	if !f.To.IsZero() {
		add(` AND created_at <= ?`, unixNano(f.To))
	}
	if p.After != "" {
		at, id, err := parsePlace(p.After)
		if err != nil {
			return nil, wrap(err, "list deployments")
		}
		add(` AND (created_at, id) < (?, ?)`, at, id)
	}
	// SQLite has indexes for these by their leading column; unary plus keeps it from taking the account's for a group's list.
	where := condition.String()
	if f.GroupID != "" || f.ApplicationID != "" || f.ExternalID != "" || f.Root != "" {
		where = "+" + where
	}
	if f.GroupID != "" {
		where = strings.Replace(where, " application_id =", " +application_id =", 1)
	}
	query := `SELECT id, created_at FROM deployment WHERE ` + where
	if statuses := distinct(f.Statuses); len(statuses) > 0 {
		arms := make([]string, len(statuses))
		var all []any
		for i, status := range statuses {
			arms[i] = query + ` AND status = ?`
			all = append(append(all, args...), status)
		}
		query, args = strings.Join(arms, ` UNION ALL `), all
	}
	query, args = query+` ORDER BY created_at DESC, id DESC LIMIT ?`, append(args, limit(p.Limit))
	var out []store.DeploymentEntry
	err := s.read.Each(ctx, query, args, func(rows Rows) (bool, error) {
		var e store.DeploymentEntry
		var at int64
		err := rows.Scan(&e.ID, &at)
		e.Cursor = place(at, e.ID)
		out = append(out, e)
		return true, err
	})
	return out, wrap(err, "list deployments")
}

// Journal implements store.Deployments. A limit of 0 is none.
func (s *Store) Journal(ctx context.Context, deploymentID string, after int64, most int) ([]deploy.Line, error) {
	var out []deploy.Line
	err := s.read.Each(ctx, `SELECT number, at, target_id, event, from_status, to_status, text FROM journal
		WHERE deployment_id = ? AND number > ? ORDER BY number LIMIT ?`, []any{deploymentID, after, limit(most)},
		func(rows Rows) (bool, error) {
			var l deploy.Line
			var at sql.NullInt64
			err := rows.Scan(&l.Number, &at, &l.Target, &l.Event, &l.From, &l.To, &l.Text)
			l.At = moment(at)
			out = append(out, l)
			return true, err
		})
	return out, wrap(err, "read the journal of deployment %s", deploymentID)
}

// effectDoc is the part of an effect that is not its key.
type effectDoc struct {
	Command *deploy.Command `json:"command,omitempty"`
	Traffic *deploy.Traffic `json:"traffic,omitempty"`
	Split   *deploy.Split   `json:"split,omitempty"`
	Watch   *deploy.Watch   `json:"watch,omitempty"`
	Hold    *deploy.Hold    `json:"hold,omitempty"`
}

// Effects implements store.Deployments, by key.
func (s *Store) Effects(ctx context.Context) ([]deploy.Effect, error) {
	var out []deploy.Effect
	err := s.read.Each(ctx, `SELECT deployment_id, target_id, kind, doc FROM effect ORDER BY deployment_id, target_id, kind`, nil,
		func(rows Rows) (bool, error) {
			var e deploy.Effect
			var text string
			if err := rows.Scan(&e.Key.DeploymentID, &e.Key.Target, &e.Key.Kind, &text); err != nil {
				return false, err
			}
			var doc effectDoc
			err := decode(text, &doc)
			e.Command, e.Traffic, e.Split, e.Watch, e.Hold = doc.Command, doc.Traffic, doc.Split, doc.Watch, doc.Hold
			out = append(out, e)
			return true, err
		})
	return out, wrap(err, "read the outstanding effects")
}
