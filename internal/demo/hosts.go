package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"crossfade/internal/agent"
	"crossfade/internal/agent/identity"
	"crossfade/internal/operator"
	"crossfade/internal/wire/control"
)

// hosts is the agents that run.
type hosts struct {
	stop  context.CancelFunc
	abort chan struct{}
	done  sync.WaitGroup

	mu     sync.Mutex
	failed []error
}

// startHosts makes the hosts known to the server and starts their agents, each in its own directory and polling from its own address.
func startHosts(ctx context.Context, o Options, s *stage, client *operator.Client) (*hosts, error) {
	// The agents outlive the context of their start: stopAll ends them.
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	all := &hosts{stop: stop, abort: make(chan struct{})}
	for _, h := range s.hosts {
		options, err := equip(ctx, o, h, client)
		if err != nil {
			return nil, errors.Join(err, all.stopAll())
		}
		options.Abort = all.abort
		all.done.Go(func() {
			if err := agent.Run(run, options); err != nil {
				all.mu.Lock()
				defer all.mu.Unlock()
				all.failed = append(all.failed, fmt.Errorf("agent of %s: %w", h.name, err))
			}
		})
	}
	return all, nil
}

// equip registers one host and says what its agent needs.
func equip(ctx context.Context, o Options, h hostPlan, client *operator.Client) (agent.Options, error) {
	made, err := client.AddHost(ctx, operator.AddHostInput{Name: &h.name, Tags: []control.Tag{{Key: new("Environment"), Value: &h.environment}}})
	if err != nil {
		return agent.Options{}, fmt.Errorf("add host %s: %w", h.name, err)
	}
	return agent.Options{
		Endpoint:  client.Endpoint,
		Identity:  identity.New(*made.IAMUserARN, *made.Region, identity.Credentials{AccessKeyID: *made.AccessKeyID, SecretAccessKey: *made.SecretAccessKey}),
		Root:      filepath.Join(h.dir, "agent"),
		Version:   "crossfade/" + o.Version,
		Log:       o.Log.With("host", h.name),
		LocalAddr: h.address,
		Environ: []string{
			"PATH=" + searchPath(), "CROSSFADE=" + o.Program, "APP_HOME=" + filepath.Join(h.dir, "app"), "APP_LISTEN=" + h.listen(),
			"APP_PARENT_PID=" + strconv.Itoa(os.Getpid()),
		},
		StopTimeout: stopTimeout,
	}, nil
}

// stopTimeout is how long a script may go on once the demo ends.
const stopTimeout = 2 * time.Second

// searchPath is where scripts find the tools of the system.
func searchPath() string { return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" }

// stopAll ends the agents and says which of them had failed.
func (h *hosts) stopAll() error {
	h.stop()
	h.done.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	return errors.Join(h.failed...)
}
