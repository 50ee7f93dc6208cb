package auth

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// marks follows the mark of a store that other processes write to, so that what was read of the keys of a whole fleet holds as long as no key changes,
// for one question a second. A nil *marks knows nothing.
type marks struct {
	store Marker
	now   func() time.Time

	last   atomic.Pointer[mark] // nil: nobody has asked yet
	asking sync.Mutex
	failed time.Time // when asking failed last; under asking
}

// mark is what a store answered. An epoch is the time in which it answered the same.
type mark struct {
	text  string
	epoch uint64
	asked time.Time // before the question
}

// epoch is the present one; 0: there is none.
func (m *marks) epoch() uint64 {
	if m == nil {
		return 0
	}
	if last := m.last.Load(); last != nil {
		return last.epoch
	}
	return 0
}

// unchanged reports whether no key has changed, but for the last second, since something was read in an epoch. When that can't be told it answers no.
func (m *marks) unchanged(ctx context.Context, epoch uint64) bool {
	if m == nil {
		return false
	}
	if last := m.last.Load(); last != nil && m.now().Sub(last.asked) < cacheFor {
		return last.epoch == epoch
	}
	m.asking.Lock()
	defer m.asking.Unlock()
	last, now := m.last.Load(), m.now()
	switch {
	case last != nil && now.Sub(last.asked) < cacheFor:
		return last.epoch == epoch // somebody else has asked meanwhile
	case now.Sub(m.failed) < cacheFor:
		return false // each finds out by itself, side by side
	}
	text, err := m.store.Mark(ctx)
	if err != nil {
		m.failed = now
		return false
	}
	next := &mark{text: text, epoch: 1, asked: now}
	if last != nil {
		if next.epoch = last.epoch; text != last.text {
			next.epoch++
		}
	}
	m.last.Store(next)
	return next.epoch == epoch
}
