package bench

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"crossfade/internal/agent/control"
	"crossfade/internal/sigv4"
)

// identity is what a simulated agent signs with.
type identity struct {
	name, arn string
	key       sigv4.Credential
}

// agentVersion is what simulated agents call themselves.
const agentVersion = "crossfade/bench"

// swarm is many simulated agents. Each has its own connection.
type swarm struct {
	endpoint, region string
	like             *http.Client // whose certificates are trusted
	// hold keeps a command from being finished until the channel closes; nil: none is held.
	hold func(event string) <-chan struct{}
	// given is told of each command that came; nil: nobody is. It must not block.
	given func(deployment, event string, at time.Time)

	idle, specification, acknowledge, complete, turnaround *meter

	polling  atomic.Int64 // agents that have begun to poll
	events   atomic.Int64 // lifecycle events whose success the server took
	holding  atomic.Int64 // commands that are held now
	troubles atomic.Int64 // polls that failed

	agents sync.WaitGroup
	stop   context.CancelFunc
}

func newSwarm(at *Installation) *swarm {
	return &swarm{
		endpoint: at.Endpoint, region: at.Region, like: at.HTTP,
		idle: newMeter("PollHostCommand without work"), specification: newMeter("GetDeploymentSpecification"),
		acknowledge: newMeter("PutHostCommandAcknowledgement"), complete: newMeter("PutHostCommandComplete"),
		turnaround: newMeter("result taken to next command"),
	}
}

// meters are those of calls, in the order of a report.
func (s *swarm) meters() []*meter {
	return []*meter{s.turnaround, s.specification, s.acknowledge, s.complete}
}

// start starts the agents. end must be called, unless it fails.
func (s *swarm) start(ctx context.Context, hosts []identity) error {
	way, err := newRoute(s.endpoint, s.like)
	if err != nil {
		return err
	}
	h := newHeads(way)
	run, stop := context.WithCancel(ctx)
	s.stop = stop
	for _, who := range hosts {
		a := &simulated{swarm: s, caller: newCaller(line{route: way, ctx: run}, h, who, s.region, time.Now)}
		s.agents.Go(func() {
			defer a.line.close()
			a.run(run)
		})
	}
	return nil
}

// end stops all agents and waits for them.
func (s *swarm) end() {
	s.stop()
	s.agents.Wait()
}

// simulated is one agent. It has one goroutine and one connection.
type simulated struct {
	*swarm
	*caller
	known string    // the execution whose specification was fetched last
	done  time.Time // when the server took the last result; zero: there is none, or the next command came
}

func (a *simulated) run(ctx context.Context) {
	a.polling.Add(1)
	for failures := 0; ctx.Err() == nil; {
		asked := time.Now()
		cmd, given, err := a.Poll()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			a.troubles.Add(1)
			failures++
			pause(ctx, failures)
		case !given:
			failures = 0
			a.idle.add(time.Since(asked), nil)
		default:
			failures = 0
			a.do(ctx, cmd)
		}
	}
}

// do carries a command through.
func (a *simulated) do(ctx context.Context, cmd command) {
	begun := time.Now()
	if !a.done.IsZero() {
		a.turnaround.add(begun.Sub(a.done), nil)
		a.done = time.Time{}
	}
	if a.given != nil {
		a.given(deploymentOf(cmd.execution), cmd.name, begun)
	}
	if a.known != cmd.execution {
		err := a.insist(ctx, a.specification, func() error { return a.Specification(cmd.execution) })
		if err != nil {
			return
		}
		a.known = cmd.execution // the one before is over
	}
	wanted := false
	noop := cmd.name != "DownloadBundle" && cmd.name != "Install"
	err := a.insist(ctx, a.acknowledge, func() (err error) {
		wanted, err = a.Acknowledge(cmd.id, noop)
		return err
	})
	if err != nil || !wanted {
		return
	}
	if a.hold != nil {
		if gate := a.hold(cmd.name); gate != nil {
			a.holding.Add(1)
			select {
			case <-gate:
			case <-ctx.Done():
			}
			a.holding.Add(-1)
		}
	}
	err = a.insist(ctx, a.complete, func() error { return a.Complete(cmd.id) })
	if err == nil {
		a.done = time.Now()
		a.events.Add(1)
	}
}

// insist repeats a call as a real agent does until it succeeds, fails for good, or the agent ends.
func (a *simulated) insist(ctx context.Context, m *meter, call func() error) error {
	for failures := 1; ; failures++ {
		begun := time.Now()
		err := call()
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
		m.add(time.Since(begun), err)
		if err == nil || control.Final(err) || !control.Transient(err) {
			return err
		}
		pause(ctx, failures)
	}
}

// pause waits as long as a real agent does after a number of failures in a row.
func pause(ctx context.Context, failures int) {
	wait := min(10*time.Second, 200*time.Millisecond<<min(failures-1, 10))
	wait = wait/2 + rand.N(wait/2)
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// deploymentOf is the deployment in an execution's identifier: system, region, deployment, target.
func deploymentOf(execution string) string {
	parts := strings.SplitN(execution, "/", 4)
	if len(parts) < 4 {
		return execution
	}
	return parts[2]
}
