// Package limit counts calls by whom they come from and says which are too many.
//
// It owns token buckets, one for each key, in bounded memory. It knows no request: its users say what a key is, and what they answer. A [Limiter]
// is safe for concurrent use and starts no goroutine.
package limit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rule is how many calls a key may make.
type Rule struct {
	Rate  float64 // calls per second in the long run; 0: any number
	Burst int     // calls at once after a rest; at least 1
}

// Limiter keeps a bucket for each key. A nil Limiter lets everything through.
type Limiter struct {
	rule Rule
	now  func() time.Time
	half int

	mu sync.Mutex
	// Buckets live in two generations: when the younger one is full it becomes the older, and what was not asked for during a whole generation is
	// forgotten. A bucket that is forgotten early is full again, which errs on the side of the caller.
	young, old map[string]*rate.Limiter
}

// New makes a Limiter that remembers at most that many keys. A rule without a rate makes nil.
func New(rule Rule, most int, now func() time.Time) *Limiter {
	if rule.Rate <= 0 {
		return nil
	}
	return &Limiter{rule: rule, now: now, half: max(1, most/2), young: map[string]*rate.Limiter{}}
}

// Allow counts a call and reports whether it may go on.
func (l *Limiter) Allow(key string) bool {
	if l == nil {
		return true
	}
	return l.bucket(key).AllowN(l.now(), 1)
}

func (l *Limiter) bucket(key string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b, ok := l.young[key]; ok {
		return b
	}
	b, ok := l.old[key]
	if !ok {
		b = rate.NewLimiter(rate.Limit(l.rule.Rate), max(1, l.rule.Burst))
	}
	if len(l.young) >= l.half {
		l.young, l.old = map[string]*rate.Limiter{}, l.young
	}
	l.young[key] = b
	return b
}
