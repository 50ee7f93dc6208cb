package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// idle measures what hosts cost that have nothing to do.
func idle(ctx context.Context, at *Installation, o Options) (_ *Report, err error) {
	empty := look(at)
	w, err := newWorld(ctx, at, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.remove(ctx)) }()
	begun := time.Now()
	hosts, err := w.register(ctx, o.Hosts, func(int) map[string]string { return nil })
	if err != nil {
		return nil, err
	}
	registered := time.Since(begun)
	s := newSwarm(at)
	if err := s.start(ctx, hosts); err != nil {
		return nil, err
	}
	defer s.end()
	if err := s.connected(ctx, o.Hosts); err != nil {
		return nil, err
	}
	o.Progress("%d agents poll; settling for %v", o.Hosts, o.Settle)
	if err := sleep(ctx, o.Settle); err != nil {
		return nil, err
	}
	s.idle.reset()
	s.troubles.Store(0)
	first := look(at)
	o.Progress("measuring for %v", o.Window)
	begun = time.Now()
	if err := profiled(ctx, at, func() error { return sleep(ctx, o.Window) }); err != nil {
		return nil, err
	}
	over := time.Since(begun)
	last := look(at)
	r := newReport(o.Scenario, "%d hosts, idle for %v", o.Hosts, o.Window)
	r.addTime("hosts registered in", registered)
	r.add("hosts registered", float64(o.Hosts)/registered.Seconds(), "/s")
	r.addUsage(first, last)
	if empty.server != nil && last.server != nil {
		r.add("server: resident memory for a host", float64(last.server.resident-empty.server.resident)/1024/float64(o.Hosts), "KiB")
	}
	r.add("polls", float64(s.idle.count())/over.Seconds(), "/s")
	r.add("polls that failed", float64(s.troubles.Load()), "")
	r.addMeters(over, s.idle)
	return r, nil
}

// connected waits until all agents poll, and a little longer for the polls to arrive.
func (s *swarm) connected(ctx context.Context, hosts int) error {
	for s.polling.Load() < int64(hosts) {
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("wait for the agents: %w", err)
		}
	}
	return sleep(ctx, 500*time.Millisecond+time.Duration(hosts)*time.Millisecond/4)
}

// profiled does something while the server's process is profiled, if it is to be.
func profiled(ctx context.Context, at *Installation, do func() error) error {
	if at.Process == nil {
		return do()
	}
	end, err := at.Process.Profile(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(), end())
}
