// Package clocktest is a clock that stands still until its test moves it, for whatever takes the time from a function.
//
// It owns nothing but the time of one test. A [Clock] is safe for concurrent use.
package clocktest

import (
	"sync"
	"time"
)

// Clock shows a time. The zero value shows the zero time.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// At is a clock that shows the time.
func At(t time.Time) *Clock { return &Clock{at: t} }

// Now is the time that the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Pass moves the clock on, or back, and returns what it shows then.
func (c *Clock) Pass(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
	return c.at
}
