package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"crossfade/internal/agent/cgroup"
	"crossfade/internal/agent/control"
	"crossfade/internal/agent/hostlock"
	"crossfade/internal/agent/install"
	"crossfade/internal/agent/lifecycle"
	"crossfade/internal/agent/logstream"
	"crossfade/internal/agent/rootdir"
	"crossfade/internal/agent/scriptlog"
	"crossfade/internal/agent/status"
	"crossfade/internal/envelope"
)

// ErrAborted says that commands were killed in the end. They are reported as failed after the next start.
var ErrAborted = errors.New("the agent was stopped while lifecycle events were running")

// agent is a running agent.
type agent struct {
	log          *slog.Logger
	client       *control.Client
	host         *lifecycle.Host
	dir          *rootdir.Dir
	trust        envelope.Trust
	pollInterval time.Duration
	now          func() time.Time
	refreshKeys  func() // called when the server refuses a signature
	idle         func() // nil: nobody wants to know

	specs    specifications
	commands *registry
	groups   *groupLocks
	turn     *hostlock.Lock     // taken after a group's lock
	streams  *logstream.Streams // nil: nothing is streamed
	board    *status.Board

	running   sync.WaitGroup // commands
	reporting sync.WaitGroup // reports
}

// Run runs an agent until the context ends and then lets running commands finish. It returns nil after that, [ErrAborted] when it had to kill
// them, or why the agent could not start. A server that can't be reached is no reason to end.
func Run(ctx context.Context, o Options) (err error) {
	o, err = o.withDefaults()
	if err != nil {
		return fmt.Errorf("start agent: %w", err)
	}
	a, err := newAgent(o)
	if err != nil {
		return fmt.Errorf("start agent: %w", err)
	}
	defer func() { err = errors.Join(err, a.close()) }()
	a.log.Info("agent started", "host", a.client.Host, "endpoint", o.Endpoint, "root", o.Root)

	// Commands and reports outlive ctx for a while, each in its own way.
	work, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	tell, hush := context.WithCancel(context.WithoutCancel(ctx))
	defer hush()
	if err := a.takeUp(tell); err != nil {
		hush()
		a.reporting.Wait()
		return fmt.Errorf("start agent: %w", err)
	}
	a.poll(ctx, work, tell)
	aborted := a.drain(o, kill)
	a.lastReports(o, hush)
	a.log.Info("agent stopped", "aborted", aborted)
	if aborted {
		return ErrAborted
	}
	return nil
}

func newAgent(o Options) (*agent, error) {
	dir, err := rootdir.Open(o.Root, o.Tracking)
	if err != nil {
		return nil, err
	}
	var shared *scriptlog.Shared
	if !o.NoDeploymentsLog {
		if shared, err = scriptlog.OpenShared(dir.DeploymentsLog()); err != nil {
			return nil, errors.Join(err, dir.Close())
		}
	}
	turn, err := hostlock.Open(dir.Path())
	if err != nil {
		return nil, errors.Join(err, shared.Close(), dir.Close())
	}
	client := o.newHTTPClient()
	a := &agent{
		log: o.Log, dir: dir, trust: judging(o.Trust), pollInterval: o.PollInterval, now: time.Now,
		refreshKeys: o.Identity.Refresh, commands: newRegistry(), groups: newGroupLocks(), turn: turn, idle: o.Idle,
	}
	s := signer{identity: o.Identity}
	a.client = &control.Client{Endpoint: o.Endpoint, Secure: o.AuthPolicy, Host: o.Identity.Host, Version: o.Version, HTTP: client, Sign: s.sign, Now: time.Now}
	bundles := o.fetcher(client, func(ctx context.Context, req *http.Request, service, payload string) error {
		return s.sign(ctx, req, service, payload, time.Now().Add(a.client.Skew()))
	})
	a.host = &lifecycle.Host{
		Dir: dir, Installer: install.Installer{Dir: dir.Instructions(), Log: o.Log}, Bundles: bundles, ScriptsLog: shared, Limits: o.Limits,
		Environ: o.Environ, MaxRevisions: o.MaxRevisions, Now: time.Now, Log: o.Log, Cgroups: cgroup.Open(o.Log),
	}
	if o.StreamLogs {
		a.streams = logstream.New(a.sendLog, o.Log, time.Now)
	}
	a.board = status.Open(status.Agent{Version: o.Version, Endpoint: o.Endpoint, Identity: o.Identity.Host, Root: dir.Path()}, o.Log, time.Now)
	return a, nil
}

func (a *agent) close() error {
	a.client.HTTP.CloseIdleConnections()
	a.board.Close()
	return errors.Join(a.host.ScriptsLog.Close(), a.dir.Close())
}

// drain waits for running commands, and kills them when it has to.
func (a *agent) drain(o Options, kill context.CancelFunc) (aborted bool) {
	done := make(chan struct{})
	go func() {
		a.running.Wait()
		close(done)
	}()
	if n := a.commands.active(); n > 0 {
		a.log.Info("waiting for running lifecycle events to end", "commands", n, "timeout", o.StopTimeout)
	}
	timeout := time.NewTimer(o.StopTimeout)
	defer timeout.Stop()
	select {
	case <-done:
		return false
	case <-timeout.C:
	case <-o.Abort:
	}
	kill()
	<-done
	return true
}

// lastReports gives the reports that are under way a moment.
func (a *agent) lastReports(o Options, hush context.CancelFunc) {
	grace := time.AfterFunc(reportGrace, hush)
	defer grace.Stop()
	done := make(chan struct{})
	go func() {
		a.reporting.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-o.Abort:
		hush()
		<-done
	}
}

// takeUp goes on where the last run of the agent ended: outcomes that the server has not taken are told again, and what was running then
// has failed, because nobody knows how far it came.
func (a *agent) takeUp(tell context.Context) error {
	reports, err := a.dir.Reports(a.now())
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, r := range reports {
		known[r.Command] = true
		a.commands.finished(r)
		a.report(tell, r)
	}
	unfinished, err := a.dir.Unfinished(a.now())
	if err != nil {
		return err
	}
	for _, u := range unfinished {
		if !known[u.Command] {
			a.log.Warn("a lifecycle event was running when the agent ended", "deployment", u.DeploymentID)
			if err := a.reportRestart(tell, u); err != nil {
				return err
			}
		}
		if err := a.dir.End(u.DeploymentID); err != nil {
			return err
		}
	}
	return nil
}
