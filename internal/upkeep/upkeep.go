// Package upkeep brings instances that joined a deployment group to the group's revision, and lets the instances of Auto Scaling groups wait for
// it before they serve.
//
// It owns three things that nobody asks for over the API: the follow-up deployments of outdatedInstancesStrategy, the lifecycle hooks of the Auto
// Scaling groups that deployment groups name, and the deployments to single instances that wait at those hooks. It decides from what is so, in the
// store and in the fleet, and acts only by creating deployments and by setting and completing hooks; so it keeps nothing that must survive, and a
// crash between any two of its steps is harmless. It never changes a deployment, a group or an instance itself.
//
// What is decided stands in pure functions (outdated.go, waiting.go, spec.go); a pass over all groups is [Upkeep.RunOnce]; [Upkeep.Start] runs
// passes in one goroutine until [Upkeep.Stop].
package upkeep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/engine"
	"crossfade/internal/fleet"
	"crossfade/internal/store"
)

// Store is what is read.
type Store interface {
	fleet.Instances
	AllGroups(ctx context.Context, p store.Page) ([]deploy.Group, error)
	GroupByID(ctx context.Context, id string) (deploy.Group, error)
	InstanceStates(ctx context.Context, groupID string) ([]deploy.InstanceState, error)
	Deployment(ctx context.Context, account, id string) (deploy.Deployment, error)
	Deployments(ctx context.Context, account string, f store.DeploymentFilter, p store.Page) ([]store.DeploymentEntry, error)
}

// Engine creates deployments.
type Engine interface {
	Create(ctx context.Context, spec deploy.Spec) (engine.Result, error)
}

// Clock tells the time.
type Clock interface{ Now() time.Time }

// Config is what an Upkeep needs. Scaling may be nil: there are no Auto Scaling groups. All else is required, but Interval.
type Config struct {
	Store  Store
	Engine Engine
	// Fleet is the fleet of the deployments, with registered in the place of the store: in a pass it has each account's registered instances
	// in memory, so that they are read once and not once for each group.
	Fleet   func(registered fleet.Instances) fleet.Fleet
	Scaling fleet.Scaling
	// Configs reads a deployment config by name, built in or the account's own. It fails with store.ErrNotFound when there is none.
	Configs func(ctx context.Context, account, name string) (deploy.Config, error)
	// NewID draws the id of a deployment.
	NewID func() string
	Clock Clock
	// Interval is the time between passes that nobody woke; zero: 30 seconds.
	Interval time.Duration
	Log      *slog.Logger
}

// Upkeep looks after all groups of all accounts. RunOnce must not run beside itself, and so not while it is started; the other methods are safe for
// concurrent use.
type Upkeep struct {
	Config

	// What follows belongs to RunOnce. It saves calls; a start without it repeats them.
	set   map[place]time.Time // hooks that were set, and when
	beats map[wait]time.Time  // instances that were kept waiting, and when
	gone  map[wait]time.Time  // instances that were let go on, and when

	wake chan struct{}
	mu   sync.Mutex // guards what follows
	stop context.CancelFunc
	done sync.WaitGroup
}

// New makes an Upkeep that has not been started.
func New(c Config) *Upkeep {
	if c.Interval == 0 {
		c.Interval = 30 * time.Second
	}
	return &Upkeep{Config: c, set: map[place]time.Time{}, beats: map[wait]time.Time{}, gone: map[wait]time.Time{}, wake: make(chan struct{}, 1)}
}

// groupPage is how many groups are read at a time.
const groupPage = 200

// patience bounds what is done for one group or one instance, so that a fleet that does not answer holds up nobody else's for long.
const patience = 30 * time.Second

// RunOnce looks at every group and does what is to be done now. It reports whether it did anything. What fails for one group or one instance
// keeps no other from being looked at; the error has all of them, and the next pass tries again.
func (u *Upkeep) RunOnce(ctx context.Context) (acted bool, err error) {
	registered := &registry{Store: u.Store, accounts: map[string]*known{}}
	p := &pass{
		Upkeep: u, now: u.Clock.Now().UTC().Round(0), registered: registered, fleet: u.Fleet(registered),
		specs: map[string]deploy.Spec{}, states: map[string]map[string]bool{}, hooks: map[string]*hooks{}, seen: map[place]bool{}, waiting: map[wait]bool{},
	}
	var problems []error
	for page := (store.Page{Limit: groupPage}); ; {
		groups, err := u.Store.AllGroups(ctx, page)
		if err != nil {
			return p.acted, fmt.Errorf("list deployment groups: %w", err)
		}
		for _, g := range groups {
			p.collect(g)
			if err := within(ctx, func(ctx context.Context) error { return p.followUp(ctx, g) }); err != nil {
				problems = append(problems, fmt.Errorf("bring deployment group %s of %s up to date: %w", g.Name, g.Application, err))
			}
		}
		if len(groups) < page.Limit || ctx.Err() != nil {
			break
		}
		page.After = groups[len(groups)-1].ID
	}
	problems = append(problems, p.serveHooks(ctx)...)
	if len(problems) == 0 && ctx.Err() == nil {
		p.forget()
	}
	return p.acted, some(problems)
}

// some is the first few errors and how many more there are: when a fleet does not answer, every group says so.
func some(problems []error) error {
	const most = 5
	if more := len(problems) - most; more > 0 {
		problems = append(problems[:most:most], fmt.Errorf("and %d more", more))
	}
	return errors.Join(problems...)
}

// within does something in bounded time.
func within(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return do(ctx)
}

// pass is one look at everything.
type pass struct {
	*Upkeep
	now        time.Time
	registered *registry
	fleet      fleet.Fleet
	specs      map[string]deploy.Spec     // of deployments that were read
	hooks      map[string]*hooks          // by account
	states     map[string]map[string]bool // by group, the instances that something was deployed to
	seen       map[place]bool             // hooks that there are to be
	waiting    map[wait]bool
	acted      bool
}

// forget drops what is remembered of hooks and waits that are no more.
func (p *pass) forget() {
	for k := range p.set {
		if !p.seen[k] {
			delete(p.set, k)
		}
	}
	for _, of := range []map[wait]time.Time{p.beats, p.gone} {
		for k := range of {
			if !p.waiting[k] {
				delete(of, k)
			}
		}
	}
}

// spec reads the spec of a deployment; zero when the deployment is not known any more.
func (p *pass) spec(ctx context.Context, account, id string) (deploy.Spec, error) {
	if s, ok := p.specs[id]; ok {
		return s, nil
	}
	d, err := p.Store.Deployment(ctx, account, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return deploy.Spec{}, fmt.Errorf("read deployment %s: %w", id, err)
	}
	p.specs[id] = d.Spec
	return d.Spec, nil
}

// create makes a deployment. That its group has become busy or was deleted meanwhile is no error: then none is made.
func (p *pass) create(ctx context.Context, spec deploy.Spec) error {
	_, err := p.Engine.Create(ctx, spec)
	var busy *store.GroupBusyError
	switch {
	case errors.As(err, &busy), errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrConflict):
		return nil
	case err != nil:
		return fmt.Errorf("create deployment %s: %w", spec.ID, err)
	}
	p.acted = true
	p.Log.Info("deployment created", "deployment", spec.ID, "creator", spec.Creator, "group", spec.Group, "application", spec.Application,
		"instances", len(spec.Only), "root", spec.Root)
	return nil
}
