package lb

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Target is a registration: an address of an application in a target group.
type Target struct {
	ID      string // unique in the group
	Address string // ip:port, or an ip when the group has a port
	Weight  int    // share relative to the group's other targets (of its side, during a Split), 1 to 999; 0 means 1
	// Environment is the name by which a Split gives the target and others a share of the requests; empty: none.
	Environment string
}

const maxWeight = 999

// TargetStatus is what a target group says of one target.
type TargetStatus struct {
	ID          string
	Address     string // ip:port; empty when absent
	Environment string // as registered
	State       State
	Reason      string // one sentence; empty when healthy
	Active      int    // requests and upgraded connections under way
}

// target is one registration, from Register to the end of its draining. A target that is registered again, or with another
// address, is a new one; so what is said of one registration never leaks into the next.
type target struct {
	group    *group
	id       string
	address  string
	probeNow chan struct{} // capacity 1, a wake-up for watch
	requests atomic.Uint64
	errors   atomic.Uint64

	// The rest is guarded by group.mu.
	weight      int
	current     int // smooth weighted round robin
	environment string
	health      health
	why         string // what the last failed probe or request said
	since       time.Time
	active      int // claims not yet released
	idle        []*upstream
	open        map[*upstream]struct{} // all connections, idle or in use
	unwatch     context.CancelFunc     // ends watch; nil when it does not run
	timer       *time.Timer            // ends the draining
	draining    bool
	cut         bool // the deregistration delay is over: no connection may be opened or kept
}

func (t *target) status() TargetStatus {
	s := TargetStatus{ID: t.id, Address: t.address, Environment: t.environment, State: t.health.state, Active: t.active}
	switch {
	case t.draining:
		s.State = StateDraining
		s.Reason = fmt.Sprintf("deregistered; %d requests under way", t.active)
	case t.health.state == StateInitial && t.why == "":
		s.Reason = "registered; the first health check has not ended"
	case t.health.state == StateHealthy && t.health.suspect:
		s.Reason = "healthy, but the last request did not reach it: " + t.why
	case t.health.state != StateHealthy:
		s.Reason = t.why
	}
	return s
}

// absent is the status of a target that is neither registered nor draining.
func absent(id string) TargetStatus {
	return TargetStatus{ID: id, State: StateAbsent, Reason: "not registered"}
}
