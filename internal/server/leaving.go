package server

import (
	"context"
	"fmt"
	"time"

	"crossfade/internal/config"
	"crossfade/internal/deploy"
	"crossfade/internal/traffic"
)

// leaving takes instances that end by themselves out of traffic first, so that no request is lost with them. An instance that no deployment
// registered is in no target group, and then there is nothing to do.
type leaving struct {
	router traffic.Router
	groups []string
	now    func() time.Time
}

// leaveTime bounds one try. Draining may take longer; the next try goes on where this one was.
const leaveTime = 20 * time.Second

// lookAgain is how often the load balancer is looked at while an instance drains.
const lookAgain = 50 * time.Millisecond

func (l leaving) leave(ctx context.Context, instance string) error {
	if len(l.groups) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTime)
	defer cancel()
	out := traffic.Want{TargetGroups: l.groups, Instance: instance, Generation: deploy.GenerationAt(l.now())}
	ordered := false
	pause := time.NewTicker(lookAgain)
	defer pause.Stop()
	for {
		observed, err := l.router.WhatIsSo(ctx, l.groups, instance)
		if err != nil {
			return fmt.Errorf("observe traffic of instance %s: %w", instance, err)
		}
		absent, why := traffic.Settled(out, observed)
		if absent {
			return nil
		}
		if !ordered {
			if err := l.router.MakeSo(ctx, out); err != nil {
				return fmt.Errorf("deregister instance %s: %w", instance, err)
			}
			ordered = true
			continue
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return fmt.Errorf("wait until instance %s is drained (%s): %w", instance, why, ctx.Err())
		}
	}
}

func targetGroupNames(c config.LoadBalancer) []string {
	names := make([]string, len(c.TargetGroups))
	for i, g := range c.TargetGroups {
		names[i] = g.Name
	}
	return names
}
