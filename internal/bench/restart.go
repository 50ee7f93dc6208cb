package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// heldEvent is the lifecycle event of the replacements during which the server is killed. Every host is in it once.
const heldEvent = "AfterInstall"

// restart kills the server while deployments are in flight, starts it again, and measures until all of them move: until each has a host to
// which the new process gave the next command.
func restart(ctx context.Context, at *Installation, o Options) (_ *Report, err error) {
	if at.Process == nil {
		return nil, errors.New("only a server of the bench's own can be killed: use --start")
	}
	g := &gate{moved: map[string]time.Time{}}
	b, err := newBlueGreen(ctx, at, o, func(s *swarm) { s.hold, s.given = g.hold, g.given })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.end(ctx)) }()
	g.close()
	ids, err := b.deployAll(ctx, green)
	if err != nil {
		return nil, err
	}
	o.Progress("waiting until %d deployments are in %s", o.Deployments, heldEvent)
	for b.swarm.holding.Load() < int64(2*o.Deployments) {
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return nil, fmt.Errorf("wait for the deployments, %d hosts of %d are in %s: %w", b.swarm.holding.Load(), 2*o.Deployments, heldEvent, err)
		}
	}
	o.Progress("killing the server")
	if err := at.Process.Kill(); err != nil {
		return nil, fmt.Errorf("kill the server: %w", err)
	}
	begun := time.Now()
	g.open(begun)
	if err := at.Process.Start(ctx); err != nil {
		return nil, fmt.Errorf("start the server again: %w", err)
	}
	ready := time.Since(begun)
	o.Progress("the server is ready after %v", ready.Round(time.Millisecond))
	ended, err := b.awaitAll(ctx, ids)
	if err != nil {
		return nil, err
	}
	last := look(at)
	each := newMeter("restart to next command of a deployment")
	all := g.all(each, ids)
	whole := newMeter("restart to end of a deployment")
	for _, out := range ended {
		whole.add(out.ended.Sub(begun), nil)
	}
	r := newReport(o.Scenario, "%d blue/green deployments in flight, the server killed and started again", o.Deployments)
	r.addTime("start of the new process to ready", ready)
	r.addTime("start of the new process until all move", all)
	r.addTime("ready until all move", max(0, all-ready))
	r.add("deployments that did not move", float64(o.Deployments-each.count()), "")
	good := newMeter("")
	took(good, ended)
	r.add("deployments that did not succeed", float64(o.Deployments-good.count()), "")
	r.add("polls that failed", float64(b.swarm.troubles.Load()), "")
	if last.server != nil {
		r.add("server: most resident memory", float64(last.server.peak)/mebi, "MiB")
	}
	r.addMeters(0, each, whole)
	return r, nil
}

// gate holds hosts in an event, and notes which deployments got a command after it opened.
type gate struct {
	mu     sync.Mutex
	shut   chan struct{} // nil: nothing is held
	opened time.Time
	moved  map[string]time.Time // the first command of a deployment
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = make(chan struct{})
}

func (g *gate) open(at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.shut)
	g.shut, g.opened = nil, at
}

func (g *gate) hold(event string) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if event != heldEvent {
		return nil
	}
	return g.shut
}

func (g *gate) given(deployment, _ string, at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.moved[deployment]; !known && !g.opened.IsZero() {
		g.moved[deployment] = at
	}
}

// all adds how long each deployment took to move, and returns the longest.
func (g *gate) all(m *meter, ids []string) (longest time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, id := range ids {
		if at, ok := g.moved[id]; ok {
			m.add(at.Sub(g.opened), nil)
			longest = max(longest, at.Sub(g.opened))
		}
	}
	return longest
}
