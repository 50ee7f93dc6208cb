package builtin

import (
	"context"
	"fmt"
	"time"

	"crossfade/internal/traffic"
	"crossfade/internal/traffic/feed"
)

// standing says how a proxy counts. What was missed while no server was there to hear is not held against it.
func (p *Proxies) standing(is feed.Proxy, now time.Time) feed.Standing {
	heard := is.Seen
	switch {
	case now.Sub(heard) < p.rules.Lease:
		return feed.Live
	case p.started.After(heard):
		heard = p.started
	}
	if now.Sub(heard) < p.rules.Forget {
		return feed.Silent
	}
	return feed.Forgotten
}

// behind says what keeps a proxy from having taken over a change, or the configuration; empty: it has.
func behind(is feed.Proxy, head feed.Head, change int64) string {
	switch {
	case is.Applied < 0:
		return fmt.Sprintf("proxy %s has not reported yet", is.Name)
	case is.Applied < change:
		return fmt.Sprintf("proxy %s has not taken it over yet", is.Name)
	case is.Digest != head.Digest:
		return fmt.Sprintf("proxy %s runs with an earlier configuration of the load balancer", is.Name)
	}
	return ""
}

// scene is what one look sees of all proxies.
type scene struct {
	head    feed.Head
	now     time.Time
	proxies []feed.Proxy
}

func (p *Proxies) scene(ctx context.Context) (scene, error) {
	s := scene{now: p.rules.Now()}
	var err error
	if s.head, err = p.ledger.FeedHead(ctx); err == nil {
		s.proxies, err = p.ledger.Proxies(ctx)
	}
	return s, err
}

// WhatIsSo implements traffic.Router.
func (p *Proxies) WhatIsSo(ctx context.Context, targetGroups []string, instance string) ([]traffic.Observed, error) {
	for _, g := range targetGroups {
		if !p.catalogue.HasTargetGroup(g) {
			return nil, fmt.Errorf("observe instance %q: %w", instance, unknownGroup(g))
		}
	}
	s, err := p.scene(ctx)
	if err != nil {
		return nil, err
	}
	observed := make([]traffic.Observed, 0, len(targetGroups))
	for _, g := range targetGroups {
		// The wish is read first: what a proxy has is compared with one that is no newer than what it says.
		wish, err := p.ledger.Registration(ctx, g, instance)
		if err != nil {
			return nil, err
		}
		targets, err := p.ledger.ObservedBy(ctx, g, instance)
		if err != nil {
			return nil, err
		}
		o := traffic.Observed{TargetGroup: g, Instance: instance, Generation: wish.Generation}
		if wish.In {
			o.State, o.Reason = p.in(s, wish, targets)
		} else {
			o.State, o.Reason = p.out(s, wish, targets)
		}
		if o.State != traffic.StateAbsent {
			o.Environment = wish.Environment
		}
		observed = append(observed, o)
	}
	return observed, nil
}

func at(targets []feed.Observation, proxy string) (feed.Target, bool) {
	for _, t := range targets {
		if t.Proxy == proxy {
			return t.Target, true
		}
	}
	return feed.Target{}, false
}

// in is the worst that a live proxy has of an instance that is to be in traffic.
func (p *Proxies) in(s scene, wish feed.Registration, targets []feed.Observation) (traffic.State, string) {
	state, reason, live := traffic.StateHealthy, "", 0
	for _, is := range s.proxies {
		if p.standing(is, s.now) != feed.Live {
			continue
		}
		live++
		if why := behind(is, s.head, wish.Change); why != "" {
			if state == traffic.StateHealthy {
				state, reason = traffic.StateInitial, why
			}
			continue
		}
		switch t, has := at(targets, is.Name); {
		case !has:
			state, reason = traffic.StateInitial, fmt.Sprintf("proxy %s does not have it", is.Name)
		case t.State == string(traffic.StateUnhealthy):
			return traffic.StateUnhealthy, fmt.Sprintf("at proxy %s: %s", is.Name, t.Reason)
		case t.State != string(traffic.StateHealthy) && state == traffic.StateHealthy:
			state, reason = traffic.State(t.State), fmt.Sprintf("at proxy %s: %s", is.Name, t.Reason)
		}
	}
	if live == 0 {
		return traffic.StateInitial, "no proxy is live; start one with crossfade proxy, or see with crossfade proxy list why those that there are do not follow"
	}
	return state, reason
}

// out is the first trace that a known proxy has of an instance that is to be out of traffic.
func (p *Proxies) out(s scene, wish feed.Registration, targets []feed.Observation) (traffic.State, string) {
	for _, is := range s.proxies {
		standing := p.standing(is, s.now)
		t, has := at(targets, is.Name)
		took := wish.Change == 0 || is.Applied >= wish.Change // nobody was ever told of what was never wished
		if standing == feed.Forgotten || !has && took {
			continue
		}
		switch {
		case standing == feed.Silent:
			p.complain(is, s.now, wish)
			return traffic.StateDraining, p.silence(is)
		case !took:
			return traffic.StateDraining, fmt.Sprintf("proxy %s has not taken it over yet", is.Name)
		default:
			return traffic.StateDraining, fmt.Sprintf("at proxy %s: %s", is.Name, t.Reason)
		}
	}
	return traffic.StateAbsent, "not registered"
}

// silence says why a silent proxy is waited for, and what ends the wait.
func (p *Proxies) silence(is feed.Proxy) string {
	heard := is.Seen
	if p.started.After(heard) {
		heard = p.started
	}
	return fmt.Sprintf("proxy %s has been silent since %s and may still send requests to it; start the proxy again, or, when it is gone for good, "+
		"crossfade proxy remove %s; without either it is waited for until %s",
		is.Name, is.Seen.UTC().Format(time.RFC3339), is.Name, heard.Add(p.rules.Forget).UTC().Format(time.RFC3339))
}

// complainEvery is how often the log says that a silent proxy is waited for.
const complainEvery = time.Minute

func (p *Proxies) complain(is feed.Proxy, now time.Time, wish feed.Registration) {
	key := [2]string{is.Name, wish.TargetGroup}
	p.mu.Lock()
	due := now.Sub(p.warned[key]) >= complainEvery
	if due {
		p.warned[key] = now
	}
	p.mu.Unlock()
	if due {
		p.log.Warn("waiting for a silent proxy before an instance counts as out of traffic", "proxy", is.Name, "targetGroup", wish.TargetGroup,
			"instance", wish.Instance, "reason", p.silence(is))
	}
}

// What SplitOf says while a wish is not in force: neither is ever wished.
const (
	partlyShared = -1
	yetToEnd     = "(the end of an earlier sharing)"
)

// SplitOf implements traffic.Splitter. While a live proxy has not taken a wish over, its share is -1, and the environment of a sharing that is to end is
// none that ever was.
func (p *Proxies) SplitOf(ctx context.Context, targetGroups []string) ([]traffic.SplitObserved, error) {
	s, err := p.scene(ctx)
	if err != nil {
		return nil, err
	}
	observed := make([]traffic.SplitObserved, 0, len(targetGroups))
	for _, g := range targetGroups {
		if !p.catalogue.HasTargetGroup(g) {
			return nil, fmt.Errorf("observe how requests are shared out: %w", unknownGroup(g))
		}
		wish, err := p.ledger.SplitWish(ctx, g)
		if err != nil {
			return nil, err
		}
		o := traffic.SplitObserved{TargetGroup: g, Environment: wish.Environment, Percent: wish.Percent, Generation: wish.Generation}
		if wish.Change > 0 && !p.shared(s, wish) {
			o.Percent = partlyShared
			if o.Environment == "" {
				o.Environment = yetToEnd
			}
		}
		observed = append(observed, o)
	}
	return observed, nil
}

// shared reports whether every live proxy shares requests out as wished. Where none is live, nothing is shared out, and so an end of it is in force.
func (p *Proxies) shared(s scene, wish feed.Split) bool {
	live := 0
	for _, is := range s.proxies {
		if p.standing(is, s.now) != feed.Live {
			continue
		}
		live++
		if behind(is, s.head, wish.Change) != "" {
			return false
		}
	}
	return live > 0 || wish.Environment == ""
}

// List tells of all proxies and how they stand, by name.
func (p *Proxies) List(ctx context.Context) ([]feed.Known, error) {
	s, err := p.scene(ctx)
	if err != nil {
		return nil, err
	}
	known := make([]feed.Known, len(s.proxies))
	for i, is := range s.proxies {
		known[i] = feed.Known{Proxy: is, Standing: p.standing(is, s.now), Behind: behind(is, s.head, s.head.Last)}
	}
	return known, nil
}
