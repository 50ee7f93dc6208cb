package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/config"
	"crossfade/internal/operator"
	"crossfade/internal/server"
)

// The versions that are deployed, the first in place, the second blue/green.
const (
	versionOld = "v1"
	versionNew = "v2"
)

// cleanUpTimeout bounds what is left to do once the demo is over or interrupted.
const cleanUpTimeout = 15 * time.Second

// Run shows the demo. It returns when everything that it has started is gone, also when ctx ends; then the error is ctx's. An error that wraps
// ErrLost comes with a summary.
func Run(ctx context.Context, o Options) (_ Summary, err error) {
	stage, err := setStage(ctx)
	if err != nil {
		return Summary{}, err
	}
	end := func(what func(context.Context) error) {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTimeout)
		defer cancel()
		err = errors.Join(err, what(last))
	}
	defer end(stage.strike)
	var accepted acceptance
	root := auth.NewCredential()
	s, err := server.Start(ctx, server.Options{
		Config: serverConfig(stage), Log: o.Log.With("part", "server"), Version: o.Version, Root: root, Observe: accepted.observe,
	})
	if err != nil {
		return Summary{}, fmt.Errorf("start the demo's server: %w", err)
	}
	defer end(s.Stop)
	operations := &operator.Client{Endpoint: s.Endpoint(), Region: config.Default().Region, Credential: root, HTTP: &http.Client{}, Now: time.Now}
	hosts, err := startHosts(ctx, o, stage, operations)
	if err != nil {
		return Summary{}, err
	}
	defer end(func(context.Context) error { return hosts.stopAll() })
	p := &play{
		options: o, stage: stage, root: root, endpoint: s.Endpoint(), region: config.Default().Region,
		client:   newClient(s.Endpoint(), config.Default().Region, root),
		audience: newAudience("http://"+s.BalancerAddress(listener)+"/version", o.Rate),
		accepted: &accepted, begun: time.Now(), site: "http://" + s.BalancerAddress(listener) + "/",
	}
	return p.perform(ctx)
}

// serverConfig is a server on free ports, with a load balancer that looks often: nothing in the demo is far away.
func serverConfig(s *stage) config.Config {
	c := config.Default()
	c.Listen, c.Data = "127.0.0.1:0", s.dir+"/server"
	c.Revisions.Buckets = []string{bucket}
	c.LoadBalancer = config.LoadBalancer{
		Listeners: []config.Listener{{Name: listener, Address: "127.0.0.1:0", Forward: []config.Forward{{TargetGroup: targetGroup}}}},
		TargetGroups: []config.TargetGroup{{
			Name: targetGroup, Port: s.port, DeregistrationDelay: 5 * time.Second,
			HealthCheck: config.HealthCheck{Path: "/healthz", Interval: 250 * time.Millisecond, Timeout: time.Second},
		}},
	}
	return c
}

// acceptance remembers when ContinueDeployment was first accepted, whoever called it.
type acceptance struct {
	mu sync.Mutex
	at time.Time
}

func (a *acceptance) observe(_, operation, code string, took time.Duration) {
	if operation != "ContinueDeployment" || code != "" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at.IsZero() {
		a.at = time.Now().Add(-took)
	}
}

func (a *acceptance) time() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.at
}
