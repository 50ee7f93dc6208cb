package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crossfade/internal/wire/control"
)

// fleet measures one deployment in place over many hosts at once.
func fleet(ctx context.Context, at *Installation, o Options) (_ *Report, err error) {
	w, err := newWorld(ctx, at, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.remove(ctx)) }()
	hosts, err := w.register(ctx, o.Hosts, func(int) map[string]string { return nil })
	if err != nil {
		return nil, err
	}
	const group = "all"
	if err := w.group(ctx, group, func(in *control.CreateDeploymentGroupInput) {
		in.OnPremisesInstanceTagFilters = selecting(tagRun, w.name)
	}); err != nil {
		return nil, err
	}
	s := newSwarm(at)
	if err := s.start(ctx, hosts); err != nil {
		return nil, err
	}
	defer s.end()
	if err := s.connected(ctx, o.Hosts); err != nil {
		return nil, err
	}
	first := look(at)
	o.Progress("deploying to %d hosts", o.Hosts)
	begun := time.Now()
	var created time.Duration
	var ended map[string]outcome
	var id string
	err = profiled(ctx, at, func() error {
		if id, err = w.deploy(ctx, group, nil); err != nil {
			return err
		}
		created = time.Since(begun)
		ended, err = w.awaitAll(ctx, []string{id})
		return err
	})
	if err != nil {
		return nil, err
	}
	last := look(at)
	if out := ended[id]; out.status != control.DeploymentStatusSucceeded {
		return nil, fmt.Errorf("the deployment is %s: %s", out.status, out.why)
	}
	wall := ended[id].took
	r := newReport(o.Scenario, "one deployment in place over %d hosts, all at once, hooks without scripts", o.Hosts)
	r.addTime("deployment: creation to success", wall)
	r.addTime("CreateDeployment answered after", created)
	r.add("lifecycle events", float64(s.events.Load()), "")
	r.add("lifecycle events, durable", float64(s.events.Load())/wall.Seconds(), "/s")
	r.add("polls that failed", float64(s.troubles.Load()), "")
	r.addUsage(first, last)
	r.addMeters(wall, s.meters()...)
	return r, nil
}
