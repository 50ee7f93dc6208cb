// Package outbox brings what the store keeps for telling to the sinks: each trigger's messages to its topic, and the log of state changes to those
// who follow it.
//
// It owns the pace: retries with growing pauses, how long it goes on trying, how much is under way at once, and the clearing away of old notices.
// What is to be sent, and how far it has come, is in the store; so a crash leaves nothing out and sends at most again what was under way. It
// never touches a deployment, and no deployment ever waits for it.
//
// The order of one deployment's messages to one destination is kept: the store gives out one at a time. A slow or dead receiver holds up its own
// messages only, since each destination and each sink has a bounded number of messages under way.
//
// RunOnce is single-threaded; Wake and TestTrigger may be called at any time. Start runs RunOnce in a goroutine and the messages in others, and
// Stop waits for all of them.
package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/notify"
	"crossfade/internal/store"
)

// Clock tells the time.
type Clock interface{ Now() time.Time }

// What became of a message, for metrics.
const (
	Delivered = "delivered"
	Retried   = "retried" // it failed and will be tried again
	Lost      = "lost"    // it was given up
)

// Follower is sent every state change, in order.
type Follower struct {
	// Name tells the follower's place in the log from those of others, for ever: under a new name it begins at the end of the log.
	Name string
	Sink notify.Sink
}

// Config is what an Outbox needs. Followers may be empty and Observe nil.
type Config struct {
	Store     store.Notices
	Clock     Clock
	Words     notify.Words
	Routes    notify.Routes
	Followers []Follower
	// Jitter draws from [0,1): it spreads retries.
	Jitter func() float64
	// Observe is told what became of a message to a sink.
	Observe func(sink, outcome string)
	Log     *slog.Logger
}

// The pace.
const (
	// keepTrying is how long a message is tried again.
	keepTrying = time.Hour
	retryFirst = time.Second
	retryMost  = 2 * time.Minute
	// perDestination and perSink bound what is under way at the same time.
	perDestination = 4
	perSink        = 16
	batchSize      = 64
	// keepNotices and mostNotices bound the log; trimming takes small bites.
	keepNotices  = 7 * 24 * time.Hour
	mostNotices  = 1_000_000
	trimBatch    = 500
	trimInterval = 10 * time.Minute
)

// Outbox brings messages to sinks. Make one with New.
type Outbox struct {
	Config
	// spawn carries a piece of work out; by itself it does so at once.
	spawn func(func())
	wake  chan struct{}
	news  atomic.Int64 // counts Wake

	followers []*follower
	trimAt    time.Time // used by RunOnce only

	mu           sync.Mutex
	underWay     map[int64]bool // deliveries
	over         map[int64]bool // those that were tried since the store was last asked what is due, whose answer may still show them as due
	destinations map[string]int // how many of them are under way
	sinks        map[string]int
	troubles     []error // of the store, since the last RunOnce
}

// New makes an outbox that does nothing until RunOnce, or Start.
func New(c Config) *Outbox {
	if c.Observe == nil {
		c.Observe = func(string, string) {}
	}
	o := &Outbox{
		Config: c, spawn: func(f func()) { f() }, wake: make(chan struct{}, 1),
		underWay: map[int64]bool{}, over: map[int64]bool{}, destinations: map[string]int{}, sinks: map[string]int{},
	}
	for _, f := range c.Followers {
		o.followers = append(o.followers, &follower{Follower: f, outbox: o})
	}
	return o
}

// Wake says that the store has something new. It never blocks.
func (o *Outbox) Wake() {
	o.news.Add(1)
	o.nudge()
}

// nudge asks for another RunOnce.
func (o *Outbox) nudge() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// TestTrigger queues the test of a group's trigger that was added or changed. The error is the store's: how the sending goes is not known yet.
func (o *Outbox) TestTrigger(ctx context.Context, g deploy.Group, t deploy.Trigger) error {
	at := o.Clock.Now()
	err := o.Store.AddDelivery(ctx, store.Delivery{
		Notice: deploy.Notice{
			Moment: notify.MomentTest, At: at, Account: g.Account, ApplicationID: g.ApplicationID, Application: g.Application, GroupID: g.ID, Group: g.Name,
		},
		Trigger: t.Name, Destination: t.Target, CreatedAt: at,
	})
	if err != nil {
		return fmt.Errorf("queue the test of trigger %q of group %s: %w", t.Name, g.Name, err)
	}
	o.Wake()
	return nil
}

// RunOnce sends what is due and clears away what is old, in small bites. It returns when to come again if nobody wakes the outbox before; zero:
// no time is known. An error is the store's, and what it kept from being done will be done by a later call.
func (o *Outbox) RunOnce(ctx context.Context, now time.Time) (next time.Time, err error) {
	o.mu.Lock()
	troubles := errors.Join(o.troubles...)
	o.troubles = nil
	o.mu.Unlock()
	if troubles != nil {
		return time.Time{}, troubles // before more is sent whose end could not be kept either
	}
	for _, f := range o.followers {
		at, err := f.run(ctx, now)
		if err != nil {
			return time.Time{}, err
		}
		next = earliest(next, at)
	}
	if err := o.deliver(ctx, now); err != nil {
		return time.Time{}, err
	}
	due, err := o.Store.NextDelivery(ctx, now)
	if err != nil {
		return time.Time{}, err
	}
	trim, err := o.trim(ctx, now)
	return earliest(earliest(next, due), trim), err
}

// earliest of two times, of which zero is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (o *Outbox) trim(ctx context.Context, now time.Time) (time.Time, error) {
	if now.Before(o.trimAt) {
		return o.trimAt, nil
	}
	removed, err := o.Store.TrimNotices(ctx, now.Add(-keepNotices), mostNotices, trimBatch)
	if err != nil {
		return time.Time{}, err
	}
	o.trimAt = now.Add(trimInterval)
	if removed >= trimBatch {
		o.trimAt = now.Add(time.Second)
	}
	return o.trimAt, nil
}

// pause is how long to wait after the given number of failed tries.
func (o *Outbox) pause(tries int) time.Duration {
	most := min(retryMost, retryFirst<<min(tries-1, 10))
	return most/2 + time.Duration(o.Jitter()*float64(most/2))
}

// trouble remembers that the store did not take what became of a message; the message will be sent again.
func (o *Outbox) trouble(err error) {
	o.mu.Lock()
	o.troubles = append(o.troubles, err)
	o.mu.Unlock()
}
