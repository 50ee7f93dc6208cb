package relational

import (
	"cmp"
	"context"
	"slices"
	"time"

	"crossfade/internal/store"
)

// Attend implements store.Replicas.
func (s *Store) Attend(ctx context.Context, a store.Attendance) (store.Attended, error) {
	var got store.Attended
	err := s.write.Do(ctx, func(t Tx) error {
		r := roll{tx: t, Attendance: a}
		if err := r.call(ctx); err != nil {
			return err
		}
		got = store.Attended{Now: r.Now.UTC(), Live: r.live, Held: r.held}
		if !r.gaveUp {
			return nil
		}
		_, err := enter(ctx, t, a.Replica, r.Now, 0, &changeDoc{Leases: true})
		return err
	})
	return got, wrap(err, "renew the leases of replica %s", a.Replica)
}

// roll is one attendance under way.
type roll struct {
	tx Tx
	store.Attendance
	until  int64
	live   []string
	leases map[string]*leaseRow
	held   []store.Lease
	gaveUp bool
}

type leaseRow struct {
	store.Lease
	until int64
}

func (r *roll) call(ctx context.Context) error {
	var err error
	if r.Now, err = sharedNow(ctx, r.tx, r.Now); err != nil {
		return err
	}
	now := unixNano(r.Now)
	r.until = unixNano(r.Now.Add(r.For))
	if _, err := r.tx.Exec(`DELETE FROM replica WHERE until < ?`, now); err != nil {
		return err
	}
	_, err = r.tx.Exec(`INSERT INTO replica (name, until) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET until = excluded.until`, r.Replica, r.until)
	if err != nil {
		return err
	}
	replicas := map[string]int64{}
	err = r.tx.Each(ctx, `SELECT name, until FROM replica WHERE name > '' ORDER BY name`, nil, func(rows Rows) (bool, error) {
		var name string
		var until int64
		err := rows.Scan(&name, &until)
		r.live, replicas[name] = append(r.live, name), until
		return true, err
	})
	if err != nil {
		return err
	}
	r.leases = map[string]*leaseRow{}
	err = r.tx.Each(ctx, `SELECT name, owner, epoch, until FROM lease WHERE name > ''`, nil, func(rows Rows) (bool, error) {
		var l leaseRow
		err := rows.Scan(&l.Name, &l.Owner, &l.Epoch, &l.until)
		r.leases[l.Name] = &l
		return true, err
	})
	if err != nil {
		return err
	}
	for name, until := range replicas {
		if err := r.shorten("replica", name, &until); err != nil {
			return err
		}
	}
	for name, l := range r.leases {
		if err := r.shorten("lease", name, &l.until); err != nil {
			return err
		}
	}
	if _, err := r.tx.Exec(`UPDATE lease SET until = ? WHERE owner = ?`, r.until, r.Replica); err != nil {
		return err
	}
	share := (len(r.Shared) + len(r.live) - 1) / len(r.live)
	if err := r.claim(r.Shared, share, now); err != nil {
		return err
	}
	if err := r.claim(r.Sole, len(r.Sole), now); err != nil {
		return err
	}
	slices.SortFunc(r.held, func(a, b store.Lease) int { return cmp.Compare(a.Name, b.Name) })
	return nil
}

// shorten ends earlier what was said by a clock that has been put back since: nobody is waited for longer than For.
func (r *roll) shorten(table, name string, until *int64) error {
	if *until <= r.until {
		return nil
	}
	*until = r.until
	_, err := r.tx.Exec(`UPDATE `+table+` SET until = ? WHERE name = ?`, r.until, name)
	return err
}

// claim keeps at most so many of the names, and takes free ones up to that number.
func (r *roll) claim(names []string, most int, now int64) error {
	held := 0
	for _, name := range names {
		l := r.leases[name]
		if l == nil || l.Owner != r.Replica {
			continue
		}
		if held == most {
			l.Owner, r.gaveUp = "", true
			if _, err := r.tx.Exec(`UPDATE lease SET owner = '', until = 0 WHERE name = ?`, name); err != nil {
				return err
			}
			continue
		}
		held++
		r.held = append(r.held, l.Lease)
	}
	for _, name := range names {
		l := r.leases[name]
		free := l == nil || l.Owner == "" || l.Owner != r.Replica && l.until < now
		if held == most || !free {
			continue
		}
		taken := store.Lease{Name: name, Owner: r.Replica, Epoch: 1}
		if l != nil {
			taken.Epoch = l.Epoch + 1
		}
		_, err := r.tx.Exec(`INSERT INTO lease (name, owner, epoch, until) VALUES (?, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, epoch = excluded.epoch, until = excluded.until`, name, taken.Owner, taken.Epoch, r.until)
		if err != nil {
			return err
		}
		held++
		r.held = append(r.held, taken)
	}
	return nil
}

// Leave implements store.Replicas.
func (s *Store) Leave(ctx context.Context, replica string) error {
	err := s.write.Do(ctx, func(t Tx) error {
		if _, err := t.Exec(`DELETE FROM replica WHERE name = ?`, replica); err != nil {
			return err
		}
		n, err := t.Exec(`UPDATE lease SET owner = '', until = 0 WHERE owner = ?`, replica)
		if err != nil || n == 0 {
			return err
		}
		now, err := sharedNow(ctx, t, time.Now())
		if err != nil {
			return err
		}
		_, err = enter(ctx, t, replica, now, 0, &changeDoc{Leases: true})
		return err
	})
	return wrap(err, "give up the leases of replica %s", replica)
}
