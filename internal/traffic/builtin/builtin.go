// Package builtin is the traffic driver over the built-in load balancer, package lb.
//
// It owns the membership of instances in target groups: what was wished last, for each instance and target group, with its generation; and how each
// target group shares requests out. Both are kept in a Registry, saved before the balancer is told, so that after kill -9 the balancer comes back
// with the same targets and shares. It never starts or stops the balancer; and it is the only one that registers there.
//
// # After a restart
//
// Make the Router before the balancer is started. New tells of the saved splits and registers the saved targets; Start probes them at once, and a request
// that arrives before the first verdict waits for it (lb.Limits.FirstVerdictWait, some milliseconds in practice). Waiting was chosen over serving
// without a verdict, because an instance may have died together with the balancer, and a request that waits a moment is not lost while a
// non-idempotent one sent to a dying instance may be.
//
// # Concurrency
//
// All methods may be called from any goroutine. Wishes for one instance are carried out one after the other, in the order in which they are saved;
// and so are splits.
package builtin

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"

	"crossfade/internal/lb"
	"crossfade/internal/traffic"
)

// Registration is the newest wish for an instance in a target group. One with In false is kept as well: it is the memory that makes a late,
// older wish be ignored.
type Registration struct {
	TargetGroup string
	Instance    string
	Address     string // as it was wished: ip or ip:port
	In          bool
	Environment string
	Generation  int64
}

// Registry keeps registrations.
type Registry interface {
	// Load returns all registrations, in any order.
	Load(ctx context.Context) ([]Registration, error)
	// Save keeps the registrations, replacing those with the same target group and instance: all or none, and durable when it returns.
	Save(ctx context.Context, registrations []Registration) error
	// LoadSplits returns all splits, in any order.
	LoadSplits(ctx context.Context) ([]traffic.SplitObserved, error)
	// SaveSplits keeps the newest wish of each target group, replacing the one before: all or none, and durable when it returns. One without an
	// environment is kept as well: it is the memory that makes a late, older wish be ignored.
	SaveSplits(ctx context.Context, splits []traffic.SplitObserved) error
}

// key identifies a registration.
type key struct{ targetGroup, instance string }

// Router implements traffic.Router.
type Router struct {
	balancer *lb.Balancer
	registry Registry
	log      *slog.Logger
	order    [64]sync.Mutex // by instance: held from saving to telling the balancer; taken before mu
	seed     maphash.Seed   // for order
	sharing  sync.Mutex     // held while a split is saved and told; taken before mu

	mu     sync.Mutex
	newest map[key]Registration
	splits map[string]traffic.SplitObserved // by target group
}

var (
	_ traffic.Router   = (*Router)(nil)
	_ traffic.Splitter = (*Router)(nil)
)

// New loads the splits and registrations, tells the balancer of the splits, and registers what is in. A registration or split that the
// balancer's configuration has no place for any more is logged and kept.
func New(ctx context.Context, balancer *lb.Balancer, registry Registry, log *slog.Logger) (*Router, error) {
	saved, err := registry.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("load traffic registrations: %w", err)
	}
	r := &Router{
		balancer: balancer, registry: registry, log: log, seed: maphash.MakeSeed(), newest: make(map[key]Registration, len(saved)),
	}
	if err := r.restoreSplits(ctx); err != nil {
		return nil, err
	}
	for _, reg := range saved {
		r.newest[key{reg.TargetGroup, reg.Instance}] = reg
		if !reg.In {
			continue
		}
		if err := r.register(reg); err != nil {
			log.Warn("saved registration does not fit the load balancer's configuration", "targetGroup", reg.TargetGroup,
				"instance", reg.Instance, "error", err)
		}
	}
	return r, nil
}

// Known implements traffic.Router.
func (r *Router) Known(_ context.Context, targetGroups []string) ([]string, error) {
	return unknownTo(r.balancer, targetGroups), nil
}

func unknownTo(b *lb.Balancer, targetGroups []string) (unknown []string) {
	for _, g := range targetGroups {
		if !b.HasTargetGroup(g) {
			unknown = append(unknown, g)
		}
	}
	return unknown
}

// MakeSo implements traffic.Router. A wish that names an unknown target group or an impossible address changes nothing.
func (r *Router) MakeSo(ctx context.Context, w traffic.Want) error {
	if err := checkWant(r.balancer, w); err != nil {
		return fmt.Errorf("route traffic of instance %q: %w", w.Instance, err)
	}
	lock := r.lockOf(w.Instance)
	lock.Lock()
	defer lock.Unlock()
	news := r.news(w)
	if len(news) == 0 {
		return nil
	}
	if err := r.registry.Save(ctx, news); err != nil {
		return fmt.Errorf("save traffic registrations of instance %q: %w", w.Instance, err)
	}
	var errs []error
	for _, reg := range news {
		errs = append(errs, r.tell(reg))
	}
	return errors.Join(errs...)
}

// checkWant refuses a wish that cannot be carried out.
func checkWant(b *lb.Balancer, w traffic.Want) error {
	if w.Instance == "" {
		return errors.New("the wish names no instance")
	}
	for _, g := range w.TargetGroups {
		if !b.HasTargetGroup(g) {
			return unknownGroup(g)
		}
		if !w.In {
			continue
		}
		if w.Address == "" {
			return errors.New("its address is not known; the instance must have polled once or have the tag crossfade:address")
		}
		if _, err := b.Resolve(g, w.Address); err != nil {
			return err
		}
	}
	return nil
}

func unknownGroup(name string) error {
	return fmt.Errorf("%w %q; add it to the load balancer's configuration or correct the deployment group", traffic.ErrUnknownTargetGroup, name)
}

// news returns what of the wish is not stale and not known already.
func (r *Router) news(w traffic.Want) []Registration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var news []Registration
	for _, g := range w.TargetGroups {
		reg := Registration{
			TargetGroup: g, Instance: w.Instance, Address: w.Address, In: w.In, Environment: w.Environment, Generation: w.Generation,
		}
		old, known := r.newest[key{g, w.Instance}]
		switch {
		case known && old.Generation > w.Generation:
			r.log.Info("ignored a stale wish", "targetGroup", g, "instance", w.Instance, "generation", w.Generation, "newest", old.Generation)
		case known && old == reg:
		default:
			news = append(news, reg)
		}
	}
	return news
}

// tell makes the balancer follow a saved registration.
func (r *Router) tell(reg Registration) error {
	r.mu.Lock()
	r.newest[key{reg.TargetGroup, reg.Instance}] = reg
	r.mu.Unlock()
	if !reg.In {
		return r.balancer.Deregister(reg.TargetGroup, reg.Instance)
	}
	return r.register(reg)
}

func (r *Router) register(reg Registration) error {
	return r.balancer.Register(reg.TargetGroup, lb.Target{ID: reg.Instance, Address: reg.Address, Environment: reg.Environment})
}

// WhatIsSo implements traffic.Router.
func (r *Router) WhatIsSo(_ context.Context, targetGroups []string, instance string) ([]traffic.Observed, error) {
	observed := make([]traffic.Observed, 0, len(targetGroups))
	for _, g := range targetGroups {
		s, err := r.balancer.Status(g, instance)
		if err != nil {
			return nil, fmt.Errorf("observe instance %q: %w", instance, errors.Join(traffic.ErrUnknownTargetGroup, err))
		}
		r.mu.Lock()
		generation := r.newest[key{g, instance}].Generation
		r.mu.Unlock()
		observed = append(observed, traffic.Observed{
			TargetGroup: g, Instance: instance, State: states[s.State], Reason: s.Reason, Environment: s.Environment,
			Generation: generation,
		})
	}
	return observed, nil
}

// states has the port's word for each of the balancer's.
var states = map[lb.State]traffic.State{
	lb.StateAbsent:    traffic.StateAbsent,
	lb.StateInitial:   traffic.StateInitial,
	lb.StateHealthy:   traffic.StateHealthy,
	lb.StateUnhealthy: traffic.StateUnhealthy,
	lb.StateDraining:  traffic.StateDraining,
}

// Changes implements traffic.Router.
func (r *Router) Changes() <-chan struct{} { return r.balancer.Changes() }

// lockOf returns the lock that orders the wishes for an instance.
func (r *Router) lockOf(instance string) *sync.Mutex {
	return &r.order[maphash.String(r.seed, instance)%uint64(len(r.order))]
}
