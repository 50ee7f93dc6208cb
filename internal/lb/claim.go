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
// connection, if there is one and reuse is set.
func (g *group) claim(avoid []*target, reuse bool, now time.Time) (*target, *upstream, miss) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.choose(g.serving, avoid)
	if t == nil {
		m := g.explain(avoid, now)
		if m.changed == nil {
			t = g.lastResort(avoid)
		}
		if t == nil {
			return nil, nil, m
		}
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

// choose takes the next of the targets by weight. The caller holds mu.
func (g *group) choose(from, avoid []*target) *target {
	if len(avoid) == 0 && !g.uneven && len(from) > 0 {
		g.next++
		if g.next >= len(from) {
			g.next = 0
		}
		return from[g.next]
	}
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

// lastResort chooses among targets that are registered and were healthy once. The caller holds mu.
func (g *group) lastResort(avoid []*target) *target {
	var proven []*target
	for _, t := range g.order {
		if t.health.proven {
			proven = append(proven, t)
		}
	}
	return g.choose(proven, avoid)
}

// explain makes the miss of a group in which nothing serves. The caller holds mu.
func (g *group) explain(avoid []*target, now time.Time) miss {
	counts := make(map[State]int)
	var until time.Time
	for _, t := range g.order {
		counts[t.health.state]++
		if t.health.state == StateInitial {
			until = later(until, t.since.Add(g.limits.FirstVerdictWait))
		}
	}
	m := miss{text: fmt.Sprintf("target group %s has no target registered", g.name)}
	if n := len(g.order); n > 0 {
		m.text = fmt.Sprintf("target group %s has no healthy target: %d registered, %d initial, %d unhealthy",
			g.name, n, counts[StateInitial], counts[StateUnhealthy])
	}
	if len(avoid) == 0 && now.Before(until) {
		if g.changed == nil {
			g.changed = make(chan struct{})
		}
		m.changed, m.until = g.changed, until
	}
	return m
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
