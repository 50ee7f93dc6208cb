package relational

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"strconv"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// RevisionApplications implements store.Retention.
func (s *Store) RevisionApplications(ctx context.Context, p store.Page) ([]string, error) {
	out, err := s.skim(ctx, `SELECT application_id FROM revision WHERE application_id > ? ORDER BY application_id LIMIT 1`, p)
	return out, wrap(err, "list the applications that have revisions")
}

// activeAt is the time of a revision's last use or registration, as the index has it.
const activeAt = `(CASE WHEN registered_at > last_used_at THEN registered_at ELSE last_used_at END)`

// OldRevisions implements store.Retention. What is needed is read after the revisions: one that comes to be needed later is used, which shows when
// it is to be removed.
func (s *Store) OldRevisions(ctx context.Context, applicationID string, unusedSince time.Time, newest int, p store.Page) ([]store.OldRevision, error) {
	from, err := markOf(p.After)
	if err != nil {
		return nil, wrap(err, "list old revisions")
	}
	number := int64(math.MinInt64)
	if from.id != "" {
		if number, err = strconv.ParseInt(from.id, 10, 64); err != nil {
			return nil, wrap(err, "list old revisions")
		}
	}
	countAt, countNumber := int64(math.MinInt64), int64(0)
	if newest > 0 {
		err := s.read.Row(ctx, `SELECT `+activeAt+`, number FROM revision WHERE application_id = ? ORDER BY `+activeAt+` DESC, number DESC LIMIT 1 OFFSET ?`,
			[]any{applicationID, newest - 1}, &countAt, &countNumber)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, wrap(err, "find the newest revisions of application %s", applicationID)
		}
	}
	endAt, endNumber := countAt, countNumber
	if !unusedSince.IsZero() && unixNano(unusedSince) > endAt {
		endAt, endNumber = unixNano(unusedSince), math.MinInt64
	}
	var out []store.OldRevision
	err = s.read.Each(ctx, `SELECT number, account, location, registered_at, last_used_at, `+activeAt+` FROM revision
		WHERE application_id = ? AND (`+activeAt+`, number) > (?, ?) AND (`+activeAt+`, number) < (?, ?) ORDER BY `+activeAt+`, number LIMIT ?`,
		[]any{applicationID, from.at, number, endAt, endNumber, limit(p.Limit)}, func(rows Rows) (bool, error) {
			r := store.OldRevision{ApplicationID: applicationID}
			var location string
			var registered, used sql.NullInt64
			var active int64
			if err := rows.Scan(&r.Number, &r.Account, &location, &registered, &used, &active); err != nil {
				return false, err
			}
			r.RegisteredAt, r.LastUsedAt = moment(registered), moment(used)
			r.Cursor = place(active, strconv.FormatInt(r.Number, 10))
			r.Beyond = active < countAt || active == countAt && r.Number < countNumber
			err := decode(location, &r.Revision)
			out = append(out, r)
			return true, err
		})
	if err != nil || len(out) == 0 {
		return out, wrap(err, "list the old revisions of application %s", applicationID)
	}
	name := ""
	if err := s.read.Row(ctx, `SELECT name FROM application WHERE id = ?`, []any{applicationID}, &name); errors.Is(err, store.ErrNotFound) {
		return nil, nil // it went meanwhile, with its revisions
	} else if err != nil {
		return nil, wrap(err, "read application %s", applicationID)
	}
	held, err := heldRevisions(ctx, s.read, applicationID)
	for i, r := range out {
		out[i].Application, out[i].Held = name, held[r.Revision.Key()]
	}
	return out, wrap(err, "find out which revisions application %s needs", applicationID)
}

// heldRevisions are the revisions that an application needs, by key: what its groups are to have, and what is deployed or gone back to by
// deployments that are unfinished, or that its groups remember.
func heldRevisions(ctx context.Context, r Reader, applicationID string) (map[string]store.Hold, error) {
	held := map[string]store.Hold{}
	hold := func(ids []string, why store.Hold) error {
		for _, id := range ids {
			spec, err := readSpec(ctx, r, id)
			if err != nil {
				return err
			}
			keys := []string{spec.Revision.Key()}
			if spec.Previous != nil {
				keys = append(keys, spec.Previous.Revision.Key())
			}
			for _, key := range keys {
				if held[key] == "" {
					held[key] = why
				}
			}
		}
		return nil
	}
	var unfinished, remembered []string
	err := r.Each(ctx, `SELECT id FROM deployment WHERE application_id = ? AND status IN (`+unfinishedStatuses+`)`, []any{applicationID}, names(&unfinished))
	if err != nil {
		return nil, err
	}
	err = r.Each(ctx, `SELECT coalesce(target_revision, ''), coalesce(last_successful, ''), coalesce(last_attempted, ''), environment FROM deployment_group WHERE application_id = ?`,
		[]any{applicationID}, func(rows Rows) (bool, error) {
			var target, successful, attempted, environment string
			if err := rows.Scan(&target, &successful, &attempted, &environment); err != nil {
				return false, err
			}
			var revision *deploy.Revision
			var refs [2]*deploy.DeploymentRef
			if err := errors.Join(decode(target, &revision), decode(successful, &refs[0]), decode(attempted, &refs[1])); err != nil {
				return false, err
			}
			if revision != nil {
				held[revision.Key()] = store.HeldByGroup
			}
			for _, ref := range refs {
				if ref != nil {
					remembered = append(remembered, ref.ID)
				}
			}
			if environment != "" {
				remembered = append(remembered, environment)
			}
			return true, nil
		})
	if err == nil {
		err = hold(unfinished, store.HeldUnfinished)
	}
	if err == nil {
		err = hold(remembered, store.HeldByGroup)
	}
	return held, err
}

// RemoveRevisions implements store.Retention.
func (s *Store) RemoveRevisions(ctx context.Context, revisions []store.OldRevision) ([]store.RemovedRevision, error) {
	var out []store.RemovedRevision
	err := s.write.Do(ctx, func(t Tx) error {
		out = nil
		for _, r := range revisions {
			if r.Held != "" {
				continue
			}
			n, err := t.Exec(`DELETE FROM revision WHERE number = ? AND registered_at = ? AND last_used_at = ? AND NOT EXISTS
				(SELECT 1 FROM deployment_group g WHERE g.application_id = revision.application_id AND g.target_revision_key = revision.key)`,
				r.Number, nanosOrZero(r.RegisteredAt), nanosOrZero(r.LastUsedAt))
			if err != nil {
				return err
			}
			if n > 0 {
				out = append(out, store.RemovedRevision{Account: r.Account, Revision: r.Revision})
			}
		}
		return nil
	})
	return out, wrap(err, "remove revisions")
}

// RevisionKnown implements store.Retention. A revision without a bundle counts as known.
func (s *Store) RevisionKnown(ctx context.Context, r deploy.Revision) (bool, error) {
	var one int
	var err error
	switch {
	case r.S3 != nil:
		err = s.read.Row(ctx, `SELECT 1 FROM revision WHERE s3_bucket <> '' AND s3_bucket = ? AND s3_key = ? LIMIT 1`, []any{r.S3.Bucket, r.S3.Key}, &one)
	case r.GitHub != nil:
		err = s.read.Row(ctx, `SELECT 1 FROM revision WHERE key = ? LIMIT 1`, []any{[]byte(r.Key())}, &one)
	default:
		return true, nil
	}
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return true, wrap(err, "look for a revision")
}
