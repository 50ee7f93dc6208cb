package sim

import (
	"cmp"
	"context"
	"slices"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// shared is what the store keeps for several servers.
type shared struct {
	leases  map[string]*lease
	live    map[string]time.Time
	entries []entry
	last    time.Time // of the latest event
	news    func(replica string)
	fenced  func() // somebody was refused
	behind  func() // somebody came too late
}

type lease struct {
	store.Lease
	until time.Time
}

// entry is one of the feed.
type entry struct {
	position int64
	replica  string
	at       time.Time
	keys     []deploy.EffectKey
	due      time.Time
	notices  bool
	ended    bool
	leases   bool
}

var _ store.Replicas = (*memory)(nil)

func newShared() shared {
	return shared{leases: map[string]*lease{}, live: map[string]time.Time{}, entries: []entry{{position: 1}}, news: func(string) {}, fenced: func() {}, behind: func() {}}
}

// prolong makes a replica one that has not been silent.
func (m *memory) prolong(replica string, now time.Time) {
	if _, ok := m.live[replica]; ok {
		m.live[replica] = now.Add(time.Minute)
	}
	for _, l := range m.leases {
		if l.Owner == replica {
			l.until = now.Add(time.Minute)
		}
	}
}

// Attend implements store.Replicas.
func (m *memory) Attend(_ context.Context, a store.Attendance) (store.Attended, error) {
	now := m.now()
	m.live[a.Replica] = now.Add(a.For)
	var live []string
	for name, until := range m.live {
		if until.Before(now) {
			delete(m.live, name)
		} else {
			live = append(live, name)
		}
	}
	slices.Sort(live)
	gaveUp := false
	claim := func(names []string, most int) {
		held := 0
		for _, name := range names {
			l := m.leases[name]
			if l == nil || l.Owner != a.Replica {
				continue
			}
			if held++; held > most {
				l.Owner, gaveUp = "", true
				continue
			}
			l.until = now.Add(a.For)
		}
		for _, name := range names {
			l := m.leases[name]
			if l == nil {
				l = &lease{Lease: store.Lease{Name: name}}
				m.leases[name] = l
			}
			if held < most && (l.Owner == "" || l.until.Before(now)) {
				l.Owner, l.until = a.Replica, now.Add(a.For)
				l.Epoch++
				held++
			}
		}
	}
	claim(a.Shared, (len(a.Shared)+len(live)-1)/len(live))
	claim(a.Sole, len(a.Sole))
	got := store.Attended{Now: now, Live: live}
	for _, l := range m.leases {
		if l.Owner == a.Replica {
			got.Held = append(got.Held, l.Lease)
		}
	}
	slices.SortFunc(got.Held, func(a, b store.Lease) int { return cmp.Compare(a.Name, b.Name) })
	if gaveUp {
		m.enter(entry{replica: a.Replica, leases: true})
	}
	return got, nil
}

// Leave implements store.Replicas.
func (m *memory) Leave(_ context.Context, replica string) error {
	delete(m.live, replica)
	for _, l := range m.leases {
		if l.Owner == replica {
			l.Owner = ""
		}
	}
	m.enter(entry{replica: replica, leases: true})
	return nil
}

func (m *memory) position() int64 { return m.entries[len(m.entries)-1].position }

func (m *memory) enter(e entry) {
	e.position, e.at = m.position()+1, m.now()
	m.entries = append(m.entries, e)
	m.news(e.replica)
}

type sharedBatch struct {
	store.Batch
	m  *memory
	at time.Time
}

// At implements store.SharedBatch.
func (b sharedBatch) At() time.Time { return b.at }

// Fence implements store.SharedBatch.
func (b sharedBatch) Fence(_ context.Context, l store.Lease) error {
	if is := b.m.leases[l.Name]; is == nil || is.Lease != l {
		b.m.fenced()
		return store.ErrLeaseLost
	}
	return nil
}

// SharedBatch implements store.Replicas.
func (m *memory) SharedBatch(ctx context.Context, replica string, _ time.Time, fn func(store.SharedBatch) error) (store.Shared, error) {
	at := m.now()
	if !at.After(m.last) {
		at = m.last.Add(1)
	}
	where := store.Shared{Before: m.position(), Position: m.position()}
	m.committed = func(transitions []deploy.Transition, keys []deploy.EffectKey) {
		if len(transitions) == 0 {
			return
		}
		m.last = at.Add(store.SharedSpan)
		e := entry{replica: replica, keys: keys}
		for _, t := range transitions {
			e.notices = e.notices || len(t.Notices()) > 0
			e.ended = e.ended || t.Deployment().State.Status.Terminal()
			e.sooner(t.Deployment().State.WakeAt)
			for _, x := range t.Targets() {
				e.sooner(x.DueAt)
			}
		}
		m.enter(e)
		where.Position = m.position()
	}
	err := m.Batch(ctx, func(b store.Batch) error { return fn(sharedBatch{b, m, at}) })
	m.committed = nil
	return where, err
}

func (e *entry) sooner(at time.Time) {
	if !at.IsZero() && (e.due.IsZero() || at.Before(e.due)) {
		e.due = at
	}
}

// EffectsOf implements store.Replicas.
func (m *memory) EffectsOf(ctx context.Context, shards deploy.Shards) ([]deploy.Effect, int64, error) {
	all, err := m.Effects(ctx)
	return slices.DeleteFunc(all, func(e deploy.Effect) bool { return !shards.Of(e.Key.DeploymentID) }), m.position(), err
}

// Changes implements store.Replicas.
func (m *memory) Changes(_ context.Context, after int64, except string, limit int) (store.Changes, error) {
	c := store.Changes{Position: after}
	if after < m.entries[0].position {
		m.behind()
		return c, store.ErrBehind
	}
	seen := map[deploy.EffectKey]bool{}
	for _, e := range m.entries {
		if e.position <= after {
			continue
		}
		if limit--; limit < 0 {
			c.More = true
			break
		}
		c.Position = e.position
		if e.replica == except {
			continue
		}
		c.Notices, c.Ended, c.Leases = c.Notices || e.notices, c.Ended || e.ended, c.Leases || e.leases
		if d := (&entry{due: c.Due}); !e.due.IsZero() {
			d.sooner(e.due)
			c.Due = d.due
		}
		for _, k := range e.keys {
			if seen[k] {
				continue
			}
			seen[k] = true
			change := store.EffectChange{Key: k}
			if is, ok := m.effects[k]; ok {
				change.Effect = &is
			}
			c.Effects = append(c.Effects, change)
		}
	}
	return c, nil
}

// TrimChanges implements store.Replicas.
func (m *memory) TrimChanges(_ context.Context, age time.Duration, limit int) (int, error) {
	n := 0
	for len(m.entries) > 1 && n < limit && m.entries[0].at.Before(m.now().Add(-age)) {
		m.entries = m.entries[1:]
		n++
	}
	return n, nil
}

// DueIn implements store.Replicas.
func (m *memory) DueIn(ctx context.Context, shards deploy.Shards, at time.Time, limit int) ([]store.Due, error) {
	all, err := m.Due(ctx, at, 1<<30)
	all = slices.DeleteFunc(all, func(d store.Due) bool { return !shards.Of(d.DeploymentID) })
	return all[:min(limit, len(all))], err
}

// NextDueIn implements store.Replicas.
func (m *memory) NextDueIn(_ context.Context, shards deploy.Shards) (time.Time, error) {
	var next time.Time
	m.eachDue(func(d store.Due) {
		if shards.Of(d.DeploymentID) && (next.IsZero() || d.At.Before(next)) {
			next = d.At
		}
	})
	return next, nil
}
