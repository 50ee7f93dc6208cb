package relational

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// RegisterRevision implements store.Revisions. It fails with store.ErrNotFound when the application is gone.
func (s *Store) RegisterRevision(ctx context.Context, account string, r deploy.RegisteredRevision) error {
	err := s.write.Do(ctx, func(t Tx) error {
		known, err := exists(t, `SELECT 1 FROM application WHERE id = ? AND account = ?`, r.ApplicationID, account)
		if err != nil {
			return err
		}
		if !known {
			return store.ErrNotFound
		}
		bucket, key := s3Location(r.Revision)
		_, err = t.Exec(`
			INSERT INTO revision (account, application_id, key, s3_bucket, s3_key, location, description, registered_at, first_used_at, last_used_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (application_id, key) DO UPDATE SET description = excluded.description`,
			account, r.ApplicationID, []byte(r.Revision.Key()), bucket, key, encode(r.Revision), r.Description,
			nanosOrZero(r.RegisteredAt), nanosOrZero(r.FirstUsedAt), nanosOrZero(r.LastUsedAt))
		return err
	})
	return wrap(err, "register a revision")
}

// useRevision registers a deployment's revision, or its use when it is known. An application that is gone has no revisions.
func useRevision(t Tx, spec deploy.Spec, at time.Time) {
	bucket, key := s3Location(spec.Revision)
	t.Later(nil, `
		INSERT INTO revision (account, application_id, key, s3_bucket, s3_key, location, description, registered_at, first_used_at, last_used_at)
		SELECT ?1, ?2, ?3, ?4, ?5, ?6, '', ?7, ?7, ?7 WHERE EXISTS (SELECT 1 FROM application WHERE id = ?2)
		ON CONFLICT (application_id, key) DO UPDATE SET
			first_used_at = CASE WHEN revision.first_used_at = 0 THEN excluded.first_used_at ELSE revision.first_used_at END,
			last_used_at = CASE WHEN revision.last_used_at < excluded.last_used_at THEN excluded.last_used_at ELSE revision.last_used_at END`,
		spec.Account, spec.ApplicationID, []byte(spec.Revision.Key()), bucket, key, encode(spec.Revision), nanosOrZero(at))
}

func s3Location(r deploy.Revision) (bucket, key string) {
	if r.S3 == nil {
		return "", ""
	}
	return r.S3.Bucket, r.S3.Key
}

const revisionColumns = `r.number, r.location, r.description, r.registered_at, r.first_used_at, r.last_used_at`

func scanRevision(applicationID string, scan func(...any) error) (r deploy.RegisteredRevision, number int64, err error) {
	var location string
	var registered, first, last sql.NullInt64
	if err := scan(&number, &location, &r.Description, &registered, &first, &last); err != nil {
		return r, 0, err
	}
	r.ApplicationID = applicationID
	r.RegisteredAt, r.FirstUsedAt, r.LastUsedAt = moment(registered), moment(first), moment(last)
	return r, number, decode(location, &r.Revision)
}

// Revision implements store.Revisions.
func (s *Store) Revision(ctx context.Context, applicationID string, location deploy.Revision) (deploy.RegisteredRevision, error) {
	r, _, err := scanRevision(applicationID, func(into ...any) error {
		return s.read.Row(ctx, `SELECT `+revisionColumns+` FROM revision r WHERE r.application_id = ? AND r.key = ?`,
			[]any{applicationID, []byte(location.Key())}, into...)
	})
	return r, wrap(err, "read a revision")
}

// RevisionGroups implements store.Revisions.
func (s *Store) RevisionGroups(ctx context.Context, applicationID string, location deploy.Revision) ([]string, error) {
	var out []string
	err := s.read.Each(ctx, `SELECT name FROM deployment_group WHERE application_id = ? AND target_revision_key = ? ORDER BY name`,
		[]any{applicationID, []byte(location.Key())}, names(&out))
	return out, wrap(err, "read the groups of a revision")
}

// revisionOrders are the columns of RevisionOrder.By.
var revisionOrders = map[string]string{
	"": "registered_at", "registerTime": "registered_at", "firstUsedTime": "first_used_at", "lastUsedTime": "last_used_at",
}

// Revisions implements store.Revisions. Revisions that were never used have the earliest time of use.
func (s *Store) Revisions(ctx context.Context, applicationID string, o store.RevisionOrder, p store.Page) ([]store.RevisionEntry, error) {
	column, ok := revisionOrders[o.By]
	if !ok {
		return nil, fmt.Errorf("list revisions: unknown order %q", o.By)
	}
	q := strings.Builder{}
	args := []any{applicationID}
	q.WriteString(`SELECT ` + revisionColumns + `, r.` + column + ` FROM revision r WHERE r.application_id = ?`)
	if o.Bucket != "" {
		q.WriteString(` AND r.s3_bucket = ?`)
		args = append(args, o.Bucket)
	}
	if o.KeyPrefix != "" {
		q.WriteString(` AND substr(r.s3_key, 1, length(?)) = ?`)
		args = append(args, o.KeyPrefix, o.KeyPrefix)
	}
	const deployed = `EXISTS (SELECT 1 FROM deployment_group g WHERE g.application_id = r.application_id AND g.target_revision_key = r.key)`
	switch o.Deployed {
	case "include":
		q.WriteString(` AND ` + deployed)
	case "exclude":
		q.WriteString(` AND NOT ` + deployed)
	}
	way, beyond := "ASC", ">"
	if o.Descending {
		way, beyond = "DESC", "<"
	}
	if p.After != "" {
		at, number, err := parsePlace(p.After)
		if err != nil {
			return nil, wrap(err, "list revisions")
		}
		q.WriteString(` AND (r.` + column + `, r.number) ` + beyond + ` (?, CAST(? AS BIGINT))`)
		args = append(args, at, number)
	}
	q.WriteString(` ORDER BY r.` + column + ` ` + way + `, r.number ` + way + ` LIMIT ?`)
	var out []store.RevisionEntry
	err := s.read.Each(ctx, q.String(), append(args, limit(p.Limit)), func(rows Rows) (bool, error) {
		var at int64
		r, number, err := scanRevision(applicationID, func(into ...any) error { return rows.Scan(append(into, &at)...) })
		out = append(out, store.RevisionEntry{RegisteredRevision: r, Cursor: place(at, strconv.FormatInt(number, 10))})
		return true, err
	})
	return out, wrap(err, "list revisions")
}
