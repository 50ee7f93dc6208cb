package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The scenarios.
const (
	ScenarioIdle    = "idle"
	ScenarioFleet   = "fleet"
	ScenarioMany    = "many"
	ScenarioAPI     = "api"
	ScenarioRestart = "restart"
	ScenarioGrowth  = "growth"
)

// Scenarios are all of them.
func Scenarios() []string {
	return []string{ScenarioIdle, ScenarioFleet, ScenarioMany, ScenarioAPI, ScenarioRestart, ScenarioGrowth}
}

// Options say what to do. Name is required; sizes that are zero mean the scenario's default.
type Options struct {
	Scenario string
	// Name begins everything that the run makes: an application, a bucket and hosts. It must be a bucket's name and new to the server.
	Name        string
	Hosts       int           // idle and fleet: simulated agents
	Deployments int           // many and restart: deployments at the same time
	Stored      int           // api: deployments that are in the store before
	Clients     int           // api: callers at the same time
	Settle      time.Duration // before something is measured
	Window      time.Duration // idle: that is measured; api: of each operation
	Limit       time.Duration // after which a scenario that has not ended is given up
	Of          string        // growth: the scenario that grows
	Factors     []int         // growth: ascending
	// Progress is told what is going on, in few words; nil: nobody is.
	Progress func(format string, args ...any)
}

// The defaults.
const (
	defaultHosts       = 1000
	defaultDeployments = 100
	defaultClients     = 16
	defaultSettle      = 5 * time.Second
	defaultIdleWindow  = 60 * time.Second
	defaultCallWindow  = 5 * time.Second
	defaultLimit       = 10 * time.Minute
)

// The default sizes of the first step of growth; the last is a hundred times as many.
const (
	growthHosts       = 100
	growthDeployments = 10
	growthStored      = 10_000
)

func (o Options) withDefaults() Options {
	window := defaultIdleWindow
	if o.Scenario == ScenarioAPI || o.Of == ScenarioAPI {
		window = defaultCallWindow
	}
	hosts, deployments := defaultHosts, defaultDeployments
	if o.Scenario == ScenarioGrowth {
		hosts, deployments = growthHosts, growthDeployments
		set(&o.Of, ScenarioFleet)
		set(&o.Stored, growthStored)
		if len(o.Factors) == 0 {
			o.Factors = []int{1, 10, 100}
		}
	}
	set(&o.Hosts, hosts)
	set(&o.Deployments, deployments)
	set(&o.Clients, defaultClients)
	set(&o.Settle, defaultSettle)
	set(&o.Window, window)
	set(&o.Limit, defaultLimit)
	if o.Progress == nil {
		o.Progress = func(string, ...any) {}
	}
	return o
}

func set[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// The bounds of what may be asked for: above, the machine that makes the load is what is measured.
const (
	maxHosts       = 50_000
	maxDeployments = 1000 // groups of one application
	maxStored      = 10_000_000
	maxClients     = 1024
)

// Check says what of the options can't be done, in one sentence.
func (o Options) Check() error {
	if !slices.Contains(Scenarios(), o.Scenario) {
		return fmt.Errorf("there is no scenario %q: take one of %s", o.Scenario, strings.Join(Scenarios(), ", "))
	}
	o = o.withDefaults()
	most := 1
	if o.Scenario == ScenarioGrowth {
		if !slices.Contains([]string{ScenarioIdle, ScenarioFleet, ScenarioMany, ScenarioAPI, ScenarioRestart}, o.Of) {
			return fmt.Errorf("%q can't grow: take idle, fleet, many, api or restart", o.Of)
		}
		if o.Factors[0] < 1 || !slices.IsSorted(o.Factors) {
			return errors.New("the factors of growth must be 1 or more and ascend")
		}
		most = o.Factors[len(o.Factors)-1]
	}
	for _, b := range []struct {
		what       string
		value, max int
	}{
		{"hosts", o.Hosts, maxHosts}, {"deployments", o.Deployments, maxDeployments}, {"stored deployments", o.Stored, maxStored}, {"clients", o.Clients, maxClients},
	} {
		if b.value < 0 || b.value > b.max {
			return fmt.Errorf("%d %s are outside of 0 to %d", b.value, b.what, b.max)
		}
	}
	for _, b := range []struct {
		of, what   string
		value, max int
	}{
		{ScenarioIdle, "hosts", o.Hosts, maxHosts}, {ScenarioFleet, "hosts", o.Hosts, maxHosts}, {ScenarioMany, "deployments", o.Deployments, maxDeployments},
		{ScenarioRestart, "deployments", o.Deployments, maxDeployments}, {ScenarioAPI, "stored deployments", o.Stored, maxStored},
	} {
		if o.Scenario == ScenarioGrowth && o.Of == b.of && b.value*most > b.max {
			return fmt.Errorf("%d times %d %s are more than %d: give a smaller first size or smaller factors", most, b.value, b.what, b.max)
		}
	}
	return nil
}

// Run runs a scenario to its end. The report is of what was measured; it is nil when there is an error.
func Run(ctx context.Context, stage Stage, o Options) (_ *Report, err error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	if o.Scenario == ScenarioGrowth {
		return grow(ctx, stage, o)
	}
	run := map[string]func(context.Context, *Installation, Options) (*Report, error){
		ScenarioIdle: idle, ScenarioFleet: fleet, ScenarioMany: many, ScenarioAPI: api, ScenarioRestart: restart,
	}[o.Scenario]
	needs := Needs{}
	switch o.Scenario {
	case ScenarioIdle, ScenarioFleet:
		needs.Hosts = o.Hosts
	case ScenarioMany, ScenarioRestart:
		needs.Hosts, needs.TargetGroups = hostsOfOne*o.Deployments, o.Deployments
	case ScenarioAPI:
		needs.Stored = o.Stored
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.Limit, fmt.Errorf("the scenario %s has not ended after %v: give it a longer --limit", o.Scenario, o.Limit))
	defer cancel()
	at, err := stage.Open(ctx, needs)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, at.Close(context.WithoutCancel(ctx))) }()
	report, err := run(ctx, at, o)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil {
			return nil, fmt.Errorf("%w: %w", cause, err)
		}
		return nil, err
	}
	return report, nil
}

// sleep waits, or returns why the context ended.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
