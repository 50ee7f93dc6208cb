package traffic

import "context"

// Splitter is a Router that can share requests out between environments.
//
// While a target group has a Split, its targets are on two sides: those that were registered with the split's environment, and all others,
// whatever their environment. Targets of both sides are health-checked and settle, also where the share is 0. When the side that a request falls to
// has no healthy target, the other side serves it: a share never costs a request. A share is of requests, not of clients: one client meets both
// sides. Requests under way, upgraded connections among them, end on the side where they began.
type Splitter interface {
	// Split records the wish, durably, before it returns. It is idempotent. When it wraps ErrUnknownTargetGroup, it has changed nothing.
	Split(ctx context.Context, s Split) error
	// SplitOf reports the sharing in force, one SplitObserved per target group. Router.Changes wakes after it has changed.
	SplitOf(ctx context.Context, targetGroups []string) ([]SplitObserved, error)
}

// Split is the wish to share each target group's requests out: Percent of them go to the targets whose environment is Environment, the rest to all
// others. An empty Environment ends the sharing: all targets are equal again. A Split with a lower Generation than the newest seen for a target
// group is ignored there.
type Split struct {
	TargetGroups []string
	Environment  string
	Percent      int // 0 to 100
	Generation   int64
}

// SplitObserved is how the data plane shares the requests of one target group out.
type SplitObserved struct {
	TargetGroup string
	Environment string
	Percent     int
	Generation  int64
}

// SplitSettled reports whether a wish to share requests out is fulfilled in every one of its target groups.
func SplitSettled(want Split, observed []SplitObserved) bool {
	seen := map[string]bool{}
	for _, o := range observed {
		if o.Environment != want.Environment || o.Environment != "" && o.Percent != want.Percent {
			return false
		}
		seen[o.TargetGroup] = true
	}
	for _, g := range want.TargetGroups {
		if !seen[g] {
			return false
		}
	}
	return true
}
