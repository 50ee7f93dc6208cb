package relational

import (
	"context"
	"database/sql"
	"errors"

	"crossfade/internal/store"
	"crossfade/internal/traffic/feed"
)

var _ store.Proxies = (*Store)(nil)

const feedHead = `SELECT installation, epoch, last_change, reports, digest FROM proxy_feed WHERE id = 1`

func readHead(ctx context.Context, r Reader) (feed.Head, error) {
	var h feed.Head
	err := r.Row(ctx, feedHead, nil, &h.Installation, &h.Epoch, &h.Last, &h.Reports, &h.Digest)
	return h, err
}

// OpenFeed implements store.Proxies.
func (s *Store) OpenFeed(ctx context.Context, names feed.Names, configuration []byte, digest string) (feed.Head, error) {
	var head feed.Head
	err := s.write.Do(ctx, func(t Tx) error {
		_, err := t.Exec(`
			INSERT INTO proxy_feed (id, installation, epoch, is_open, last_change, reports, configuration, digest) VALUES (1, ?, '', 0, 0, 0, '', '')
			ON CONFLICT (id) DO NOTHING`, names.Installation)
		if err != nil {
			return err
		}
		// Wishes that were kept without a change count as new.
		closed, err := t.Exec(`UPDATE proxy_feed SET is_open = 1, last_change = last_change + 1 WHERE id = 1 AND is_open = 0`)
		if err != nil {
			return err
		}
		if closed > 0 {
			for _, table := range []string{"registration", "split"} {
				if _, err := t.Exec(`UPDATE ` + table + ` SET change = (SELECT last_change FROM proxy_feed WHERE id = 1) WHERE change >= 0`); err != nil {
					return err
				}
			}
		}
		if _, err := t.Exec(`UPDATE proxy_feed SET epoch = ?, configuration = ?, digest = ? WHERE id = 1`, names.Epoch, string(configuration), digest); err != nil {
			return err
		}
		head, err = readHead(ctx, t)
		head.Configuration = configuration
		return err
	})
	return head, wrap(err, "open the feed of proxies")
}

// CloseFeed implements store.Proxies.
func (s *Store) CloseFeed(ctx context.Context) error {
	var open bool
	err := s.read.Row(ctx, `SELECT is_open FROM proxy_feed WHERE id = 1`, nil, &open)
	if errors.Is(err, store.ErrNotFound) || err == nil && !open {
		return nil
	}
	if err == nil {
		err = s.write.Do(ctx, func(t Tx) error {
			_, err := t.Exec(`UPDATE proxy_feed SET is_open = 0 WHERE id = 1`)
			return err
		})
	}
	return wrap(err, "close the feed of proxies")
}

// FeedHead implements store.Proxies.
func (s *Store) FeedHead(ctx context.Context) (feed.Head, error) {
	h, err := readHead(ctx, s.read)
	return h, wrap(err, "read the head of the feed of proxies")
}

const (
	registrationFeed = `SELECT target_group, instance, address, registered, environment, generation, change FROM registration `
	splitFeed        = `SELECT target_group, environment, percent, generation, change FROM split `
)

func scanRegistration(scan func(...any) error) (r feed.Registration, err error) {
	err = scan(&r.TargetGroup, &r.Instance, &r.Address, &r.In, &r.Environment, &r.Generation, &r.Change)
	return r, err
}

func scanSplit(scan func(...any) error) (x feed.Split, err error) {
	err = scan(&x.TargetGroup, &x.Environment, &x.Percent, &x.Generation, &x.Change)
	return x, err
}

// WishesAfter implements store.Proxies. The head is read first: what changes meanwhile has a later change than it says, and is read again.
func (s *Store) WishesAfter(ctx context.Context, change int64) (feed.Wishes, error) {
	var out feed.Wishes
	var configuration string
	err := s.read.Row(ctx, `SELECT installation, epoch, last_change, reports, digest, configuration FROM proxy_feed WHERE id = 1`, nil,
		&out.Installation, &out.Epoch, &out.Last, &out.Reports, &out.Digest, &configuration)
	if err != nil {
		return out, wrap(err, "read the feed of proxies")
	}
	out.Configuration = []byte(configuration)
	err = s.read.Each(ctx, registrationFeed+`WHERE change > ? ORDER BY change`, []any{change}, func(rows Rows) (bool, error) {
		r, err := scanRegistration(rows.Scan)
		out.Registrations = append(out.Registrations, r)
		return true, err
	})
	if err == nil {
		err = s.read.Each(ctx, splitFeed+`WHERE change > ? ORDER BY change`, []any{change}, func(rows Rows) (bool, error) {
			x, err := scanSplit(rows.Scan)
			out.Splits = append(out.Splits, x)
			return true, err
		})
	}
	return out, wrap(err, "read the feed of proxies")
}

// Wish implements store.Proxies.
func (s *Store) Wish(ctx context.Context, registrations []feed.Registration, splits []feed.Split) (feed.Head, error) {
	var head feed.Head
	err := s.write.Do(ctx, func(t Tx) error {
		n, err := t.Exec(`UPDATE proxy_feed SET last_change = last_change + 1 WHERE id = 1`)
		if err == nil && n == 0 {
			err = store.ErrNotFound
		}
		if err == nil {
			head, err = readHead(ctx, t)
		}
		if err != nil {
			return err
		}
		for _, r := range registrations {
			_, err := t.Exec(`
				INSERT INTO registration (target_group, instance, address, registered, environment, generation, change) VALUES (?, ?, ?, ?, ?, ?, ?)
				ON CONFLICT (target_group, instance) DO UPDATE SET
					address = excluded.address, registered = excluded.registered, environment = excluded.environment,
					generation = excluded.generation,
					change = CASE WHEN registration.address = excluded.address AND registration.registered = excluded.registered
						AND registration.environment = excluded.environment THEN registration.change ELSE excluded.change END
				WHERE registration.generation <= excluded.generation`,
				r.TargetGroup, r.Instance, r.Address, r.In, r.Environment, r.Generation, head.Last)
			if err != nil {
				return err
			}
		}
		for _, x := range splits {
			_, err := t.Exec(`
				INSERT INTO split (target_group, environment, percent, generation, change) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (target_group) DO UPDATE SET
					environment = excluded.environment, percent = excluded.percent, generation = excluded.generation,
					change = CASE WHEN split.environment = excluded.environment AND split.percent = excluded.percent THEN split.change ELSE excluded.change END
				WHERE split.generation <= excluded.generation`,
				x.TargetGroup, x.Environment, x.Percent, x.Generation, head.Last)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return head, wrap(err, "keep what is wished of proxies")
}

// Registration implements store.Proxies.
func (s *Store) Registration(ctx context.Context, targetGroup, instance string) (feed.Registration, error) {
	r, err := scanRegistration(func(into ...any) error {
		return s.read.Row(ctx, registrationFeed+`WHERE target_group = ? AND instance = ?`, []any{targetGroup, instance}, into...)
	})
	if errors.Is(err, store.ErrNotFound) {
		return feed.Registration{}, nil
	}
	return r, wrap(err, "read what is wished of instance %s in target group %s", instance, targetGroup)
}

// SplitWish implements store.Proxies.
func (s *Store) SplitWish(ctx context.Context, targetGroup string) (feed.Split, error) {
	x, err := scanSplit(func(into ...any) error {
		return s.read.Row(ctx, splitFeed+`WHERE target_group = ?`, []any{targetGroup}, into...)
	})
	if errors.Is(err, store.ErrNotFound) {
		return feed.Split{}, nil
	}
	return x, wrap(err, "read how target group %s is to share requests out", targetGroup)
}

const proxyColumns = `name, id, principal, session, sequence, applied, digest, first_seen, seen`

func scanProxy(scan func(...any) error) (p feed.Proxy, err error) {
	var first, seen sql.NullInt64
	err = scan(&p.Name, &p.ID, &p.Principal, &p.Session, &p.Sequence, &p.Applied, &p.Digest, &first, &seen)
	p.FirstSeen, p.Seen = moment(first), moment(seen)
	return p, err
}

func readProxy(ctx context.Context, r Reader, name string) (feed.Proxy, error) {
	p, err := scanProxy(func(into ...any) error {
		return r.Row(ctx, `SELECT `+proxyColumns+` FROM proxy WHERE name = ?`, []any{name}, into...)
	})
	if errors.Is(err, store.ErrNotFound) {
		err = feed.ErrUnknownProxy
	}
	return p, err
}

// seenMost keeps Seen from going back when servers' clocks differ.
const seenMost = `UPDATE proxy SET seen = CASE WHEN seen < ?1 THEN ?1 ELSE seen END WHERE name = ?2`

// SeeProxy implements store.Proxies.
func (s *Store) SeeProxy(ctx context.Context, p feed.Proxy) error {
	err := s.write.Do(ctx, func(t Tx) error {
		is, err := readProxy(ctx, t, p.Name)
		switch {
		case errors.Is(err, feed.ErrUnknownProxy):
		case err != nil:
			return err
		case is.Principal != p.Principal, is.ID != p.ID && !is.Seen.Before(p.FirstSeen):
			return feed.ErrNameTaken
		case is.ID == p.ID:
			_, err := t.Exec(seenMost, unixNano(p.Seen), p.Name)
			return err
		default:
			if err := removeProxy(t, p.Name); err != nil {
				return err
			}
		}
		_, err = t.Exec(`INSERT INTO proxy (`+proxyColumns+`) VALUES (?, ?, ?, '', 0, -1, '', ?, ?)`, p.Name, p.ID, p.Principal, unixNano(p.Seen), unixNano(p.Seen))
		if err == nil {
			err = countReport(t)
		}
		return err
	})
	return wrap(err, "note that proxy %s was seen", p.Name)
}

func countReport(t Tx) error {
	_, err := t.Exec(`UPDATE proxy_feed SET reports = reports + 1 WHERE id = 1`)
	return err
}

// ReportProxy implements store.Proxies.
func (s *Store) ReportProxy(ctx context.Context, p feed.Proxy, r feed.Report) error {
	err := s.write.Do(ctx, func(t Tx) error {
		is, err := readProxy(ctx, t, r.Name)
		if err != nil {
			return err
		}
		if is.Principal != p.Principal || is.ID != r.ID {
			return feed.ErrNameTaken
		}
		head, err := readHead(ctx, t)
		if err != nil {
			return err
		}
		switch {
		case head.Epoch != r.Epoch, is.Session != r.Session && !r.Full:
			return feed.ErrResync
		case is.Session == r.Session && r.Sequence <= is.Sequence:
			return nil
		}
		return takeReport(t, p, is, r)
	})
	return wrap(err, "keep the report of proxy %s", r.Name)
}

func takeReport(t Tx, p, is feed.Proxy, r feed.Report) error {
	if r.Full {
		if _, err := t.Exec(`DELETE FROM proxy_target WHERE proxy = ?`, r.Name); err != nil {
			return err
		}
	}
	for _, k := range r.Gone {
		if _, err := t.Exec(`DELETE FROM proxy_target WHERE target_group = ? AND instance = ? AND proxy = ?`, k.TargetGroup, k.Instance, r.Name); err != nil {
			return err
		}
	}
	for _, x := range r.Targets {
		_, err := t.Exec(`
			INSERT INTO proxy_target (target_group, instance, proxy, state, reason, environment) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (target_group, instance, proxy) DO UPDATE SET state = excluded.state, reason = excluded.reason, environment = excluded.environment`,
			x.TargetGroup, x.Instance, r.Name, x.State, x.Reason, x.Environment)
		if err != nil {
			return err
		}
	}
	_, err := t.Exec(`UPDATE proxy SET session = ?1, sequence = ?2, applied = ?3, digest = ?4, seen = CASE WHEN seen < ?5 THEN ?5 ELSE seen END WHERE name = ?6`,
		r.Session, r.Sequence, r.Applied, r.Digest, unixNano(p.Seen), r.Name)
	changed := r.Full || len(r.Gone)+len(r.Targets) > 0 || is.Applied != r.Applied || is.Digest != r.Digest
	if err == nil && changed {
		err = countReport(t)
	}
	return err
}

// Proxies implements store.Proxies.
func (s *Store) Proxies(ctx context.Context) ([]feed.Proxy, error) {
	var out []feed.Proxy
	err := s.read.Each(ctx, `SELECT `+proxyColumns+` FROM proxy WHERE name > '' ORDER BY name`, nil, func(rows Rows) (bool, error) {
		p, err := scanProxy(rows.Scan)
		out = append(out, p)
		return true, err
	})
	return out, wrap(err, "list proxies")
}

// ObservedBy implements store.Proxies.
func (s *Store) ObservedBy(ctx context.Context, targetGroup, instance string) ([]feed.Observation, error) {
	var out []feed.Observation
	err := s.read.Each(ctx, `SELECT proxy, target_group, instance, state, reason, environment FROM proxy_target WHERE target_group = ? AND instance = ? ORDER BY proxy`,
		[]any{targetGroup, instance}, func(rows Rows) (bool, error) {
			var o feed.Observation
			err := rows.Scan(&o.Proxy, &o.TargetGroup, &o.Instance, &o.State, &o.Reason, &o.Environment)
			out = append(out, o)
			return true, err
		})
	return out, wrap(err, "read what proxies have of instance %s in target group %s", instance, targetGroup)
}

func removeProxy(t Tx, name string) error {
	n, err := t.Exec(`DELETE FROM proxy WHERE name = ?`, name)
	if err == nil && n == 0 {
		err = feed.ErrUnknownProxy
	}
	if err == nil {
		_, err = t.Exec(`DELETE FROM proxy_target WHERE proxy = ?`, name)
	}
	return err
}

// RemoveProxy implements store.Proxies.
func (s *Store) RemoveProxy(ctx context.Context, name, session string) error {
	err := s.write.Do(ctx, func(t Tx) error {
		if session != "" {
			is, err := readProxy(ctx, t, name)
			if err != nil {
				return err
			}
			if is.Session != session {
				return feed.ErrUnknownProxy
			}
		}
		if err := removeProxy(t, name); err != nil {
			return err
		}
		return countReport(t)
	})
	return wrap(err, "remove proxy %s", name)
}
