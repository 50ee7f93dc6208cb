package local

import (
	"cmp"
	"slices"
	"time"

	"crossfade/internal/fleet"
)

// Everything here is a pure function of a group and the time.

// advance moves the group as far as that needs no command: waits that are over, members too many or too few. newName draws the name of a new
// member. It returns when time alone will move it again; zero: never.
func (g *group) advance(now time.Time, newName func() string) (next time.Time) {
	for _, m := range g.members {
		g.endWaits(m, now)
	}
	target := g.Desired
	if g.Deleted {
		target = 0
	}
	live := slices.DeleteFunc(slices.Clone(g.members), func(m *member) bool { return !m.live() })
	if len(live) > target {
		slices.SortStableFunc(live, func(a, b *member) int {
			return cmp.Or(compareBool(a.State == inService, b.State == inService), a.Made.Compare(b.Made))
		})
		for _, m := range live[:len(live)-target] {
			g.end(m, now)
		}
	}
	if missing := target - len(live); missing > 0 && now.Before(g.NotBefore) {
		next = g.NotBefore
	} else {
		for range missing {
			g.members = append(g.members, &member{Name: newName(), State: starting, Zone: g.nextZone(), Since: now, Made: now})
		}
	}
	for _, m := range g.members {
		for _, w := range m.Waits {
			next = earlier(next, w.Until)
		}
	}
	return next
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

// earlier is the earlier of two times of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// endWaits takes away the waits whose hook is gone or whose time is up, and moves on a member that waits no more.
func (g *group) endWaits(m *member, now time.Time) {
	if m.State != waiting && m.State != endWaiting {
		return
	}
	ends := m.State == endWaiting
	for _, w := range m.Waits {
		if !ends && !w.Until.After(now) && g.hooked(w.Hook, ends) {
			g.fail(m, now)
			return
		}
	}
	m.Waits = slices.DeleteFunc(m.Waits, func(w wait) bool { return !w.Until.After(now) || !g.hooked(w.Hook, ends) })
	if len(m.Waits) > 0 {
		return
	}
	if ends {
		m.enter(stopping, now)
		return
	}
	g.serve(m, now)
}

func (g *group) hooked(name string, termination bool) bool {
	return slices.Contains(g.Hooks, fleet.Hook{Name: name, Termination: termination})
}

// waits are those of a member that comes to the hooks of a kind now.
func (g *group) waits(termination bool, now time.Time) []wait {
	var out []wait
	for _, h := range g.Hooks {
		if h.Termination == termination {
			out = append(out, wait{h.Name, now.Add(hookTimeout)})
		}
	}
	return out
}

// nextZone is the zone with the fewest members.
func (g *group) nextZone() string {
	best, least := "", -1
	for _, z := range g.Template.Zones {
		n := 0
		for _, m := range g.members {
			if m.live() && m.Zone == z {
				n++
			}
		}
		if least < 0 || n < least {
			best, least = z, n
		}
	}
	return best
}

// ready takes a booting member on: to the launch hooks, or into service.
func (g *group) ready(m *member, now time.Time) {
	if waits := g.waits(false, now); len(waits) > 0 {
		m.enter(waiting, now)
		m.Waits = waits
		return
	}
	g.serve(m, now)
}

func (g *group) serve(m *member, now time.Time) {
	m.enter(inService, now)
	m.Served = true
	g.Failures, g.NotBefore = 0, time.Time{}
}

// end ends a live member. Only one that served waits at termination hooks, and not when the whole group is deleted: nobody needs its work done.
func (g *group) end(m *member, now time.Time) {
	if waits := g.waits(true, now); m.State == inService && !g.Deleted && len(waits) > 0 {
		m.enter(endWaiting, now)
		m.Waits = waits
		return
	}
	m.enter(stopping, now)
}

// fail ends a member that is dead or never came to serve. The one that takes its place waits, longer after each failure in a row.
func (g *group) fail(m *member, now time.Time) {
	if !m.Served {
		g.Failures++
		g.NotBefore = now.Add(backoff(g.Failures))
	}
	m.enter(stopping, now)
}

// act is what is to be done for a member.
type act string

const (
	actStart act = "start"
	actProbe act = "probe" // is it ready?
	actCheck act = "check" // does it live?
	actStop  act = "stop"
)

// attempt is what the driver remembers, in memory only, of the tries of an act for a member: a new start of the server tries at once.
type attempt struct {
	act   act
	tries int       // failures in a row
	next  time.Time // not before
}

// due says what is to be done for a member and when; no act: nothing.
func (g *group) due(m *member, a attempt, now time.Time) (act, time.Time) {
	var what act
	switch m.State {
	case starting:
		what = actStart
	case booting:
		what = actProbe
	case stopping:
		what = actStop
	case waiting, inService:
		if len(g.Template.Check) == 0 {
			return "", time.Time{}
		}
		what = actCheck
	case endWaiting:
		return "", time.Time{}
	}
	if a.act != what {
		if what == actCheck {
			return what, m.Since.Add(g.Template.checkInterval())
		}
		return what, now
	}
	return what, a.next
}

// outcome is what came of an act.
type outcome struct {
	ok      bool
	problem string // when not
	address string // that a probe found, if the template has a command for it
}

// settle takes the outcome of an act into the group. A member that has moved on meanwhile is left alone, but for a stop, which nothing undoes.
// It returns what to remember of the tries; an empty act: nothing.
func (g *group) settle(name string, what act, o outcome, a attempt, now time.Time) attempt {
	m := g.member(name)
	if m == nil {
		return attempt{}
	}
	if is, _ := g.due(m, attempt{}, now); is != what {
		return attempt{}
	}
	if a.act != what {
		a = attempt{act: what}
	}
	a.tries++
	if o.ok {
		a.tries = 0
	}
	m.Problem = o.problem
	switch {
	case what == actStart && o.ok:
		m.enter(booting, now)
		return attempt{}
	case what == actStop && o.ok:
		g.members = slices.DeleteFunc(g.members, func(x *member) bool { return x == m })
		return attempt{}
	case what == actProbe && o.ok:
		m.Address = o.address
		g.ready(m, now)
		return attempt{}
	case what == actProbe && now.Sub(m.Since) >= g.Template.startTimeout():
		g.fail(m, now)
		return attempt{}
	case what == actProbe:
		a.next = now.Add(probeInterval)
		return a
	case what == actCheck && a.tries >= missesMost:
		g.fail(m, now)
		return attempt{}
	case what == actCheck:
		a.next = now.Add(g.Template.checkInterval())
		return a
	}
	a.next = now.Add(backoff(a.tries))
	return a
}

// resume gives what waited while no server ran its time anew: neither a heartbeat nor a poll could have come.
func (g *group) resume(now time.Time) {
	for _, m := range g.members {
		if m.State == booting {
			m.Since = now
		}
		for i := range m.Waits {
			m.Waits[i].Until = now.Add(hookTimeout)
		}
	}
}
