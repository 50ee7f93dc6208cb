package lb

import "fmt"

// Split shares the requests of a target group out between the targets of one environment and all others.
type Split struct {
	Environment string // empty: nothing is shared out, all targets are equal
	Percent     int    // of the requests that go to the environment's targets, 0 to 100
}

// side is a part of a target group's targets that gets a share of the requests. Without a split all targets are on restSide.
type side uint8

const (
	restSide side = iota
	environmentSide
	sides
)

func (s side) other() side { return environmentSide - s }

// team is the targets of a side that get requests, in the order of registration.
type team struct {
	serving []*target
	uneven  bool // their weights differ
	next    int  // round robin
}

// sharing is the state of a group's split, guarded by group.mu.
type sharing struct {
	Split
	turn     uint64 // counts the changes of Split
	owed     int    // hundredths of a request that the environment has coming
	served   [sides]uint64
	diverted uint64
}

// evenStart is what the environment has coming at first: half a request, so that the error of its share is never more than half a request.
const evenStart = 50

// draw is the side that a request was given by the split of a group. It is kept from the request's first try to its last, so that further tries
// stay on the side and take nothing from the next requests' shares.
type draw struct {
	group *group
	turn  uint64
	side  side
}

// draw gives a request its side: among any n requests in a row, as many as the share says go to the environment, give or take one. A request
// that was given its side by an earlier split is given another one, so that nothing new goes where a split of 0 or 100 sends nothing.
func (s *sharing) draw(g *group, d *draw) side {
	if d.group == g && d.turn == s.turn {
		return d.side
	}
	*d = draw{group: g, turn: s.turn, side: restSide}
	if s.owed += s.Percent; s.owed >= 100 {
		s.owed -= 100
		d.side = environmentSide
	}
	return d.side
}

// count notes which side serves a request. It may be another one than was drawn.
func (s *sharing) count(drawn side, t *target) {
	served := s.sideOf(t)
	s.served[served]++
	if served != drawn {
		s.diverted++
	}
}

// sideOf says on which side a target is.
func (s *sharing) sideOf(t *target) side {
	if s.Environment != "" && t.environment == s.Environment {
		return environmentSide
	}
	return restSide
}

// share makes the group follow the split from the next request on.
func (g *group) share(s Split) error {
	if s.Percent < 0 || s.Percent > 100 {
		return fmt.Errorf("split target group %q: %d %% is not between 0 and 100", g.name, s.Percent)
	}
	if s.Environment == "" {
		s.Percent = 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if s == g.split.Split {
		return nil
	}
	if s.Environment != g.split.Environment {
		g.split.owed = evenStart
	}
	g.split.Split = s
	g.split.turn++
	g.arrange()
	g.log.Info("split requests", "environment", s.Environment, "percent", s.Percent)
	return nil
}

func (g *group) splitNow() Split {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.split.Split
}

// Split shares the requests of a target group out from the next request on. Requests under way end where they are, and so do upgraded
// connections. A side without a healthy target is stood in for by the other one.
func (b *Balancer) Split(targetGroup string, s Split) error {
	g, err := b.group(targetGroup)
	if err != nil {
		return err
	}
	return g.share(s)
}

// SplitOf tells how the requests of a target group are shared out.
func (b *Balancer) SplitOf(targetGroup string) (Split, error) {
	g, err := b.group(targetGroup)
	if err != nil {
		return Split{}, err
	}
	return g.splitNow(), nil
}
