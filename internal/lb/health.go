package lb

import "time"

// State is what a target group thinks of a target.
type State string

// The states. A target that is not registered and not draining is StateAbsent.
const (
	StateAbsent    State = "absent"
	StateInitial   State = "initial"   // registered, no verdict yet: gets no requests
	StateHealthy   State = "healthy"   // gets requests
	StateUnhealthy State = "unhealthy" // gets requests only when no target of the group is healthy, and if it ever was
	StateDraining  State = "draining"  // deregistered; finishes the requests it has
)

// Probing before the first verdict starts fast, so that a new target serves milliseconds after its registration, and slows down.
const (
	firstProbeDelay = 50 * time.Millisecond
	slowProbeDelay  = time.Second
)

// health is a target's standing; a value, so that its rules are tested without sockets or time.
type health struct {
	state  State
	proven bool // has been healthy since it was registered
	// suspect: a request could not reach the target after its last good probe. It gets no requests until the next probe passes.
	suspect bool
	streak  int // probes in a row that speak against state
	probes  int // probes before the first verdict
}

// after is the standing after one more probe, age after the registration.
//
// The first verdict needs one pass, as with Elastic Load Balancing. It is "unhealthy" only after the time in which the configured
// interval would have failed often enough, so an application that starts slowly is not condemned by our fast first probes.
func (h health) after(passed bool, hc HealthCheck, age time.Duration) health {
	switch {
	case passed && h.state == StateHealthy:
		h.suspect, h.streak = false, 0
	case passed:
		h.streak++
		if !h.proven || h.streak >= hc.HealthyThreshold {
			h = health{state: StateHealthy, proven: true}
		}
	case h.state == StateUnhealthy:
		h.streak = 0
	case h.state == StateInitial:
		h.probes++
		if h.probes >= hc.UnhealthyThreshold && age >= time.Duration(hc.UnhealthyThreshold)*hc.Interval {
			h.state = StateUnhealthy
		}
	default:
		h.streak++
		if h.streak >= hc.UnhealthyThreshold {
			h = health{state: StateUnhealthy, proven: true}
		}
	}
	return h
}

// pause is the time until the next probe.
func (h health) pause(hc HealthCheck) time.Duration {
	switch {
	case !h.proven && h.state == StateUnhealthy:
		return min(slowProbeDelay, hc.Interval)
	case !h.proven:
		d := firstProbeDelay
		for range min(h.probes, 10) {
			d += d / 2
		}
		return min(d, slowProbeDelay, hc.Interval)
	case h.suspect:
		return min(firstProbeDelay, hc.Interval)
	}
	return hc.Interval
}

// serves reports whether requests go to the target in normal times.
func (h health) serves() bool { return h.state == StateHealthy && !h.suspect }
