package lb

import "slices"

// Metrics is a reading of all counters. Counters only grow while the thing that they belong to exists.
type Metrics struct {
	Listeners []ListenerMetrics
	Targets   []TargetMetrics // registered and draining ones
	Splits    []SplitMetrics  // one per target group
}

// SplitMetrics counts how a target group shared requests out while it had a Split. The counters go on from one split to the next.
type SplitMetrics struct {
	TargetGroup   string
	Split                // in force now
	ToEnvironment uint64 // tries
	ToRest        uint64 // tries
	Diverted      uint64 // of these, tries that went to the other side than the split had chosen, because that had no healthy target
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
		m.Splits = append(m.Splits, SplitMetrics{
			TargetGroup: name, Split: g.split.Split, Diverted: g.split.diverted,
			ToEnvironment: g.split.served[environmentSide], ToRest: g.split.served[restSide],
		})
		g.mu.Unlock()
	}
	return m
}
