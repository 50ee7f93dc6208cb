package lb

import "slices"

// Metrics is a reading of all counters. Counters only grow while the thing that they belong to exists.
type Metrics struct {
	Listeners []ListenerMetrics
	Targets   []TargetMetrics // registered and draining ones
}

// ListenerMetrics counts what a listener did.
type ListenerMetrics struct {
	Name        string
	Connections int       // open now
	Accepted    uint64    // connections
	Requests    uint64    // whose head was read
	Refused     uint64    // of these, malformed ones
	Retried     uint64    // further tries after the first
	Answers     [6]uint64 // by the hundreds of the status; index 0 is unused
}

// TargetMetrics counts what a target group sent to a target.
type TargetMetrics struct {
	TargetGroup string
	TargetStatus
	Requests uint64 // tries
	Errors   uint64 // tries without a whole answer
}

// Metrics reads all counters.
func (b *Balancer) Metrics() Metrics {
	var m Metrics
	for _, l := range b.listeners {
		lm := ListenerMetrics{
			Name: l.name, Accepted: l.counts.accepted.Load(), Requests: l.counts.requests.Load(),
			Refused: l.counts.refused.Load(), Retried: l.counts.retried.Load(),
		}
		for i := range lm.Answers {
			lm.Answers[i] = l.counts.answers[i].Load()
		}
		l.mu.Lock()
		lm.Connections = len(l.conns)
		l.mu.Unlock()
		m.Listeners = append(m.Listeners, lm)
	}
	for _, name := range b.names {
		g := b.groups[name]
		g.mu.Lock()
		for _, t := range slices.Concat(g.order, g.draining) {
			m.Targets = append(m.Targets, TargetMetrics{
				TargetGroup: name, TargetStatus: t.status(), Requests: t.requests.Load(), Errors: t.errors.Load(),
			})
		}
		g.mu.Unlock()
	}
	return m
}
