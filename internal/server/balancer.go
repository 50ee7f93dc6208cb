package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync/atomic"
	"time"

	"crossfade/internal/config"
	"crossfade/internal/engine"
	"crossfade/internal/lb"
	"crossfade/internal/operator"
	"crossfade/internal/telemetry"
	"crossfade/internal/traffic"
	"crossfade/internal/traffic/builtin"
	"crossfade/internal/traffic/feed"
)

// router is what moves traffic.
type router interface {
	traffic.Router
	traffic.Splitter
}

// proxyLook is how often a server looks for what proxies told another one on the store.
const proxyLook = 100 * time.Millisecond

// sharedTime is the time that all servers on the store go by, from the moment at which the engine knows it; the server's own until then.
type sharedTime struct {
	own    func() time.Time
	engine atomic.Pointer[engine.Service]
}

// Now is the time.
func (t *sharedTime) Now() time.Time {
	if e := t.engine.Load(); e != nil {
		return e.Now()
	}
	return t.own()
}

// openTraffic makes the load balancer in the server, or the one in processes of its own, as the configuration says. proxies is nil for the former.
func (s *Server) openTraffic(ctx context.Context, o Options, d *database, metrics *telemetry.Metrics) (_ router, proxies operator.Proxies, err error) {
	log, c := o.Log.With("part", "traffic"), balancerConfig(o.Config.LoadBalancer)
	if o.Config.LoadBalancer.Mode == config.BalancerProxies {
		rules := builtin.Rules{Forget: o.Config.LoadBalancer.ForgetProxyAfter, Lease: o.ProxyLease, Now: s.time.Now, Names: func() feed.Names {
			return feed.Names{Installation: rand.Text(), Epoch: rand.Text()}
		}}
		if d.sharing != nil {
			rules.Look = proxyLook
		}
		p, err := builtin.NewProxies(ctx, c, d.proxies, rules, log)
		if err != nil {
			return nil, nil, err
		}
		s.stops = append(s.stops, p.Stop)
		return p, p, nil
	}
	if d.sharing != nil && len(c.TargetGroups) > 0 {
		log.Warn("each server on the store has a load balancer of its own, which does not learn of what others wish; set loadBalancer.mode to proxies")
	}
	// Proxies of an earlier configuration must not take what is wished from now on for what they know.
	if err := d.proxies.CloseFeed(ctx); err != nil {
		return nil, nil, err
	}
	if s.balancer, err = lb.New(c, o.Log.With("part", "lb")); err != nil {
		return nil, nil, err
	}
	r, err := builtin.New(ctx, s.balancer, d.registrations, log)
	if err != nil {
		return nil, nil, fmt.Errorf("open the load balancer: %w", err)
	}
	metrics.Balancer(s.balancer.Metrics)
	return r, nil, nil
}

func balancerConfig(c config.LoadBalancer) lb.Config {
	var out lb.Config
	for _, l := range c.Listeners {
		listener := lb.ListenerConfig{Name: l.Name, Address: l.Address}
		for _, f := range l.Forward {
			listener.Forward = append(listener.Forward, lb.Forward{TargetGroup: f.TargetGroup, Weight: f.Weight})
		}
		out.Listeners = append(out.Listeners, listener)
	}
	for _, g := range c.TargetGroups {
		out.TargetGroups = append(out.TargetGroups, lb.TargetGroupConfig{
			Name: g.Name, Port: g.Port, DeregistrationDelay: g.DeregistrationDelay,
			HealthCheck: lb.HealthCheck{
				Path: g.HealthCheck.Path, Interval: g.HealthCheck.Interval, Timeout: g.HealthCheck.Timeout,
				HealthyThreshold: g.HealthCheck.HealthyThreshold, UnhealthyThreshold: g.HealthCheck.UnhealthyThreshold, Matcher: g.HealthCheck.Matcher,
			},
		})
	}
	return out
}
