// Package limit counts calls by whom they come from and says which are too many.
//
// It owns token buckets, one for each key, in bounded memory. It knows no request: its users say what a key is, and what they answer. A [Limiter]
// is safe for concurrent use and starts no goroutine.
package limit

import (
	"strings"
	"time"

	"golang.org/x/time/rate"

	"crossfade/internal/recent"
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
	// A bucket that is forgotten, because nobody asked for it for long, is full again, which errs on the side of the caller.
	buckets *recent.Map[string, *rate.Limiter]
}

// New makes a Limiter that remembers at most that many keys. A rule without a rate makes nil.
func New(rule Rule, most int, now func() time.Time) *Limiter {
	if rule.Rate <= 0 {
		return nil
	}
	return &Limiter{rule: rule, now: now, buckets: recent.New[string, *rate.Limiter](most)}
}

// Allow counts a call and reports whether it may go on.
func (l *Limiter) Allow(key string) bool {
	if l == nil {
		return true
	}
	return l.bucket(key).AllowN(l.now(), 1)
}

func (l *Limiter) bucket(key string) *rate.Limiter {
	if b, ok := l.buckets.Get(key); ok {
		return b
	}
	// The key may be part of a request's header, all of which would stay.
	return l.buckets.GetOr(strings.Clone(key), func() *rate.Limiter {
		return rate.NewLimiter(rate.Limit(l.rule.Rate), max(1, l.rule.Burst))
	})
}
