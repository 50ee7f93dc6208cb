package sim

import (
	"context"
	"time"

	"crossfade/internal/traffic"
)

// split is how the load balancer shares the requests of its target group out. It takes effect a moment after it was ordered.
type split struct {
	wanted, inForce traffic.SplitObserved
	from            time.Time
}

// Split implements traffic.Splitter.
func (r *router) Split(_ context.Context, s traffic.Split) error {
	if s.Generation < r.split.wanted.Generation {
		return nil
	}
	r.settleSplit()
	r.split.wanted = traffic.SplitObserved{TargetGroup: group, Environment: s.Environment, Percent: s.Percent, Generation: s.Generation}
	r.split.from = r.w.now.Add(r.w.between(0, 3*time.Second))
	return nil
}

// SplitOf implements traffic.Splitter.
func (r *router) SplitOf(context.Context, []string) ([]traffic.SplitObserved, error) {
	r.settleSplit()
	o := r.split.inForce
	o.TargetGroup = group
	return []traffic.SplitObserved{o}, nil
}

func (r *router) settleSplit() {
	if !r.split.from.After(r.w.now) {
		r.split.inForce = r.split.wanted
	}
}
