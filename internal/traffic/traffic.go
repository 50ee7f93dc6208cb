// Package traffic is the port to the load balancer: "make it so" and "what is so".
//
// It owns the contract and no mechanism. Done means observed, never merely called: a driver's MakeSo returns when the wish is durable, and the
// caller asks WhatIsSo until the wish is Settled. Drivers are siblings that import this package; traffictest is the suite that each passes.
package traffic

import (
	"context"
	"errors"
)

// ErrUnknownTargetGroup is wrapped by MakeSo and WhatIsSo when the load balancer does not have a target group that they were given. MakeSo has
// then changed nothing.
var ErrUnknownTargetGroup = errors.New("unknown target group")

// Want is the wished-for state of one instance in a set of target groups. A Want with a lower Generation than the newest seen for the same
// instance and target group is ignored.
type Want struct {
	TargetGroups []string
	Instance     string
	Address      string // ip or ip:port; may be empty when In is false
	In           bool
	// Environment is what the instance serves for, as the name that a Split gives a share of the requests; empty: none.
	Environment string
	Generation  int64
}

// State is what the load balancer shows of an instance in a target group.
type State string

// The states.
const (
	StateAbsent    State = "absent"
	StateInitial   State = "initial" // registered, no verdict yet
	StateHealthy   State = "healthy"
	StateUnhealthy State = "unhealthy"
	StateDraining  State = "draining" // no new requests; those under way finish
)

// Observed is what is so of an instance in one target group.
type Observed struct {
	TargetGroup string
	Instance    string
	State       State
	Reason      string
	Environment string // that it serves for; empty when absent
	Generation  int64
}

// Router is a load balancer.
type Router interface {
	// Known returns those of the target groups that the load balancer does not have.
	Known(ctx context.Context, targetGroups []string) (unknown []string, err error)
	// MakeSo records the wish, durably, before it returns. It is idempotent.
	MakeSo(ctx context.Context, w Want) error
	// WhatIsSo reports one Observed per target group, StateAbsent included.
	WhatIsSo(ctx context.Context, targetGroups []string, instance string) ([]Observed, error)
	// Changes wakes, without telling the truth, when something may have changed. A nil channel means "poll me".
	Changes() <-chan struct{}
}

// Settled reports whether a wish is fulfilled, and if not, what is missing. In: healthy in every target group. Out: absent from every one.
func Settled(w Want, observed []Observed) (done bool, why string) {
	goal := StateAbsent
	if w.In {
		goal = StateHealthy
	}
	seen := map[string]bool{}
	for _, o := range observed {
		if o.State != goal {
			return false, "instance " + o.Instance + " is " + string(o.State) + " in target group " + o.TargetGroup + ": " + o.Reason
		}
		seen[o.TargetGroup] = true
	}
	for _, g := range w.TargetGroups {
		if !seen[g] {
			return false, "target group " + g + " was not observed"
		}
	}
	return true, ""
}
