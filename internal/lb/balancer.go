package lb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// ErrUnknownTargetGroup is wrapped by operations on a target group that is not configured.
var ErrUnknownTargetGroup = errors.New("unknown target group")

// Balancer is a load balancer; see the package documentation.
type Balancer struct {
	log       *slog.Logger
	groups    map[string]*group
	names     []string // of the groups, in the order of configuration
	listeners []*listener
	changes   chan struct{}

	mu      sync.Mutex // guards the rest: the moves between made, running and stopped
	cancel  context.CancelFunc
	stopped bool
}

// New checks the configuration and makes a balancer that does not run yet. Errors wrap ErrConfig.
func New(c Config, log *slog.Logger) (*Balancer, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	b := &Balancer{log: log, groups: make(map[string]*group), changes: make(chan struct{}, 1)}
	limits := c.Limits.withDefaults()
	for _, gc := range c.TargetGroups {
		g, err := newGroup(gc, limits, log, b.wake)
		if err != nil {
			return nil, fmt.Errorf("%w: target group %q: %w", ErrConfig, gc.Name, err)
		}
		b.groups[gc.Name] = g
		b.names = append(b.names, gc.Name)
	}
	pool := &sync.Pool{New: newExchange}
	for _, lc := range c.Listeners {
		b.listeners = append(b.listeners, newListener(lc, limits, b.groups, pool, log))
	}
	return b, nil
}

func (b *Balancer) wake() {
	select {
	case b.changes <- struct{}{}:
	default:
	}
}

// Changes wakes one reader when the status of some target may have changed. It carries no truth and has room for one wake-up.
func (b *Balancer) Changes() <-chan struct{} { return b.changes }

// Start begins the health checks of targets registered so far, then opens all listeners, and returns when they accept. When one
// address cannot be bound, none stays open. A balancer starts once.
func (b *Balancer) Start(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cancel != nil || b.stopped {
		return errors.New("start load balancer: it was started before")
	}
	for i, l := range b.listeners {
		if err := l.open(ctx); err != nil {
			for _, opened := range b.listeners[:i] {
				err = errors.Join(err, opened.socket.Close())
			}
			return err
		}
	}
	watching, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b.cancel = cancel
	for _, g := range b.groups {
		g.start(watching, time.Now())
	}
	for _, l := range b.listeners {
		l.serving.Add(1)
		go l.accept()
	}
	return nil
}

// Stop accepts no more connections, lets the requests in flight end, cuts what is left when ctx ends, and waits for all goroutines. It may be
// called twice, and without Start.
func (b *Balancer) Stop(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped || b.cancel == nil {
		b.stopped = true
		return nil
	}
	b.stopped = true
	errs := make([]error, len(b.listeners))
	var all sync.WaitGroup
	for i, l := range b.listeners {
		all.Go(func() { errs[i] = l.stop(ctx) })
	}
	if ctx.Err() != nil {
		b.cutTargets()
	}
	unhook := context.AfterFunc(ctx, b.cutTargets)
	all.Wait()
	unhook()
	b.cancel()
	for _, g := range b.groups {
		g.stop()
	}
	return errors.Join(errs...)
}

// cutTargets ends all connections to targets, so that requests which wait for them end.
func (b *Balancer) cutTargets() {
	for _, g := range b.groups {
		g.mu.Lock()
		for _, t := range append(g.order[:len(g.order):len(g.order)], g.draining...) {
			t.cut = true
			for u := range t.open {
				u.cut()
			}
		}
		g.mu.Unlock()
	}
}

// ListenerAddress returns the address on which the named listener accepts, with the port that it got. It is empty for an unknown listener and
// before Start.
func (b *Balancer) ListenerAddress(name string) string {
	for _, l := range b.listeners {
		if address := l.bound.Load(); l.name == name && address != nil {
			return *address
		}
	}
	return ""
}

// TargetGroups returns the names of the target groups, in the order of configuration.
func (b *Balancer) TargetGroups() []string { return append([]string(nil), b.names...) }

// HasTargetGroup reports whether the target group is configured.
func (b *Balancer) HasTargetGroup(name string) bool { return b.groups[name] != nil }

func (b *Balancer) group(name string) (*group, error) {
	g := b.groups[name]
	if g == nil {
		return nil, fmt.Errorf("%w %q", ErrUnknownTargetGroup, name)
	}
	return g, nil
}

// Register adds a target to a group and starts its health checks. The same registration again changes nothing; another weight or environment is
// taken over; with another address the target is replaced, and what was under way at the old address drains.
func (b *Balancer) Register(targetGroup string, t Target) error {
	g, err := b.group(targetGroup)
	if err != nil {
		return err
	}
	return g.register(t, time.Now())
}

// Deregister takes a target out of a group. When it returns, no new request goes to the target; it is StateDraining until the last
// request in flight has ended or the deregistration delay is over, and then StateAbsent. An unknown target is not an error.
func (b *Balancer) Deregister(targetGroup, id string) error {
	g, err := b.group(targetGroup)
	if err != nil {
		return err
	}
	g.deregister(id)
	return nil
}

// Resolve returns the address that a registration with this address would get: with the group's port if it has none.
func (b *Balancer) Resolve(targetGroup, address string) (string, error) {
	g, err := b.group(targetGroup)
	if err != nil {
		return "", err
	}
	return g.resolve(address)
}

// Status tells of one target; it is StateAbsent when the group does not have it.
func (b *Balancer) Status(targetGroup, id string) (TargetStatus, error) {
	g, err := b.group(targetGroup)
	if err != nil {
		return TargetStatus{}, err
	}
	return g.status(id), nil
}

// Targets tells of all targets of a group, the draining ones last.
func (b *Balancer) Targets(targetGroup string) ([]TargetStatus, error) {
	g, err := b.group(targetGroup)
	if err != nil {
		return nil, err
	}
	return g.statuses(), nil
}
