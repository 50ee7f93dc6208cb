package follow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"crossfade/internal/lb"
	"crossfade/internal/traffic/feed"
)

const (
	defaultCatchUp = 3 * time.Second
	leaveTime      = 5 * time.Second
)

// Follower is a proxy. Make one with Open.
type Follower struct {
	Options
	lock    *os.File
	session string
	failed  chan error
	// kick wakes the reporting, which is the only one that waits there.
	kick   chan struct{}
	cancel context.CancelFunc // of both loops; nil: never started
	done   sync.WaitGroup
	// retirement ends when balancers with earlier configurations are to end at once.
	retirement context.Context
	hurry      context.CancelFunc
	ending     sync.Once
	endErr     error

	applying sync.Mutex // held while an answer is taken over; before mu

	mu       sync.Mutex
	state    state
	running  *lb.Balancer   // nil: no configuration was ever known
	digest   string         // of its configuration
	retiring []*lb.Balancer // with earlier configurations, until their last requests have ended; replaced, never changed
	heard    time.Time      // of the control plane; zero: never
	started  time.Time
	trouble  string // what is wrong now, as a sentence; empty: nothing
	stopping bool
	forget   time.Duration
}

// Open takes the directory and reads the last state. Close or Stop gives it back.
func Open(o Options) (*Follower, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.CatchUp == 0 {
		o.CatchUp = defaultCatchUp
	}
	lock, err := lockDirectory(o.Directory)
	if err != nil {
		return nil, err
	}
	s, err := loadState(o.Directory)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	f := &Follower{
		Options: o, lock: lock, session: newID(), state: s, failed: make(chan error, 1), kick: make(chan struct{}, 1), started: o.Now(),
	}
	f.retirement, f.hurry = context.WithCancel(context.Background())
	return f, nil
}

// Start asks for news for a moment, opens the listeners of the newest state that there is, and begins to follow. Without any state it returns, and the
// listeners are opened when the control plane answers; Failed tells when they can't be. ctx bounds the start only.
func (f *Follower) Start(ctx context.Context) error {
	catching, cancel := context.WithTimeout(ctx, f.CatchUp)
	answer, err := f.Control.Follow(catching, f.question(false))
	cancel()
	f.mu.Lock()
	known := f.state
	f.mu.Unlock()
	if err == nil {
		err = f.take(answer)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && known.head.Epoch != "":
		f.Log.Warn("the control plane can't be followed; the last state is served", "error", err, "targets", len(known.registrations))
	case err != nil:
		f.Log.Warn("the control plane can't be followed, and there is no last state to serve", "error", err)
	}
	if err != nil {
		f.say(fmt.Sprintf("the control plane can't be followed: %v", err))
	}
	if err := f.serve(ctx); err != nil {
		return err
	}
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	f.cancel = end
	f.done.Go(func() { f.ask(running) })
	f.done.Go(func() { f.tell(running) })
	return nil
}

// Failed tells when the proxy can't go on.
func (f *Follower) Failed() <-chan error { return f.failed }

func (f *Follower) question(wait bool) feed.Question {
	f.mu.Lock()
	defer f.mu.Unlock()
	return feed.Question{Identity: f.identity(), Epoch: f.state.head.Epoch, After: f.state.head.Last, Digest: f.state.head.Digest, Wait: wait}
}

// identity is called with mu held, or where the state can't change.
func (f *Follower) identity() feed.Identity {
	return feed.Identity{Name: f.Name, ID: f.state.id, Session: f.session}
}

// say notes what is wrong, or with an empty sentence that nothing is.
func (f *Follower) say(trouble string) {
	f.mu.Lock()
	f.trouble = trouble
	f.mu.Unlock()
}

// errFatal is wrapped by errors after which the proxy can't go on.
var errFatal = errors.New("the proxy can't go on")

// take takes an answer over: onto disk first, then into the balancer. Errors that wrap errFatal are final.
func (f *Follower) take(a feed.Answer) error {
	f.applying.Lock()
	defer f.applying.Unlock()
	f.mu.Lock()
	before, running, retiring := f.state, f.running, f.retiring
	f.heard = f.Now()
	f.forget = time.Duration(a.ForgetSeconds) * time.Second
	f.mu.Unlock()
	if before.head.Installation != "" && a.Installation != before.head.Installation {
		return fmt.Errorf("the control plane is not the one that this proxy followed (installation %s, now %s), nothing is taken from it; to follow it, stop the proxy and move %s away",
			before.head.Installation, a.Installation, f.Directory)
	}
	if a.Epoch == before.head.Epoch && a.Last == before.head.Last && a.Digest == before.head.Digest && !a.Full {
		f.say("")
		return nil
	}
	next := before.with(a)
	if err := next.save(f.Directory); err != nil {
		return err
	}
	if running != nil {
		f.follow(running, before, next)
		for _, b := range retiring {
			f.takeOut(b, before, next)
		}
	}
	f.mu.Lock()
	f.state, f.trouble = next, ""
	reconfigure := running != nil && next.head.Digest != f.digest && !f.stopping
	f.mu.Unlock()
	if reconfigure {
		f.reconfigure(running, next)
	}
	f.wake()
	return nil
}

// follow makes a balancer that has one state have another.
func (f *Follower) follow(b *lb.Balancer, from, to state) {
	for g, x := range to.splits {
		if from.splits[g] != x {
			f.split(b, x)
		}
	}
	for g := range from.splits {
		if _, is := to.splits[g]; !is {
			f.split(b, feed.Split{TargetGroup: g})
		}
	}
	// First in, then out: there is never less than there could be.
	for _, k := range to.keys() {
		r := to.registrations[k]
		if old, was := from.registrations[k]; was && old.Address == r.Address && old.Environment == r.Environment {
			continue
		}
		if err := b.Register(r.TargetGroup, lb.Target{ID: r.Instance, Address: r.Address, Environment: r.Environment}); err != nil {
			f.Log.Warn("a registration does not fit the configuration", "targetGroup", r.TargetGroup, "instance", r.Instance, "error", err)
		}
	}
	f.takeOut(b, from, to)
}

// takeOut is the part of follow that ends traffic.
func (f *Follower) takeOut(b *lb.Balancer, from, to state) {
	for k := range from.registrations {
		if _, is := to.registrations[k]; is || !b.HasTargetGroup(k.TargetGroup) {
			continue
		}
		if err := b.Deregister(k.TargetGroup, k.Instance); err != nil {
			f.Log.Warn("a target could not be taken out", "targetGroup", k.TargetGroup, "instance", k.Instance, "error", err)
		}
	}
}

func (f *Follower) split(b *lb.Balancer, x feed.Split) {
	if err := b.Split(x.TargetGroup, lb.Split{Environment: x.Environment, Percent: x.Percent}); err != nil {
		f.Log.Warn("a split does not fit the configuration", "targetGroup", x.TargetGroup, "error", err)
	}
}

// build makes a balancer of a state, which does not run yet.
func (f *Follower) build(s state) (*lb.Balancer, error) {
	var c lb.Config
	if err := json.Unmarshal(s.head.Configuration, &c); err != nil {
		return nil, fmt.Errorf("read the load balancer's configuration: %w", err)
	}
	known := map[string]bool{}
	for i, l := range c.Listeners {
		name := l.Name
		if name == "" {
			name = l.Address
		}
		known[name] = true
		if address, own := f.Listen[name]; own {
			c.Listeners[i].Name, c.Listeners[i].Address = name, address
		}
	}
	for name := range f.Listen {
		if !known[name] {
			f.Log.Warn("an address was given for a listener that the control plane does not have", "listener", name)
		}
	}
	b, err := lb.New(c, f.Log.With("part", "lb"))
	if err == nil {
		f.follow(b, state{}, s)
	}
	return b, err
}

// serve starts the balancer, unless it runs, or there is nothing to start it with.
func (f *Follower) serve(ctx context.Context) error {
	f.applying.Lock()
	defer f.applying.Unlock()
	f.mu.Lock()
	s, running, stopping := f.state, f.running, f.stopping
	f.mu.Unlock()
	if running != nil || stopping || s.head.Configuration == nil {
		return nil
	}
	b, err := f.build(s)
	if err == nil {
		err = b.Start(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errFatal, err)
	}
	f.mu.Lock()
	f.running, f.digest = b, s.head.Digest
	f.mu.Unlock()
	f.wake()
	return nil
}

// retireTime is how long requests that began before a change of the configuration may take.
const retireTime = 5 * time.Minute

// reconfigure puts a balancer with the configuration of a state in the place of the one that runs, without closing a socket. It is called with
// applying held. When that does not go, the earlier configuration stays in force, and the control plane is told so.
func (f *Follower) reconfigure(running *lb.Balancer, s state) {
	next, err := f.build(s)
	if err == nil {
		err = next.Succeed(context.Background(), running)
	}
	if err != nil {
		f.say(fmt.Sprintf("the new configuration of the load balancer can't be taken over, the earlier one stays in force: %v", err))
		f.Log.Error("the new configuration of the load balancer can't be taken over, the earlier one stays in force", "digest", s.head.Digest, "error", err)
		return
	}
	f.Log.Info("the new configuration of the load balancer is in force", "digest", s.head.Digest)
	f.mu.Lock()
	f.running, f.digest, f.retiring = next, s.head.Digest, append(slices.Clone(f.retiring), running)
	f.mu.Unlock()
	f.done.Go(func() {
		ctx, cancel := context.WithTimeout(f.retirement, retireTime)
		defer cancel()
		if err := running.Stop(ctx); err != nil {
			f.Log.Warn("the load balancer with the earlier configuration did not end well", "error", err)
		}
		f.mu.Lock()
		f.retiring = slices.DeleteFunc(slices.Clone(f.retiring), func(b *lb.Balancer) bool { return b == running })
		f.mu.Unlock()
		f.wake()
	})
}

// Stop ends the proxy in good order: it is not ready any more, goes on for so long that whoever looks at that can turn away, takes no more connections,
// lets the requests under way end until ctx does, and tells the control plane that it is gone. It may be called twice, and without Start.
func (f *Follower) Stop(ctx context.Context, linger time.Duration) error {
	f.ending.Do(func() { f.endErr = f.stop(ctx, linger) })
	return f.endErr
}

func (f *Follower) stop(ctx context.Context, linger time.Duration) error {
	// No other balancer takes the place of this one from now on.
	f.applying.Lock()
	f.mu.Lock()
	f.stopping = true
	b, id := f.running, f.identity()
	f.mu.Unlock()
	f.applying.Unlock()
	defer f.hurry()
	defer context.AfterFunc(ctx, f.hurry)()
	var errs []error
	if f.cancel != nil {
		if b != nil {
			wait(ctx, linger)
			errs = append(errs, b.Stop(ctx))
		}
		f.cancel()
		f.done.Wait()
		leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
		if err := f.Control.Leave(leaving, id); err != nil {
			f.Log.Warn("the control plane could not be told that this proxy is gone; deployments wait for it until it is started again or removed", "error", err)
		}
		cancel()
	} else if b != nil {
		errs = append(errs, b.Stop(ctx))
	}
	return errors.Join(append(errs, f.lock.Close())...)
}

// wait waits, or returns false when the context ends first.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return ctx.Err() == nil
	}
}
