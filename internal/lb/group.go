package lb

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

// group is a target group. One lock guards its targets, their health, their counts and their idle connections, because the promise
// that no request slips in between the choice of a target and its draining needs exactly that. It is held for some dozens of
// nanoseconds per request and never over a system call that waits.
type group struct {
	name   string
	port   int
	delay  time.Duration
	limits Limits
	prober *prober
	log    *slog.Logger
	wake   func() // tells the Balancer's observer that some status may have changed

	mu       sync.Mutex
	targets  map[string]*target // the registered ones
	order    []*target          // the same, in the order of registration
	teams    [sides]team        // those that get requests, in the same order
	split    sharing
	draining []*target
	changed  chan struct{}   // closed and replaced when serving changes or a verdict is reached; nil while nobody waits
	watching context.Context // nil before start and after stop
	watchers sync.WaitGroup
}

func newGroup(c TargetGroupConfig, limits Limits, log *slog.Logger, wake func()) (*group, error) {
	hc := c.HealthCheck.withDefaults()
	match, err := parseMatcher(hc.Matcher)
	if err != nil {
		return nil, err
	}
	delay := c.DeregistrationDelay
	set(&delay, 30*time.Second)
	return &group{
		name: c.Name, port: c.Port, delay: max(delay, 0), limits: limits, prober: newProber(hc, match),
		log: log.With("targetGroup", c.Name), wake: wake, targets: make(map[string]*target),
	}, nil
}

// resolve completes an address with the group's port.
func (g *group) resolve(address string) (string, error) {
	if ip, err := netip.ParseAddr(address); err == nil {
		if g.port == 0 {
			return "", fmt.Errorf("address %q has no port and target group %q has no default port; add one of them", address, g.name)
		}
		return net.JoinHostPort(ip.String(), strconv.Itoa(g.port)), nil
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil || ap.Port() == 0 {
		return "", fmt.Errorf("address %q of a target for group %q is neither an IP address nor ip:port", address, g.name)
	}
	return ap.String(), nil
}

// register adds the target, or does nothing when it is there. A target with the same id and another address takes its place; the old
// one drains.
func (g *group) register(r Target, now time.Time) error {
	if r.ID == "" {
		return fmt.Errorf("register target in group %q: the target has no id", g.name)
	}
	if r.Weight < 0 || r.Weight > maxWeight {
		return fmt.Errorf("register target %q in group %q: weight %d is not between 0 and %d", r.ID, g.name, r.Weight, maxWeight)
	}
	address, err := g.resolve(r.Address)
	if err != nil {
		return fmt.Errorf("register target %q: %w", r.ID, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if old := g.targets[r.ID]; old != nil {
		if old.address == address {
			old.weight, old.environment = max(r.Weight, 1), r.Environment
			g.arrange()
			return nil
		}
		g.drain(old)
	}
	t := &target{
		group: g, id: r.ID, address: address, weight: max(r.Weight, 1), environment: r.Environment, probeNow: make(chan struct{}, 1),
		health: health{state: StateInitial}, since: now, open: make(map[*upstream]struct{}),
	}
	g.targets[t.id] = t
	g.order = append(g.order, t)
	g.watch(t)
	g.arrange()
	g.log.Info("registered target", "target", t.id, "address", t.address)
	return nil
}

// deregister takes the target out. When it returns, no new request goes there.
func (g *group) deregister(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t := g.targets[id]; t != nil {
		g.drain(t)
		g.arrange()
	}
}

// drain moves a registered target to the draining ones. The caller holds mu and calls arrange.
func (g *group) drain(t *target) {
	delete(g.targets, t.id)
	g.order = slices.DeleteFunc(g.order, func(o *target) bool { return o == t })
	t.draining = true
	if t.unwatch != nil {
		t.unwatch()
	}
	g.log.Info("deregistered target", "target", t.id, "address", t.address, "active", t.active)
	for _, u := range t.idle {
		delete(t.open, u)
		u.cut()
	}
	t.idle = nil
	g.draining = append(g.draining, t)
	switch {
	case t.active == 0:
		g.drained(t)
	case g.delay == 0:
		g.cut(t)
	default:
		t.timer = time.AfterFunc(g.delay, func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.cut(t)
		})
	}
}

// cut ends the connections of a draining target whose delay is over. The caller holds mu.
func (g *group) cut(t *target) {
	t.cut = true
	if t.active > 0 {
		g.log.Warn("cut the connections of a target whose deregistration delay is over", "target", t.id, "active", t.active)
	}
	for u := range t.open {
		u.cut()
	}
	g.drained(t)
}

// drained ends the draining; it may be called again. The caller holds mu.
func (g *group) drained(t *target) {
	if t.timer != nil {
		t.timer.Stop()
	}
	t.cut = true
	g.draining = slices.DeleteFunc(g.draining, func(o *target) bool { return o == t })
	g.wake()
}

// arrange rebuilds what follows from the registered targets and their health, and tells those who wait. The caller holds mu.
func (g *group) arrange() {
	for i := range g.teams {
		g.teams[i].serving, g.teams[i].uneven = nil, false
	}
	for _, t := range g.order {
		if t.health.serves() {
			s := &g.teams[g.split.sideOf(t)]
			s.uneven = s.uneven || len(s.serving) > 0 && t.weight != s.serving[0].weight
			s.serving = append(s.serving, t)
		}
	}
	if g.changed != nil {
		close(g.changed)
		g.changed = nil
	}
	g.wake()
}

// watch starts probing the target, if the group has been started. The caller holds mu.
func (g *group) watch(t *target) {
	if g.watching == nil {
		return
	}
	ctx, cancel := context.WithCancel(g.watching)
	t.unwatch = cancel
	g.watchers.Go(func() { t.watch(ctx, g.prober) })
}

// start begins probing; targets registered before count as registered now.
func (g *group) start(ctx context.Context, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.watching = ctx
	for _, t := range g.order {
		t.since = now
		g.watch(t)
	}
}

// stop ends all that the group runs and cuts what is left of its connections. The context given to start has ended.
func (g *group) stop() {
	g.mu.Lock()
	g.watching = nil
	all := slices.Concat(g.order, g.draining)
	for _, t := range all {
		if t.timer != nil {
			t.timer.Stop()
		}
		t.cut = true
		for u := range t.open {
			u.cut()
		}
	}
	g.mu.Unlock()
	g.watchers.Wait()
}

// judge takes the result of a probe and returns the time until the next.
func (g *group) judge(t *target, failure error) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := t.health
	t.health = t.health.after(failure == nil, g.prober.check, time.Since(t.since))
	t.why = ""
	if failure != nil {
		t.why = failure.Error()
	}
	if before.state != t.health.state {
		g.log.Info("target health changed", "target", t.id, "from", before.state, "to", t.health.state, "reason", t.why)
	}
	if before.state != t.health.state || before.suspect != t.health.suspect {
		g.arrange()
	}
	return t.health.pause(g.prober.check)
}

// suspect takes the target out of service until its next probe, which it asks for at once: a request did not reach it.
func (g *group) suspect(t *target, why error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.draining || t.health.state != StateHealthy {
		return
	}
	t.why = why.Error()
	if !t.health.suspect {
		t.health.suspect = true
		g.arrange()
	}
	select {
	case t.probeNow <- struct{}{}:
	default:
	}
}

// status tells of one target, by the registration if there is one, else by what is left of the last.
func (g *group) status(id string) TargetStatus {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t := g.targets[id]; t != nil {
		return t.status()
	}
	for _, t := range g.draining {
		if t.id == id {
			return t.status()
		}
	}
	return absent(id)
}

// statuses tells of all targets, registered ones first.
func (g *group) statuses() []TargetStatus {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []TargetStatus
	for _, t := range slices.Concat(g.order, g.draining) {
		all = append(all, t.status())
	}
	return all
}
