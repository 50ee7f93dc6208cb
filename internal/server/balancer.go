package server

import (
	"crossfade/internal/config"
	"crossfade/internal/lb"
)

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
