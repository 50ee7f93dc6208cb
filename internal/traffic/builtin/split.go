package builtin

import (
	"context"
	"errors"
	"fmt"

	"crossfade/internal/lb"
	"crossfade/internal/traffic"
)

// restoreSplits loads the splits and tells the balancer of them.
func (r *Router) restoreSplits(ctx context.Context) error {
	saved, err := r.registry.LoadSplits(ctx)
	if err != nil {
		return fmt.Errorf("load traffic splits: %w", err)
	}
	r.splits = make(map[string]traffic.SplitObserved, len(saved))
	for _, s := range saved {
		r.splits[s.TargetGroup] = s
		if err := r.balancer.Split(s.TargetGroup, lb.Split{Environment: s.Environment, Percent: s.Percent}); err != nil {
			r.log.Warn("saved split does not fit the load balancer's configuration", "targetGroup", s.TargetGroup, "error", err)
		}
	}
	return nil
}

// Split implements traffic.Splitter. A wish that names an unknown target group or an impossible share changes nothing.
func (r *Router) Split(ctx context.Context, s traffic.Split) error {
	if err := checkSplit(r.balancer, s); err != nil {
		return err
	}
	r.sharing.Lock()
	defer r.sharing.Unlock()
	news := r.newSplits(s)
	if len(news) == 0 {
		return nil
	}
	if err := r.registry.SaveSplits(ctx, news); err != nil {
		return fmt.Errorf("save traffic splits: %w", err)
	}
	var errs []error
	for _, n := range news {
		// The wish is the newest once it is in force: repeated after an error here, it is told again.
		err := r.balancer.Split(n.TargetGroup, lb.Split{Environment: n.Environment, Percent: n.Percent})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		r.mu.Lock()
		r.splits[n.TargetGroup] = n
		r.mu.Unlock()
	}
	return errors.Join(errs...)
}

// checkSplit refuses a wish that cannot be carried out.
func checkSplit(b *lb.Balancer, s traffic.Split) error {
	for _, g := range s.TargetGroups {
		if !b.HasTargetGroup(g) {
			return fmt.Errorf("share requests out: %w", unknownGroup(g))
		}
	}
	if s.Percent < 0 || s.Percent > 100 {
		return fmt.Errorf("share requests out: %d %% for environment %q is not between 0 and 100", s.Percent, s.Environment)
	}
	return nil
}

// newSplits returns what of the wish is not stale and not known already.
func (r *Router) newSplits(s traffic.Split) []traffic.SplitObserved {
	r.mu.Lock()
	defer r.mu.Unlock()
	var news []traffic.SplitObserved
	for _, g := range s.TargetGroups {
		n := traffic.SplitObserved{TargetGroup: g, Environment: s.Environment, Percent: s.Percent, Generation: s.Generation}
		if n.Environment == "" {
			n.Percent = 0
		}
		old, known := r.splits[g]
		switch {
		case known && old.Generation > n.Generation:
			r.log.Info("ignored a stale split", "targetGroup", g, "generation", n.Generation, "newest", old.Generation)
		case known && old == n:
		default:
			news = append(news, n)
		}
	}
	return news
}

// SplitOf implements traffic.Splitter.
func (r *Router) SplitOf(_ context.Context, targetGroups []string) ([]traffic.SplitObserved, error) {
	observed := make([]traffic.SplitObserved, 0, len(targetGroups))
	for _, g := range targetGroups {
		s, err := r.balancer.SplitOf(g)
		if err != nil {
			return nil, fmt.Errorf("observe how requests are shared out: %w", errors.Join(traffic.ErrUnknownTargetGroup, err))
		}
		r.mu.Lock()
		generation := r.splits[g].Generation
		r.mu.Unlock()
		observed = append(observed, traffic.SplitObserved{TargetGroup: g, Environment: s.Environment, Percent: s.Percent, Generation: generation})
	}
	return observed, nil
}
