package sim

import (
	"context"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
	"crossfade/internal/traffic"
)

// router is a load balancer with one target group. Like the real ones it survives a crash of the server.
type router struct {
	w       *world
	members map[string]*member
	ill     map[string]bool // instances that never become healthy
	split   split
}

type member struct {
	in         bool
	ill        bool // registered and never to become healthy
	generation int64
	healthyAt  time.Time // when in
	absentAt   time.Time // when out
}

var _ traffic.Router = (*router)(nil)

func (r *router) sick(name string, ill bool) {
	if r.ill == nil {
		r.ill = map[string]bool{}
	}
	r.ill[name] = ill
}

func (r *router) state(name string) traffic.State {
	m := r.members[name]
	switch {
	case m == nil:
		return traffic.StateAbsent
	case m.in && m.ill:
		return traffic.StateUnhealthy
	case m.in && !m.healthyAt.After(r.w.now):
		return traffic.StateHealthy
	case m.in:
		return traffic.StateInitial
	case m.absentAt.After(r.w.now):
		return traffic.StateDraining
	default:
		return traffic.StateAbsent
	}
}

// Known implements traffic.Router.
func (r *router) Known(context.Context, []string) ([]string, error) { return nil, nil }

// MakeSo implements traffic.Router.
func (r *router) MakeSo(_ context.Context, want traffic.Want) error {
	m := r.members[want.Instance]
	if m == nil {
		m = &member{}
		r.members[want.Instance] = m
	}
	if want.Generation < m.generation {
		return nil
	}
	m.generation = want.Generation
	if want.In == m.in {
		return nil
	}
	m.in, m.ill = want.In, want.In && r.ill[want.Instance]
	m.healthyAt, m.absentAt = r.w.now.Add(r.w.between(0, 5*time.Second)), r.w.now.Add(r.w.between(0, 30*time.Second))
	return nil
}

// WhatIsSo implements traffic.Router.
func (r *router) WhatIsSo(_ context.Context, _ []string, instance string) ([]traffic.Observed, error) {
	return []traffic.Observed{{TargetGroup: group, Instance: instance, State: r.state(instance)}}, nil
}

// Changes implements traffic.Router: the simulation is polled.
func (r *router) Changes() <-chan struct{} { return nil }

// fleetOf is the hosts of the world.
type fleetOf struct{ w *world }

var _ fleet.Fleet = fleetOf{}

// Find implements fleet.Fleet.
func (f fleetOf) Find(_ context.Context, _ string, s deploy.Selection) ([]fleet.Instance, error) {
	var found []fleet.Instance
	inGroup := f.w.scaling.inGroups(s)
	for _, h := range f.w.hosts {
		if inGroup[h.name] || s.MatchesInstance(map[string]string{h.tag: ""}) {
			found = append(found, h.instance())
		}
	}
	return found, nil
}

func (h *host) instance() fleet.Instance {
	return fleet.Instance{Name: h.name, ARN: h.name, Host: h.name, Zone: h.zone}
}

// Lookup implements fleet.Fleet.
func (f fleetOf) Lookup(_ context.Context, _ string, names []string) ([]fleet.Instance, error) {
	var found []fleet.Instance
	for _, name := range names {
		for _, h := range f.w.hosts {
			if h.name == name {
				found = append(found, h.instance())
			}
		}
	}
	return found, nil
}

// Address implements fleet.Fleet.
func (f fleetOf) Address(context.Context, string, string) (string, error) { return "127.0.0.1:80", nil }

// Terminate implements fleet.Fleet.
func (f fleetOf) Terminate(_ context.Context, _ string, names []string) ([]string, error) {
	f.w.onTerminate(names)
	return nil, nil
}
