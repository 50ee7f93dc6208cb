package deploy

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Rehearsal is what a deployment would do if nothing went wrong, found out by playing it with the state machine itself.
type Rehearsal struct {
	Kind    Kind
	Problem *ErrorInfo // set: the deployment would fail in any case, and this is why; there are no stages then
	// Message says, of a deployment that would have nothing to do, why.
	Messages []string
	Targets  []RehearsedTarget // in the order of lane, rank and id
	Zones    []Zone            // of a zonal deployment, in their order
	Stages   []RehearsedStage
	Limit    time.Duration // the longest that it may take
}

// RehearsedTarget is an instance that would take part.
type RehearsedTarget struct {
	ID     string
	Lane   Lane
	Zone   string
	Rank   int  // RankUnhealthy to RankCurrent
	Failed bool // the last deployment to it failed; an unhealthy one without that never had any
	Events []EventName
}

// RehearsedStage is one phase. Exactly one kind of its members is set: those of a stage in which targets go through events, Wait, or Percent.
type RehearsedStage struct {
	Phase Phase
	Words string
	Zone  string // of a zonal deployment, in words

	Lane      Lane
	Events    []EventName
	Waves     [][]string // the targets that start together when all take equally long
	Total     int
	Minimum   int  // targets that must stay healthy
	AtOnce    int  // the most that are under way at the same time
	Needed    int  // targets that must succeed in the end
	MayFail   int  // failures that do not end the deployment while others have not started
	NoFailure bool // one failure ends it

	Wait time.Duration
	// Continue says that ContinueDeployment ends the wait, and Stops that the deployment is stopped when nobody does.
	Continue bool
	Stops    bool

	Percent int // of the requests that go to the replacement then
}

// maxRehearsal bounds the events of a rehearsal; one that needs more is a defect of the state machine.
const maxRehearsal = 10_000_000

// Rehearse plays a deployment on the instances that were found. It changes nothing and needs no store.
func Rehearse(spec Spec, found Resolved) (Rehearsal, error) {
	r := &rehearsal{now: spec.CreatedAt, out: Rehearsal{Kind: spec.Kind, Limit: spec.Kind.limit()}, places: map[string]int{}}
	known := map[string]Selected{}
	for _, s := range slices.Concat(found.Originals, found.Replacements) {
		known[s.ID] = s
	}
	r.take(New(spec))
	if err := r.tell(found); err != nil {
		return Rehearsal{}, err
	}
	for _, t := range r.targets {
		r.out.Targets = append(r.out.Targets, RehearsedTarget{
			ID: t.ID, Lane: t.Lane, Zone: known[t.ID].Zone, Rank: t.Rank % ranks, Failed: known[t.ID].Failed, Events: eventsOf(spec.Kind, t.Lane),
		})
	}
	r.out.Zones, r.out.Messages = r.d.State.Zones, r.d.State.Messages
	if e := r.d.State.Error; e != nil {
		r.out.Problem = e
		return r.out, nil
	}
	for steps := 0; !r.d.State.Status.Terminal(); steps++ {
		if steps > maxRehearsal {
			return Rehearsal{}, fmt.Errorf("rehearse deployment to group %s: it does not end", spec.Group)
		}
		if err := r.next(); err != nil {
			return Rehearsal{}, fmt.Errorf("rehearse deployment to group %s: %w", spec.Group, err)
		}
	}
	if e := r.d.State.Error; e != nil {
		r.out.Problem, r.out.Stages = e, nil // its waits are longer than it may take
	}
	return r.out, nil
}

// rehearsal is a deployment that is played in memory. All lifecycle events take equally long: one beat.
type rehearsal struct {
	now     time.Time
	d       Deployment
	targets []Target       // by lane, rank and id
	places  map[string]int // index in targets
	out     Rehearsal

	beat    int       // how many beats have passed
	running []running // by the beat of their end
	split   *Split    // the outstanding order
	started int       // the beat of the last wave
	turn    int       // the row of the plan that was entered last
	zone    int
	from    int // targets before this index have started in the present stage, or are of another lane
}

// running is a target with an event under way.
type running struct {
	id  string
	end int // beat
}

// tell brings an event.
func (r *rehearsal) tell(what What) error {
	t, err := Step(r.view(what), Event{At: r.now, What: what})
	if err != nil {
		return err
	}
	r.take(t)
	return nil
}

// view is what Step needs to see.
func (r *rehearsal) view(what What) View {
	n := Needs(r.d, what)
	v := View{Deployment: r.d}
	if n.Target != "" {
		t := r.targets[r.places[n.Target]]
		v.Target = &t
	}
	if n.Turn > r.turn {
		// The next stage's; what has started in this one says nothing about it.
		v.Next = r.candidates(0, n)
		return v
	}
	for r.from < len(r.targets) && (r.targets[r.from].Lane != n.Lane || r.targets[r.from].Turn >= n.Turn) {
		r.from++
	}
	v.Next = r.candidates(r.from, n)
	return v
}

func (r *rehearsal) candidates(from int, n Need) (next []Target) {
	for i := from; i < len(r.targets) && len(next) < n.Limit; i++ {
		t := r.targets[i]
		if t.Lane == n.Lane && t.Turn < n.Turn && (t.Status == TargetPending || t.Status == TargetReady) {
			next = append(next, t)
		}
	}
	return next
}

// take makes a transition so.
func (r *rehearsal) take(t Transition) {
	r.d = *t.deployment
	r.add(t.newTargets)
	if st := r.d.State; !st.Status.Terminal() && (st.Turn != r.turn || st.Zone != r.zone) {
		r.turn, r.zone = st.Turn, st.Zone
		r.enter()
	}
	for _, x := range t.targets {
		was := r.targets[r.places[x.ID]]
		r.targets[r.places[x.ID]] = x
		if x.Running {
			r.running = append(r.running, running{x.ID, r.beat + 1})
		}
		if x.Turn != was.Turn {
			r.wave(x.ID)
		}
	}
	for _, e := range t.effects {
		if e.Split != nil {
			r.split = e.Split
		}
	}
	if len(r.out.Stages) > 0 {
		stage := &r.out.Stages[len(r.out.Stages)-1]
		stage.AtOnce = max(stage.AtOnce, r.d.State.Tally.InFlight)
	}
}

// add takes the deployment's targets.
func (r *rehearsal) add(targets []Target) {
	if len(targets) == 0 {
		return
	}
	r.targets = slices.Clone(targets)
	slices.SortStableFunc(r.targets, func(a, b Target) int {
		return cmp.Or(cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.ID, b.ID))
	})
	for i, t := range r.targets {
		r.places[t.ID] = i
	}
}

// enter begins a stage of the plan.
func (r *rehearsal) enter() {
	st, spec := r.d.State, r.d.Spec
	r.from, r.started = 0, -1
	row := plans[spec.Kind][st.Turn]
	stage := RehearsedStage{Phase: row.phase, Words: phaseWords[row.phase]}
	switch {
	case row.phase == PhaseReadyWait || row.phase == PhaseTerminationWait:
		stage.Wait, stage.Continue = st.WaitUntil.Sub(r.now), true
		stage.Stops = row.phase == PhaseReadyWait && spec.BlueGreen.ReadyAction == ReadyStop
	case row.phase == PhaseShift:
		if stage.Percent = st.Percent; stage.Percent < 100 {
			stage.Wait = spec.Routing.interval()
		}
	case len(row.events) > 0:
		r.describe(&stage, row)
	}
	r.out.Stages = append(r.out.Stages, stage)
}

// describe fills in a stage in which targets go through events.
func (r *rehearsal) describe(stage *RehearsedStage, row stage) {
	st := r.d.State
	tally := st.Tally
	stage.Lane, stage.Events, stage.Total, stage.Minimum = row.lane, row.events, tally.Total, tally.Minimum
	if r.d.zoned() {
		stage.Zone = st.Zones[st.Zone].String()
		stage.Wait = r.d.Spec.Zonal.monitor(st.Zones, st.Zone)
		if st.Zone == len(st.Zones)-1 {
			stage.Wait = 0
		}
	}
	switch row.rule {
	case ruleAll, ruleWithdraw:
		stage.Needed, stage.NoFailure = tally.Total, true
	case ruleRestore:
		stage.Needed, stage.MayFail = tally.needed(row.rule), tally.Total-tally.needed(row.rule)
	default:
		// Until the last one has started, one more than this ends the stage; see tally.broken.
		stage.Needed, stage.MayFail = tally.needed(row.rule), max(0, tally.Total-tally.Minimum-1)
	}
}

// wave records a target that started; those that start in the same beat belong together.
func (r *rehearsal) wave(id string) {
	stage := &r.out.Stages[len(r.out.Stages)-1]
	if n := len(stage.Waves); n > 0 && r.started == r.beat {
		stage.Waves[n-1] = append(stage.Waves[n-1], id)
	} else {
		stage.Waves = append(stage.Waves, []string{id})
	}
	r.started = r.beat
}

// next lets the next thing happen: a wake-up that is wanted at once, the end of a running event, or the end of a wait.
func (r *rehearsal) next() error {
	st := r.d.State
	switch {
	case st.Pump:
		return r.tell(Wake{})
	case len(r.running) > 0:
		first := r.running[0]
		r.running = r.running[1:]
		r.beat = first.end
		t := r.targets[r.places[first.id]]
		if t.Current().Name.doer() == byBalancer {
			return r.tell(TrafficSettled{Target: t.ID, Generation: t.Order})
		}
		return r.tell(Completed{Target: t.ID, Attempt: t.Attempt, Succeeded: true, Diagnostics: Diagnostics{ErrorCode: DiagnosticsSuccess}})
	case r.split != nil:
		order := r.split
		r.split = nil
		if st.Phase == PhaseShift && r.out.Stages[len(r.out.Stages)-1].Percent != st.Percent {
			r.enter() // one more step of the same phase
		}
		return r.tell(SplitSettled{Generation: order.Generation})
	case st.Phase == PhaseTerminate:
		return r.tell(Terminated{})
	case st.Phase == PhaseReadyWait:
		return r.tell(Continue{Wait: ReadyWait, By: "the plan"})
	default:
		r.now = st.WakeAt
		return r.tell(Wake{})
	}
}
