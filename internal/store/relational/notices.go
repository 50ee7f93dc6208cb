package relational

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// notices keeps what others are told of a transition, and a delivery for each trigger that asks for it.
func (b *batch) notices(t deploy.Transition) error {
	for _, n := range t.Notices() {
		if len(n.Triggers) == 0 { // nobody asks for the number
			b.pending.notices = append(b.pending.notices, []any{n.Account, n.DeploymentID, nanosOrZero(n.At), encode(n)})
			continue
		}
		var id int64
		err := b.tx.Row(context.Background(), `INSERT INTO notice (account, deployment_id, at, doc) VALUES (?, ?, ?, ?) RETURNING id`,
			[]any{n.Account, n.DeploymentID, nanosOrZero(n.At), encode(n)}, &id)
		if err != nil {
			return wrap(err, "keep the notice %s", n.Moment)
		}
		for _, trigger := range n.Triggers {
			d := store.Delivery{Notice: n, Trigger: trigger.Name, Destination: trigger.Target, CreatedAt: n.At}
			addDelivery(b.tx, d, id, "")
		}
	}
	return nil
}

// addDelivery queues a delivery behind the earlier ones of its deployment and destination. It tells the notice of the id, or the document.
func addDelivery(t Tx, d store.Delivery, noticeID any, doc string) {
	created := nanosOrZero(d.CreatedAt)
	t.Later(nil, `
		INSERT INTO delivery (notice_id, account, deployment_id, destination, trigger_name, tries, created_at, not_before, problem, doc)
		VALUES (?1, ?2, ?3, ?4, ?5, 0, CAST(?6 AS BIGINT),
			CASE WHEN EXISTS (SELECT 1 FROM delivery WHERE deployment_id = ?3 AND destination = ?4) THEN NULL ELSE CAST(?6 AS BIGINT) END, '', ?7)`,
		noticeID, d.Notice.Account, d.Notice.DeploymentID, d.Destination, d.Trigger, created, doc)
}

// Notices implements store.Notices. There is one writer, so ids become visible in order.
func (s *Store) Notices(ctx context.Context, after int64, most int) ([]store.LoggedNotice, error) {
	var out []store.LoggedNotice
	err := s.read.Each(ctx, `SELECT id, doc FROM notice WHERE id > ? ORDER BY id LIMIT ?`, []any{after, limit(most)},
		func(rows Rows) (bool, error) {
			var n store.LoggedNotice
			var doc string
			err := rows.Scan(&n.ID, &doc)
			if err == nil {
				err = decode(doc, &n.Notice)
			}
			out = append(out, n)
			return true, err
		})
	return out, wrap(err, "read the notices after %d", after)
}

const noticeBounds = `SELECT coalesce((SELECT min(id) FROM notice), 0), coalesce((SELECT max(id) FROM notice), 0)`

// NoticeBounds implements store.Notices.
func (s *Store) NoticeBounds(ctx context.Context) (first, last int64, err error) {
	err = s.read.Row(ctx, noticeBounds, nil, &first, &last)
	return first, last, wrap(err, "read the ends of the log of notices")
}

// AddDelivery implements store.Notices.
func (s *Store) AddDelivery(ctx context.Context, d store.Delivery) error {
	err := s.write.Do(ctx, func(t Tx) error {
		addDelivery(t, d, nil, encode(d.Notice))
		return nil
	})
	return wrap(err, "queue a delivery of trigger %q", d.Trigger)
}

// DueDeliveries implements store.Notices.
func (s *Store) DueDeliveries(ctx context.Context, at time.Time, skip []string, most int) ([]store.Delivery, error) {
	// Skipped destinations are padded, so that there are few statements.
	places := 0
	if len(skip) > 0 {
		for places = 4; places < len(skip); places *= 2 {
		}
	}
	args, but := []any{unixNano(at)}, ""
	for i := range places {
		args = append(args, skip[min(i, len(skip)-1)])
		but = ` AND d.destination NOT IN (` + marks(places) + `)`
	}
	args = append(args, limit(most))
	var out []store.Delivery
	err := s.read.Each(ctx, `
		SELECT d.id, coalesce(d.notice_id, 0), coalesce(n.doc, d.doc), d.trigger_name, d.destination, d.tries, d.created_at, d.not_before, d.problem
		FROM delivery d LEFT JOIN notice n ON n.id = d.notice_id
		WHERE d.not_before <= ?`+but+` ORDER BY d.not_before, d.id LIMIT ?`, args,
		func(rows Rows) (bool, error) {
			var d store.Delivery
			var doc string
			var created, notBefore sql.NullInt64
			err := rows.Scan(&d.ID, &d.NoticeID, &doc, &d.Trigger, &d.Destination, &d.Tries, &created, &notBefore, &d.Problem)
			if err == nil {
				err = decode(doc, &d.Notice)
			}
			d.CreatedAt, d.NotBefore = moment(created), moment(notBefore)
			out = append(out, d)
			return true, err
		})
	return out, wrap(err, "read the deliveries that are due")
}

// NextDelivery implements store.Notices.
func (s *Store) NextDelivery(ctx context.Context, after time.Time) (time.Time, error) {
	var at sql.NullInt64
	err := s.read.Row(ctx, `SELECT min(not_before) FROM delivery WHERE not_before > ?`, []any{unixNano(after)}, &at)
	return moment(at), wrap(err, "read when the next delivery is due")
}

// DeliveryDone implements store.Notices.
func (s *Store) DeliveryDone(ctx context.Context, id int64) error {
	return wrap(s.write.Do(ctx, func(t Tx) error { return removeDelivery(t, id) }), "remove delivery %d", id)
}

// removeDelivery takes a delivery out of its line; the next one is due as soon as it would have been alone.
func removeDelivery(t Tx, id int64) error {
	var deployment, destination string
	err := t.Row(context.Background(), `SELECT deployment_id, destination FROM delivery WHERE id = ?`, []any{id}, &deployment, &destination)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil {
		_, err = t.Exec(`DELETE FROM delivery WHERE id = ?`, id)
	}
	if err == nil {
		_, err = t.Exec(`UPDATE delivery SET not_before = created_at
			WHERE id = (SELECT min(id) FROM delivery WHERE deployment_id = ? AND destination = ?) AND not_before IS NULL`, deployment, destination)
	}
	return err
}

// DeliveryFailed implements store.Notices.
func (s *Store) DeliveryFailed(ctx context.Context, id int64, notBefore time.Time, problem string) error {
	err := s.write.Do(ctx, func(t Tx) error {
		_, err := t.Exec(`UPDATE delivery SET tries = tries + 1, not_before = ?, problem = ? WHERE id = ?`, unixNano(notBefore), problem, id)
		return err
	})
	return wrap(err, "count a failed try of delivery %d", id)
}

// DeliveryLost implements store.Notices.
func (s *Store) DeliveryLost(ctx context.Context, id int64, at time.Time, problem string) error {
	err := s.write.Do(ctx, func(t Tx) error {
		_, err := t.Exec(`
			INSERT INTO lost_delivery (id, account, deployment_id, destination, trigger_name, tries, created_at, lost_at, problem)
			SELECT id, account, deployment_id, destination, trigger_name, tries + 1, created_at, ?, ? FROM delivery WHERE id = ?`, nanosOrZero(at), problem, id)
		if err != nil {
			return err
		}
		return removeDelivery(t, id)
	})
	return wrap(err, "give delivery %d up", id)
}

// LostDeliveries implements store.Notices.
func (s *Store) LostDeliveries(ctx context.Context, account string, before int64, most int) ([]store.LostDelivery, error) {
	query, args := `SELECT id, account, deployment_id, destination, trigger_name, tries, created_at, lost_at, problem FROM lost_delivery WHERE id < ?`, []any{before}
	if before == 0 {
		args = []any{int64(1<<63 - 1)}
	}
	if account != "" {
		query, args = query+` AND account = ?`, append(args, account)
	}
	var out []store.LostDelivery
	err := s.read.Each(ctx, query+` ORDER BY id DESC LIMIT ?`, append(args, limit(most)), func(rows Rows) (bool, error) {
		var d store.LostDelivery
		var created, lost sql.NullInt64
		err := rows.Scan(&d.ID, &d.Account, &d.DeploymentID, &d.Destination, &d.Trigger, &d.Tries, &created, &lost, &d.Problem)
		d.CreatedAt, d.LostAt = moment(created), moment(lost)
		out = append(out, d)
		return true, err
	})
	return out, wrap(err, "list the lost deliveries of account %q", account)
}

// NoticeCursor implements store.Notices.
func (s *Store) NoticeCursor(ctx context.Context, name string) (store.NoticeCursor, error) {
	c := store.NoticeCursor{Name: name}
	var since, notBefore sql.NullInt64
	err := s.read.Row(ctx, `SELECT after, tries, since, not_before FROM notice_cursor WHERE name = ?`, []any{name}, &c.After, &c.Tries, &since, &notBefore)
	c.Since, c.NotBefore = moment(since), moment(notBefore)
	return c, wrap(err, "read the cursor %q", name)
}

// SetNoticeCursor implements store.Notices.
func (s *Store) SetNoticeCursor(ctx context.Context, c store.NoticeCursor) error {
	err := s.write.Do(ctx, func(t Tx) error {
		_, err := t.Exec(`INSERT INTO notice_cursor (name, after, tries, since, not_before) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET after = excluded.after, tries = excluded.tries, since = excluded.since, not_before = excluded.not_before`,
			c.Name, c.After, c.Tries, nanos(c.Since), nanos(c.NotBefore))
		return err
	})
	return wrap(err, "write the cursor %q", c.Name)
}

// TrimNotices implements store.Notices. Notices lie in the order of time, so only the oldest rows are looked at.
func (s *Store) TrimNotices(ctx context.Context, before time.Time, most int64, batch int) (int, error) {
	var removed int64
	err := s.write.Do(ctx, func(t Tx) error {
		removed = 0
		var first, last int64
		if err := t.Row(ctx, noticeBounds, nil, &first, &last); err != nil {
			return err
		}
		end := last // the first that is kept
		var needed sql.NullInt64
		if err := t.Row(ctx, `SELECT min(notice_id) FROM delivery WHERE notice_id IS NOT NULL`, nil, &needed); err != nil {
			return err
		}
		if needed.Valid {
			end = min(end, needed.Int64)
		}
		if batch > 0 {
			end = min(end, first+int64(batch))
		}
		n, err := t.Exec(`DELETE FROM notice WHERE id >= ? AND id < ? AND (at < ? OR id <= ?)`, first, end, unixNano(before), last-most)
		if err != nil {
			return err
		}
		m, err := t.Exec(`DELETE FROM lost_delivery WHERE id IN (SELECT id FROM lost_delivery WHERE lost_at < ? ORDER BY lost_at LIMIT ?)`, unixNano(before), limit(batch))
		removed = n + m
		return err
	})
	return int(removed), wrap(err, "trim the notices")
}
