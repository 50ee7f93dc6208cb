// Package sim runs the real engine and the real state machine through random histories: hosts that fail, die and answer twice, messages that
// are lost, late, doubled and reordered, load balancers that never see a target healthy, operators who continue and stop at any moment, and a
// server that dies between any two steps and inside any commit. Everything that decides is drawn from one seed, so a history can be replayed.
//
// The package owns the simulated world and the invariants; it never decides what a deployment does.
package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/engine"
	"crossfade/internal/store"
)

// Options says what may go wrong.
type Options struct {
	Faults bool // messages, hosts, load balancer, operators
	Crash  bool // the server dies; of several, one also stalls or is stopped
	// Replicas are the servers on the store, each with a clock of its own; 0 and 1: one that is alone.
	Replicas int
}

// Outcome is what a history came to.
type Outcome struct {
	Deployments map[string]deploy.Status
	Steps       int
	Crashes     int
	Rollbacks   int
	Executions  int // lifecycle events that hosts executed
	// Reached counts what the history came through, by name; see reached in invariants.go.
	Reached map[string]int
}

// maxSteps bounds a history; one that needs more never ends.
const maxSteps = 20_000

// Run plays the history of a seed and returns the first invariant that it breaks.
func Run(seed uint64, o Options) (Outcome, error) {
	w := newWorld(seed, o)
	for i := range max(1, o.Replicas) {
		s := &server{w: w, number: i}
		w.servers = append(w.servers, s)
		s.start()
	}
	err := w.play()
	if err == nil {
		err = w.checkEnd()
	}
	return w.outcome(), err
}

// world is everything outside and inside the server.
type world struct {
	rng     *rand.Rand
	opt     Options
	now     time.Time
	spec    deploy.Spec
	shared  bool // another group moves traffic of the same target group
	store   *memory
	router  *router
	scaling *scaling
	alarms  alarms
	plans   []planned
	hosts   []*host
	net     []message
	broken  error // the first invariant that broke

	servers []*server

	steps, crashes, executions int
	operations                 []operation
	deliveries                 int64
	watch                      watch
	refused                    map[string]bool // deployments that the group was too busy for
}

// Now implements engine.Clock.
func (w *world) Now() time.Time { return w.now }

func newWorld(seed uint64, o Options) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 0x5eed)), opt: o, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), store: newMemory(), refused: map[string]bool{}}
	w.watch.init()
	w.store.applied, w.store.now, w.store.news = w.onApplied, w.Now, w.announce
	w.store.fenced = func() { w.watch.reached["fenced"]++ }
	w.store.behind = func() { w.watch.reached["behind"]++ }
	w.store.crash = func() (bool, bool) {
		if !o.Crash || !w.chance(0.01) {
			return false, false
		}
		before := w.chance(0.5)
		return before, !before
	}
	w.scaling = &scaling{w: w, groups: map[string]*scalingGroup{}}
	w.router = &router{w: w, members: map[string]*member{}}
	w.alarms.w = w
	w.populate()
	return w
}

func (w *world) chance(p float64) bool { return w.rng.Float64() < p }

func (w *world) between(a, b time.Duration) time.Duration {
	return a + time.Duration(w.rng.Int64N(int64(b-a)+1))
}

func (w *world) fail(format string, args ...any) {
	if w.broken == nil {
		w.broken = fmt.Errorf(format, args...)
	}
}

// play runs until every deployment has ended and nothing is outstanding.
func (w *world) play() error {
	most := maxSteps * max(1, w.opt.Replicas)
	for w.steps = 0; w.steps < most; w.steps++ {
		if w.broken != nil {
			return w.broken
		}
		worked, err := w.run()
		if err != nil {
			return err
		}
		w.checkServing()
		w.checkSplit()
		if w.deliver() || w.poll() || w.deploy() || w.operate() || worked {
			continue
		}
		if w.over() {
			return w.broken
		}
		w.advance()
	}
	return fmt.Errorf("the history did not end within %d steps: %s", most, w.describe())
}

// over reports whether nothing can happen any more.
func (w *world) over() bool {
	if len(w.plans) > 0 || len(w.store.effects) > 0 {
		return false
	}
	for _, r := range w.store.deployments {
		if !r.d.State.Status.Terminal() {
			return false
		}
	}
	return true
}

// advance lets the time pass to the next thing that can happen.
func (w *world) advance() {
	var next time.Time
	earlier := func(t time.Time) {
		if t.After(w.now) && (!next.After(w.now) || t.Before(next)) {
			next = t
		}
	}
	w.next(earlier)
	for _, m := range w.net {
		earlier(m.at)
	}
	for _, o := range w.operations {
		earlier(o.at)
	}
	for _, p := range w.plans {
		earlier(p.at)
	}
	for _, h := range w.hosts {
		earlier(h.nextPoll)
	}
	if !next.After(w.now) {
		next = w.now.Add(time.Second)
	}
	w.now = next
	w.attend()
}

func (w *world) describe() string {
	s := ""
	for id, r := range w.store.deployments {
		s += fmt.Sprintf("%s %s %s tally %+v in flight; ", id, r.d.State.Status, r.d.State.Phase, r.d.State.Tally)
		for _, t := range r.targets {
			s += fmt.Sprintf("%s %s %s turn %d cursor %d running %v due %s; ", t.ID, t.Lane, t.Status, t.Turn, t.Cursor, t.Running, t.DueAt)
		}
	}
	return s + fmt.Sprintf("%d effects", len(w.store.effects))
}

func (w *world) outcome() Outcome {
	o := Outcome{Deployments: map[string]deploy.Status{}, Steps: w.steps, Crashes: w.crashes, Executions: w.executions, Reached: w.watch.reached}
	for id, r := range w.store.deployments {
		o.Deployments[id] = r.d.State.Status
		if r.d.Spec.RollbackOf != "" {
			o.Rollbacks++
		}
	}
	return o
}

// planned is a deployment that somebody will create.
type planned struct {
	at   time.Time
	spec deploy.Spec
}

// deploy creates the deployments whose time has come. The client tries again until it is there or refused: the server may die before it
// acknowledges.
func (w *world) deploy() bool {
	for i := range w.plans {
		p := &w.plans[i]
		if p.at.After(w.now) {
			continue
		}
		id := p.spec.ID
		if _, made := w.store.deployments[id]; made || w.refused[id] {
			w.plans = slices.Delete(w.plans, i, i+1)
			return true
		}
		p.at = w.now.Add(10 * time.Second)
		s := w.some()
		if s == nil {
			return true
		}
		w.await(s.runner.SubmitNew(p.spec), s, s.life, func(r engine.Reply) {
			var busy *store.GroupBusyError
			if errors.As(r.Err, &busy) {
				w.refused[id] = true
			}
		})
		return true
	}
	return false
}

// operation is a call of an operator.
type operation struct {
	at   time.Time
	what deploy.What
}

// operate makes the calls whose time has come.
func (w *world) operate() bool {
	for i, o := range w.operations {
		if o.at.After(w.now) {
			continue
		}
		w.operations = append(w.operations[:i:i], w.operations[i+1:]...)
		if _, ok := w.store.deployments[w.spec.ID]; ok {
			if s := w.some(); s != nil {
				s.runner.Submit(w.spec.ID, o.what)
			}
		}
		return true
	}
	return false
}

// isRefusal reports whether an answer is a refusal of the state machine and not a lost server.
func isRefusal(err error) bool {
	var r *deploy.Refusal
	return errors.As(err, &r) || errors.Is(err, store.ErrNotFound)
}
