package lb

import (
	"fmt"
	"slices"
	"time"
)

// miss says why a group had no target for a request.
type miss struct {
	text    string
	changed <-chan struct{} // closed when it is worth another try; nil when waiting is pointless
	until   time.Time       // how long waiting may be worth it
}

// claim chooses a target that is not in avoid and counts the request on it; the caller must release it. With it comes an idle
// connection, if there is one and reuse is set. A split of the group chooses the request's side first, unless d knows it.
func (g *group) claim(avoid []*target, reuse bool, d *draw, now time.Time) (*target, *upstream, miss) {
	g.mu.Lock()
	defer g.mu.Unlock()
	drawn := restSide
	if g.split.Environment != "" {
		drawn = g.split.draw(g, d)
	}
	t := g.teams[drawn].choose(avoid)
	if t == nil {
		var m miss
		if t, m = g.standIn(drawn, avoid, now); t == nil {
			return nil, nil, m
		}
	}
	if g.split.Environment != "" {
		g.split.count(drawn, t)
	}
	t.active++
	var u *upstream
	if n := len(t.idle); n > 0 && reuse {
		u = t.idle[n-1]
		t.idle[n-1] = nil
		t.idle = t.idle[:n-1]
	}
	return t, u, miss{}
}

// standIn finds a target when none of the drawn side serves: one of the other side, or the last resort. It waits instead when a first verdict is
// due: first on the drawn side, so that a restart of the balancer does not turn the shares around, then on either. The caller holds mu.
func (g *group) standIn(drawn side, avoid []*target, now time.Time) (*target, miss) {
	var due time.Time
	if len(avoid) == 0 { // a request that was tried before does not wait
		due = g.verdictDue(drawn)
	}
	if g.split.Environment != "" {
		if now.Before(due) {
			return nil, g.hold("target group "+g.name+" waits for a health check", due)
		}
		if t := g.teams[drawn.other()].choose(avoid); t != nil {
			return t, miss{}
		}
		if len(avoid) == 0 {
			due = later(due, g.verdictDue(drawn.other()))
		}
	}
	if now.Before(due) {
		return nil, g.hold(g.explain(), due)
	}
	for _, s := range [...]side{drawn, drawn.other()} {
		if t := g.lastResort(s, avoid); t != nil {
			return t, miss{}
		}
	}
	return nil, miss{text: g.explain()}
}

// choose takes the next of the targets by weight. The caller holds mu.
func (s *team) choose(avoid []*target) *target {
	if len(avoid) == 0 && !s.uneven && len(s.serving) > 0 {
		s.next++
		if s.next >= len(s.serving) {
			s.next = 0
		}
		return s.serving[s.next]
	}
	return weigh(s.serving, avoid)
}

// weigh chooses among the targets by weight.
func weigh(from, avoid []*target) *target {
	return smooth(from, func(t *target) (*int, int) {
		if slices.Contains(avoid, t) {
			return nil, 0
		}
		return &t.current, t.weight
	})
}

// smooth chooses by weighted round robin without clusters: everyone gains its weight, the richest is chosen and pays the sum.
func smooth[T any](from []*T, credit func(*T) (current *int, weight int)) *T {
	var best *T
	var richest *int
	sum := 0
	for _, t := range from {
		current, weight := credit(t)
		if weight == 0 {
			continue
		}
		*current += weight
		sum += weight
		if richest == nil || *current > *richest {
			best, richest = t, current
		}
	}
	if best != nil {
		*richest -= sum
	}
	return best
}

// lastResort chooses among targets of a side that are registered and were healthy once. The caller holds mu.
func (g *group) lastResort(of side, avoid []*target) *target {
	var proven []*target
	for _, t := range g.order {
		if t.health.proven && g.split.sideOf(t) == of {
			proven = append(proven, t)
		}
	}
	return weigh(proven, avoid)
}

// explain says why nothing serves. The caller holds mu.
func (g *group) explain() string {
	if len(g.order) == 0 {
		return fmt.Sprintf("target group %s has no target registered", g.name)
	}
	counts := make(map[State]int)
	for _, t := range g.order {
		counts[t.health.state]++
	}
	return fmt.Sprintf("target group %s has no healthy target: %d registered, %d initial, %d unhealthy",
		g.name, len(g.order), counts[StateInitial], counts[StateUnhealthy])
}

// verdictDue returns until when a request may wait for the first verdict on a target of the side. The caller holds mu.
func (g *group) verdictDue(of side) (until time.Time) {
	for _, t := range g.order {
		if t.health.state == StateInitial && g.split.sideOf(t) == of {
			until = later(until, t.since.Add(g.limits.FirstVerdictWait))
		}
	}
	return until
}

// hold makes a miss that is worth another try. The caller holds mu.
func (g *group) hold(text string, until time.Time) miss {
	if g.changed == nil {
		g.changed = make(chan struct{})
	}
	return miss{text: text, changed: g.changed, until: until}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// release ends a claim. A connection that can carry another request is handed in as u, else nil.
func (g *group) release(t *target, u *upstream, now time.Time) {
	g.mu.Lock()
	t.active--
	keep := u != nil && !t.draining && len(t.idle) < maxIdle
	if keep {
		u.idleSince = now
		t.idle = append(t.idle, u)
	}
	if t.draining && t.active == 0 && !t.cut {
		g.log.Info("drained target", "target", t.id)
		g.drained(t)
	}
	g.mu.Unlock()
	if u != nil && !keep {
		u.close()
	}
}

// maxIdle is how many unused connections are kept per target.
const maxIdle = 512

// adopt notes a new connection, unless the target must not have one any more.
func (g *group) adopt(u *upstream) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if u.target.cut {
		return false
	}
	u.target.open[u] = struct{}{}
	return true
}

func (g *group) forget(u *upstream) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(u.target.open, u)
}

// expired takes the idle connections from the target's list that were unused for too long. The list is ordered, oldest first.
func (g *group) expired(t *target, now time.Time) []*upstream {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for n < len(t.idle) && now.Sub(t.idle[n].idleSince) > g.limits.TargetIdleTimeout {
		n++
	}
	old := slices.Clone(t.idle[:n])
	t.idle = slices.Delete(t.idle, 0, n)
	return old
}

// flush takes all idle connections from the target's list: one of them turned out to have been closed by the other side.
func (g *group) flush(t *target) []*upstream {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := t.idle
	t.idle = nil
	return old
}
