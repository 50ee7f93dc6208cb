//go:build linux

package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"crossfade/internal/counterpart"
)

// chaos does bad things to servers, connections and the database, drawn from a seed.
type chaos struct {
	t        *testing.T
	chance   *rand.Rand
	replicas []*replica
	database *counterpart.PostgreSQL
	begun    time.Time
	mending  sync.WaitGroup

	mu   sync.Mutex
	busy map[string]bool // what something bad happens to now
	done map[string]int
}

// fault is one bad thing. It begins at once and returns what ends it, and after how long.
type fault struct {
	name   string
	weight int
	begin  func(c *chaos, r *replica) (mend func(), after time.Duration)
}

var faults = []fault{
	{"kill -9", 4, func(c *chaos, r *replica) (func(), time.Duration) {
		r.kill()
		return c.starter(r), c.between(100*time.Millisecond, 4*time.Second)
	}},
	{"stop and start", 3, func(c *chaos, r *replica) (func(), time.Duration) {
		r.signal(syscall.SIGTERM)
		start := c.starter(r)
		return func() {
			if !r.gone(30 * time.Second) {
				c.t.Errorf("%s does not stop", r.name)
				r.kill()
			}
			start()
		}, 0
	}},
	// Its leases run out after ten seconds, so others have taken over when it wakes and goes on where it was.
	{"stall", 3, func(c *chaos, r *replica) (func(), time.Duration) {
		r.signal(syscall.SIGSTOP)
		return func() { r.signal(syscall.SIGCONT) }, c.between(200*time.Millisecond, 16*time.Second)
	}},
	{"cut its connections to the database", 3, func(_ *chaos, r *replica) (func(), time.Duration) {
		r.wire.cut()
		return func() {}, 0
	}},
	{"part it from the database", 2, func(c *chaos, r *replica) (func(), time.Duration) {
		r.wire.part()
		return r.wire.mend, c.between(200*time.Millisecond, 14*time.Second)
	}},
	{"delay what it says to the database", 2, func(c *chaos, r *replica) (func(), time.Duration) {
		r.wire.delay(c.between(5*time.Millisecond, 150*time.Millisecond))
		return r.wire.mend, c.between(time.Second, 5*time.Second)
	}},
	{"crash the database", 1, func(c *chaos, _ *replica) (func(), time.Duration) {
		c.database.Kill(c.t)
		return func() { c.database.Start(c.t) }, c.between(100*time.Millisecond, 3*time.Second)
	}},
}

func (c *chaos) between(least, most time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return least + time.Duration(c.chance.Int64N(int64(most-least)))
}

// skew is how wrong a clock is: not at all, or up to half a minute either way.
func (c *chaos) skew() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.chance.IntN(3)-1) * time.Duration(c.chance.Int64N(int64(30*time.Second)))
}

// starter starts a replica with another clock.
func (c *chaos) starter(r *replica) func() {
	skew := c.skew()
	return func() {
		if err := r.start(skew); err != nil {
			c.t.Error(err)
			return
		}
		c.say("%s is started, its clock %s off", r.name, skew.Round(time.Millisecond))
	}
}

func (c *chaos) say(format string, args ...any) {
	c.t.Logf("%8.3fs %s", time.Since(c.begun).Seconds(), fmt.Sprintf(format, args...))
}

// run does bad things until the time is over, and mends them all.
func (c *chaos) run(ctx context.Context, during time.Duration) {
	var all []fault
	for _, f := range faults {
		for range f.weight {
			all = append(all, f)
		}
	}
	for end := time.Now().Add(during); time.Now().Before(end) && ctx.Err() == nil; {
		c.mu.Lock()
		f, r := all[c.chance.IntN(len(all))], c.replicas[c.chance.IntN(len(c.replicas))]
		pause := 200*time.Millisecond + time.Duration(c.chance.Int64N(int64(2500*time.Millisecond)))
		c.mu.Unlock()
		c.inflict(f, r)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	c.mending.Wait()
}

// inflict does one thing, unless something is being done to the same already.
func (c *chaos) inflict(f fault, r *replica) {
	what := r.name
	if f.name == "crash the database" {
		what = "the database"
	}
	c.mu.Lock()
	if c.busy[what] {
		c.mu.Unlock()
		return
	}
	c.busy[what] = true
	c.done[f.name]++
	c.mu.Unlock()
	mend, after := f.begin(c, r)
	c.say("%s: %s, for %s", what, f.name, after.Round(time.Millisecond))
	c.mending.Go(func() {
		time.Sleep(after)
		mend()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.busy[what] = false
	})
}
