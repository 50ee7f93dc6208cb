package deploy

import (
	"fmt"
	"time"
)

// The types of traffic routing.
const (
	RoutingAllAtOnce = "AllAtOnce"
	RoutingCanary    = "TimeBasedCanary"
	RoutingLinear    = "TimeBasedLinear"
)

// InSteps reports whether the traffic is shifted in steps.
func (r *TrafficRouting) InSteps() bool {
	return r != nil && (r.Type == RoutingCanary || r.Type == RoutingLinear)
}

// Steps are the shares of requests, in percent, that the replacement is given one after the other; the last is 100.
func (r *TrafficRouting) Steps() []int {
	if !r.InSteps() {
		return []int{100}
	}
	if r.Type == RoutingCanary {
		return []int{r.Percentage, 100}
	}
	var steps []int
	for p := r.Percentage; p < 100; p += r.Percentage {
		steps = append(steps, p)
	}
	return append(steps, 100)
}

// next is the share after the percentage.
func (r *TrafficRouting) next(percent int) int {
	for _, p := range r.Steps() {
		if p > percent {
			return p
		}
	}
	return 100
}

// interval is the time from one shift to the next.
func (r *TrafficRouting) interval() time.Duration {
	return time.Duration(r.IntervalMinutes) * time.Minute
}

// environment is the name by which the load balancer knows the replacement's instances.
func (d Deployment) environment() string {
	switch d.Spec.Kind {
	case KindBlueGreenShift:
		return d.Spec.ID
	case KindBlueGreenShiftRollback:
		return d.Spec.RollbackOf
	default:
		return ""
	}
}

// split orders the replacement's share of the requests. In PhaseMerge the order ends the sharing.
func (m *machine) split(percent int) {
	st := &m.d.State
	st.Percent, st.SplitOrder = percent, m.generation()
	st.SplitAt = m.at
	s := &Split{TargetGroups: m.d.Spec.LoadBalancer.Names(), Environment: m.d.environment(), Percent: percent, Generation: st.SplitOrder}
	if st.Phase == PhaseMerge {
		s.Environment, s.Percent = "", 0
	}
	m.effect(Effect{Key: m.key("", EffectSplit), Split: s})
}

func (m *machine) onSplit(generation int64, ok bool, reason string) (Transition, error) {
	st := &m.d.State
	if st.SplitOrder == 0 || st.SplitOrder != generation {
		return refuse(ReasonStale, "the order to share requests out is over")
	}
	m.clear("", EffectSplit)
	st.SplitOrder = 0
	if st.Ending != nil {
		return m.done()
	}
	if !ok {
		m.end(StatusFailed, ErrorInfo{CodeBalancerInvalid, fmt.Sprintf("The load balancer could not share the requests out while %s: %s", m.d.where(), reason)}, RollbackOnFailure)
		return m.done()
	}
	if st.Phase != PhaseShift {
		m.enter(st.Turn + 1)
		return m.done()
	}
	m.note("", fmt.Sprintf("%d %% of the requests go to the replacement environment", st.Percent))
	if st.Percent >= 100 {
		m.enter(st.Turn + 1)
		return m.done()
	}
	st.WaitUntil = st.SplitAt.Add(m.d.Spec.Routing.interval())
	return m.done()
}

// splitLate fails a deployment whose order to share requests out was not seen to be done in time.
func (m *machine) splitLate() {
	m.end(StatusFailed, ErrorInfo{CodeBalancerInvalid, fmt.Sprintf("The load balancer did not share the requests out within %s while %s.", EventLimit, m.d.where())}, RollbackOnFailure)
}
