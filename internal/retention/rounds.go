package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// The sizes of batches and pauses. A batch is one transaction, for the time of which nobody else writes; it grows as long as it takes less than
// batchTime, and the pause after it leaves most of the time to others.
const (
	batchLeast = 20  // rows
	batchMost  = 250 // rows
	batchTime  = 3 * time.Millisecond
	pauseTimes = 4 // the pause after a batch is so many times as long
	pauseLeast = 2 * time.Millisecond
	pauseMost  = time.Second

	// page is how many candidates are read at a time.
	page = 500
	// removeMost is how many deployments or revisions are named to the store at a time: each is looked at in the transaction.
	removeMost = 20
)

// Bundles is the built-in store of bundles.
type Bundles interface {
	// Remove removes the bundle of an account's revision unless it was written since the time, and returns its size; 0: none was removed. One that is
	// not in a bucket of the account is left alone.
	Remove(account string, r deploy.Revision, unwrittenSince time.Time) (bytes int64, err error)
}

// Clock tells the time.
type Clock interface{ Now() time.Time }

// The kinds of things that go, for Observe.
const (
	KindDeployment  = "deployment"
	KindRow         = "row"
	KindLogBytes    = "log_byte"
	KindRevision    = "revision"
	KindBundle      = "bundle"
	KindBundleBytes = "bundle_byte"
)

// Config says what to clean. All members but Bundles and Observe are required.
type Config struct {
	Store    store.Retention
	Bundles  Bundles // nil: bundles are left alone
	Policy   Policy
	Interval time.Duration // between rounds
	// Mine says whether the rounds that come by themselves are this server's; nil: they are. It may clean up when it is asked to all the same.
	Mine  func() bool
	Clock Clock
	// Pause waits; nil: on the system's clock.
	Pause func(ctx context.Context, d time.Duration) error
	// Observe is told after each batch what went, by kind; nil: nobody is.
	Observe func(kind string, n int64)
	Log     *slog.Logger
}

// Summary is what a round removed.
type Summary struct {
	Began       time.Time     `json:"began,omitzero"`
	Took        time.Duration `json:"took"`
	Deployments int           `json:"deployments"`
	Rows        int           `json:"rows"` // in the database, of deployments and logs
	LogBytes    int64         `json:"logBytes"`
	Revisions   int           `json:"revisions"`
	Bundles     int           `json:"bundles"`
	BundleBytes int64         `json:"bundleBytes"`
}

// Empty reports whether nothing went.
func (s Summary) Empty() bool {
	return s.Deployments == 0 && s.Rows == 0 && s.LogBytes == 0 && s.Revisions == 0 && s.Bundles == 0
}

// Rounds cleans up again and again. Make one with New.
type Rounds struct {
	Config
	wake chan struct{}
	done sync.WaitGroup

	running sync.Mutex // held during a round
	mu      sync.Mutex // guards what follows
	stop    context.CancelFunc
	last    Summary
}

// New makes rounds that have not begun.
func New(c Config) *Rounds {
	if c.Pause == nil {
		c.Pause = sleep
	}
	if c.Observe == nil {
		c.Observe = func(string, int64) {}
	}
	return &Rounds{Config: c, wake: make(chan struct{}, 1)}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Last is what the last round removed that came to its end; zero: none has.
func (r *Rounds) Last() Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// Wake asks for a round soon. It never blocks.
func (r *Rounds) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Start runs rounds until Stop: every Interval, the first one an interval after the start, and when woken. It may be called twice.
func (r *Rounds) Start(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop != nil {
		return
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx)) // rounds outlive the context of their start
	r.stop = cancel
	r.done.Go(func() { r.loop(run) })
}

// Stop ends the rounds and waits for the batch that is under way. It may be called twice, and without a start.
func (r *Rounds) Stop() {
	r.mu.Lock()
	if r.stop != nil {
		r.stop()
	}
	r.mu.Unlock()
	r.done.Wait()
}

func (r *Rounds) loop(ctx context.Context) {
	next := time.NewTimer(r.Interval)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-next.C:
			if r.Mine != nil && !r.Mine() {
				next.Reset(r.Interval)
				continue
			}
		}
		if _, err := r.RunOnce(ctx); err != nil && ctx.Err() == nil {
			r.Log.Warn("not everything could be cleaned up, will be tried again", "error", err)
		}
		next.Reset(r.Interval)
	}
}

// RunOnce is one round. It returns what went also when it fails, which hinders no other part of it. Rounds of one Rounds come one after the other.
func (r *Rounds) RunOnce(ctx context.Context) (Summary, error) {
	r.running.Lock()
	defer r.running.Unlock()
	round := &round{Rounds: r, now: r.Clock.Now(), rows: batchLeast}
	round.sum.Began = round.now
	var errs []error
	for _, part := range []func(context.Context) error{round.sweep, round.logs, round.deployments, round.revisions} {
		if err := part(ctx); err != nil {
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	s := round.sum
	s.Took = r.Clock.Now().Sub(s.Began)
	if !s.Empty() {
		r.Log.Info("cleaned up", "deployments", s.Deployments, "rows", s.Rows, "logBytes", s.LogBytes, "revisions", s.Revisions, "bundles", s.Bundles,
			"bundleBytes", s.BundleBytes, "took", s.Took)
	}
	err := errors.Join(errs...)
	if err == nil {
		r.mu.Lock()
		r.last = s
		r.mu.Unlock()
	}
	return s, err
}

// round is one round under way.
type round struct {
	*Rounds
	now  time.Time
	rows int // of the next batch
	sum  Summary
}

// batch runs one transaction, counts what went, pauses, and settles how large the next one is. The time that it takes has the waiting for others in
// it, so batches become smaller and pauses longer where much is written.
func (r *round) batch(ctx context.Context, remove func(rows int) error) error {
	before, began := r.sum, r.Clock.Now()
	err := remove(r.rows)
	took := r.Clock.Now().Sub(began)
	r.tell(before)
	if err != nil {
		return err
	}
	if took > batchTime {
		r.rows = max(batchLeast, r.rows/2)
	} else {
		r.rows = min(batchMost, r.rows+batchLeast)
	}
	return r.Pause(ctx, min(max(pauseTimes*took, pauseLeast), pauseMost))
}

func (r *round) tell(before Summary) {
	for _, k := range []struct {
		kind string
		n    int64
	}{
		{KindDeployment, int64(r.sum.Deployments - before.Deployments)}, {KindRow, int64(r.sum.Rows - before.Rows)},
		{KindLogBytes, r.sum.LogBytes - before.LogBytes}, {KindRevision, int64(r.sum.Revisions - before.Revisions)},
		{KindBundle, int64(r.sum.Bundles - before.Bundles)}, {KindBundleBytes, r.sum.BundleBytes - before.BundleBytes},
	} {
		if k.n > 0 {
			r.Observe(k.kind, k.n)
		}
	}
}

// sweep removes what is left of deployments that went.
func (r *round) sweep(ctx context.Context) error {
	for {
		n := 0
		err := r.batch(ctx, func(rows int) (err error) {
			n, err = r.Store.SweepDeployments(ctx, rows)
			r.sum.Rows += n
			return err
		})
		if err != nil {
			return fmt.Errorf("sweep up after removed deployments: %w", err)
		}
		if n < 1 {
			return nil
		}
	}
}

// Kept is the policy.
func (r *Rounds) Kept() Policy { return r.Policy }
