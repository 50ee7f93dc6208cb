package local

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
	"crossfade/internal/store"
)

// Identities gives instances what their agents need.
type Identities interface {
	// Add registers the instance with the tags, under an identity and credentials of its own, and returns the on-premises configuration file
	// with them. What there was under the name is replaced.
	Add(ctx context.Context, account, name string, tags map[string]string) (config []byte, err error)
	// Remove ends the credentials and the registration. An unknown name is no error.
	Remove(ctx context.Context, account, name string) error
}

// Registry is what is known of registered instances.
type Registry interface {
	// Instance fails with store.ErrNotFound.
	Instance(ctx context.Context, account, name string) (deploy.Instance, error)
}

// Options say what the driver needs. All are required but where said.
type Options struct {
	Store    store.Fleets
	Registry Registry
	Account  string       // of the configured groups
	Fleets   []Configured // the groups of the configuration
	Dir      string       // for the host files; made when it is missing
	Endpoint string       // by which agents reach the server
	Region   string
	Environ  []string // what every command gets, such as PATH
	Parallel int      // commands at a time; zero: eight
	Now      func() time.Time
	// NewID draws what tells the names of a group's instances apart, as letters and digits; nil: by chance.
	NewID func() string
	// Leave takes an instance out of traffic before it is stopped, and returns once it is; nil: nothing has to be done. An error means that it is worth
	// trying again.
	Leave func(ctx context.Context, instance string) error
	Log   *slog.Logger
}

const defaultParallel = 8

// Driver is the fleet. New makes it, Start makes it move.
type Driver struct {
	Options
	identities Identities
	changes    chan struct{} // wakes whoever watches the groups
	wake       chan struct{} // wakes the loop
	slots      chan struct{} // one for each command that runs
	jobs       sync.WaitGroup
	loop       sync.WaitGroup

	mu       sync.Mutex         // guards what follows
	cancel   context.CancelFunc // of the loop and of what it started; nil: it does not run
	attempts map[string]attempt // by account and name of the instance
	running  map[string]bool
}

var (
	_ fleet.Driver      = (*Driver)(nil)
	_ fleet.Sizes       = (*Driver)(nil)
	_ fleet.Remembering = (*Driver)(nil)
)

// New makes the driver and takes the configuration into the groups. Nothing runs before Start; what is said of groups counts already.
func New(ctx context.Context, o Options) (*Driver, error) {
	if o.Parallel <= 0 {
		o.Parallel = defaultParallel
	}
	if o.NewID == nil {
		o.NewID = func() string { return strings.ToLower(rand.Text()[:8]) }
	}
	d := &Driver{
		Options: o, changes: make(chan struct{}, 1), wake: make(chan struct{}, 1), slots: make(chan struct{}, o.Parallel),
		attempts: map[string]attempt{}, running: map[string]bool{},
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("find the directory of host files: %w", err)
	}
	d.Dir = dir
	if err := d.configure(ctx); err != nil {
		return nil, fmt.Errorf("take the configured fleets into the store: %w", err)
	}
	return d, nil
}

// configure makes the groups of the configuration and gives them, and their copies, the commands of now.
func (d *Driver) configure(ctx context.Context) error {
	configured := map[string]Configured{}
	for _, c := range d.Fleets {
		configured[c.Name] = c
	}
	all, err := d.read(ctx, "")
	if err != nil {
		return err
	}
	// What there is comes first: it is given the time that no server ran before anything is decided by the time.
	for _, g := range all {
		err := d.change(ctx, g.Account, g.Name, func(g *group) (*group, error) {
			if g == nil {
				return nil, nil
			}
			g.resume(d.Now())
			c, ok := configured[g.Origin]
			switch {
			case g.Account == d.Account && ok:
				g.Template = c.Template
			case len(g.members) == 0 && (g.Deleted || g.Desired == 0):
				return nil, nil // all that there was to remember is that the configuration had it
			default:
				d.Log.Warn("an Auto Scaling group's commands are not in the configuration any more; it goes on with those that it had", "group", g.Name, "fleet", g.Origin)
			}
			return g, nil
		})
		if err != nil {
			return err
		}
	}
	for _, c := range d.Fleets {
		err := d.change(ctx, d.Account, c.Name, func(g *group) (*group, error) { return d.configured(g, c), nil })
		if err != nil {
			return err
		}
	}
	return nil
}

// configured is the group that a configuration makes of what there was. A size counts when it is new: in between the operator sets it.
func (d *Driver) configured(g *group, c Configured) *group {
	switch {
	case g == nil:
		return &group{Account: d.Account, Name: c.Name, Origin: c.Name, Template: c.Template, Desired: c.Size, Configured: c.Size}
	case g.Deleted:
		d.Log.Info("a configured Auto Scaling group was deleted and stays so until its size is set with crossfade fleet scale", "group", g.Name)
	case g.Configured != c.Size:
		g.Desired, g.Configured = c.Size, c.Size
	}
	return g
}

// Start begins to keep the groups at their sizes. ctx bounds the start only; Stop ends it. It must not be called again before Stop has returned.
func (d *Driver) Start(ctx context.Context, identities Identities) {
	d.identities = identities
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.mu.Lock()
	d.cancel = cancel
	d.mu.Unlock()
	d.loop.Go(func() { d.run(run) })
}

// Stop ends the loop and the commands that run, and waits for them; the instances go on. It may be called twice, and without a Start. The driver may be
// started again.
func (d *Driver) Stop() {
	d.mu.Lock()
	cancel := d.cancel
	d.cancel = nil
	d.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	d.loop.Wait()
	d.jobs.Wait()
}

// safetyInterval is how often the groups are looked at although nothing is due: another process may have changed them.
const safetyInterval = 10 * time.Second

func (d *Driver) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		case <-timer.C:
		}
		pause := safetyInterval
		next, err := d.pass(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			d.Log.Error("Auto Scaling groups could not be looked after, will be tried again", "error", err)
		case !next.IsZero():
			pause = max(0, min(pause, next.Sub(d.Now())))
		}
		timer.Reset(pause)
	}
}

// RunOnce does everything that is due now and waits for it. It returns when there will be something to do again; zero: when something changes. It
// is what the loop does, for those who want no loop; Start must not have been called.
func (d *Driver) RunOnce(ctx context.Context, identities Identities) (next time.Time, err error) {
	d.identities = identities
	next, err = d.pass(ctx)
	d.jobs.Wait()
	return next, err
}

// pass moves every group and begins what is due.
func (d *Driver) pass(ctx context.Context) (next time.Time, err error) {
	all, err := d.read(ctx, "")
	if err != nil {
		return time.Time{}, err
	}
	now := d.Now()
	for _, g := range all {
		// What is read here may be old: it says only whether there is something to write, and what is written is decided anew.
		before := g.shape()
		next = earlier(next, g.advance(now, d.nameFor(g.Name)))
		if g.shape() != before {
			if g, err = d.advance(ctx, g); err != nil {
				return time.Time{}, err
			}
		}
		if g != nil {
			next = earlier(next, d.begin(ctx, g, now))
		}
	}
	return next, nil
}

// begin starts what is due for the members of a group, as far as there is room, and returns when the rest will be.
func (d *Driver) begin(ctx context.Context, g *group, now time.Time) (next time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range g.members {
		key := g.Account + "/" + m.Name
		what, at := g.due(m, d.attempts[key], now)
		if what == "" || d.running[key] {
			continue
		}
		if at.After(now) {
			next = earlier(next, at)
			continue
		}
		select {
		case d.slots <- struct{}{}:
		default:
			continue // whatever ends makes room and wakes the loop
		}
		d.running[key] = true
		d.jobs.Go(func() {
			defer func() {
				d.mu.Lock()
				delete(d.running, key)
				d.mu.Unlock()
				<-d.slots
				nudge(d.wake)
			}()
			d.work(ctx, g, m, what)
		})
	}
	return next
}

// work does one thing for a member and takes its outcome into the group.
func (d *Driver) work(ctx context.Context, g *group, m *member, what act) {
	o := d.do(ctx, g, m, what)
	if ctx.Err() != nil {
		return // the server stops; the next one does it again
	}
	key := g.Account + "/" + m.Name
	log := d.Log.With("group", g.Name, "instance", m.Name)
	if o.problem != "" && what != actProbe {
		log.Warn("an instance's command failed", "command", string(what), "error", o.problem)
	}
	d.mu.Lock()
	before := d.attempts[key]
	d.mu.Unlock()
	var after attempt
	var from, to state
	err := d.change(ctx, g.Account, g.Name, func(g *group) (*group, error) {
		after, from, to = attempt{}, "", "gone"
		if g == nil {
			return nil, nil
		}
		if m := g.member(m.Name); m != nil {
			from = m.State
		}
		after = g.settle(m.Name, what, o, before, d.Now())
		if m := g.member(m.Name); m != nil {
			to = m.State
		}
		return g, nil
	})
	if err != nil {
		// The act is done again, which it bears.
		log.Error("the outcome of an instance's command could not be kept", "command", string(what), "error", err)
		after = attempt{act: what, tries: before.tries + 1, next: d.Now().Add(backoff(before.tries + 1))}
	}
	if from != "" && from != to {
		log.Info("instance moves", "from", string(from), "to", string(to))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if after.act == "" {
		delete(d.attempts, key)
		return
	}
	d.attempts[key] = after
}

// shape is all that advance changes of a group, to see whether it did.
func (g *group) shape() string {
	var b strings.Builder
	fmt.Fprint(&b, g.Failures, g.NotBefore)
	for _, m := range g.members {
		fmt.Fprint(&b, m.Name, m.State, len(m.Waits))
	}
	return b.String()
}

// read decodes the groups of an account; empty: of all.
func (d *Driver) read(ctx context.Context, account string) ([]*group, error) {
	kept, err := d.Store.FleetGroups(ctx, account)
	if err != nil {
		return nil, err
	}
	out := make([]*group, len(kept))
	for i, k := range kept {
		if out[i], err = decodeGroup(k); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// change makes a group what fn makes of it, and wakes who has to do with that. fn gets nil for no group, and returns nil for none; a deleted copy
// without members is none.
func (d *Driver) change(ctx context.Context, account, name string, fn func(*group) (*group, error)) error {
	changed := false
	err := d.Store.ChangeFleetGroup(ctx, account, name, func(kept *store.FleetGroup) error {
		was := *kept
		g, err := decodeGroup(was)
		if err != nil {
			return err
		}
		if g, err = fn(g); err != nil {
			return err
		}
		if g != nil {
			g.advance(d.Now(), d.nameFor(name))
			if !g.exists() && g.copied() {
				g = nil
			}
		}
		if err := g.encode(kept); err != nil {
			return err
		}
		changed = !reflect.DeepEqual(was, *kept)
		return nil
	})
	if err == nil && changed {
		nudge(d.wake)
		nudge(d.changes)
	}
	return err
}

// advance moves a group in the store and returns it as it is then.
func (d *Driver) advance(ctx context.Context, g *group) (moved *group, err error) {
	err = d.change(ctx, g.Account, g.Name, func(g *group) (*group, error) {
		moved = g
		return g, nil
	})
	return moved, err
}

// longestStem leaves room in an instance's name, which has at most 100 characters.
const longestStem = 80

// nameFor draws names of instances of a group: what of the group's name can stand in the name of a file, cut short, and an id.
func (d *Driver) nameFor(group string) func() string {
	stem := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, group)
	stem = stem[:min(len(stem), longestStem)]
	return func() string { return stem + "-" + d.NewID() }
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// named returns the group of the name among all.
func named(all []*group, name string) *group {
	if i := slices.IndexFunc(all, func(g *group) bool { return g.Name == name }); i >= 0 {
		return all[i]
	}
	return nil
}
