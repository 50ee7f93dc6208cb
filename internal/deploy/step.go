package deploy

import (
	"fmt"
	"slices"
	"time"
)

// View is what Step sees of a deployment.
type View struct {
	Deployment Deployment
	Target     *Target  // the event's target; nil when it has none, or there is no such target
	Next       []Target // targets that might start, as Needs asked for them for this event
}

// Need says which rows an event touches besides the deployment's own.
type Need struct {
	Target string // load this target; empty: none
	// Lane, Turn and Limit ask for the first Limit targets, by rank and then id, of the lane whose turn is lower than Turn and whose status
	// is Pending or Ready. A Limit of 0 asks for none.
	Lane  Lane
	Turn  int
	Limit int
}

// startBatch bounds how many targets one transition starts; the deployment wakes itself for the rest.
const startBatch = 64

// Needs says what Step will want to see for the event.
func Needs(d Deployment, w What) Need {
	n := Need{Target: TargetOf(w)}
	if !d.sound() || d.State.Status.Terminal() || d.State.Ending != nil {
		return n
	}
	switch w.(type) {
	case Wake, Completed, TargetDue, TrafficSettled, TrafficRefused, SplitSettled, Continue:
	default:
		return n
	}
	row, tally := d.stageRow(), d.State.Tally
	if len(row.events) > 0 && tally.unstarted() > 0 {
		// The event itself frees at most one slot. It may also be the one that ends a zone, and then the next one's targets are next.
		n.Lane, n.Turn, n.Limit = row.lane, d.State.Turn, max(0, min(tally.slots(row.rule)+1, tally.unstarted(), startBatch))
		return n
	}
	// The event may be the last of its phase. When a stage comes next, its first targets can start in the same transition.
	if next := d.State.Turn + 1; tally.InFlight <= 1 && next < len(plans[d.Spec.Kind]) {
		if row := plans[d.Spec.Kind][next]; len(row.events) > 0 {
			n.Lane, n.Turn, n.Limit = row.lane, next, startBatch
		}
	}
	return n
}

// New makes a deployment. Its version is 1 and it wants its instances resolved.
func New(spec Spec) Transition {
	m := newMachine(spec)
	m.effect(Effect{Key: m.key("", EffectResolve)})
	m.rememberAttempt()
	t, _ := m.done()
	return t
}

// newMachine makes the deployment of a spec.
func newMachine(spec Spec) *machine {
	m := &machine{at: spec.CreatedAt, d: Deployment{Spec: spec, State: State{Status: StatusCreated, Phase: PhaseResolve}}}
	m.t.created = true
	if spec.RollbackOf != "" {
		m.d.State.Rollback = &RollbackInfo{TriggeredBy: spec.RollbackOf, Message: fmt.Sprintf("Deployment %s is triggered to roll back deployment %s.", spec.ID, spec.RollbackOf)}
	}
	m.note("", fmt.Sprintf("created by %s as %s of group %s", spec.Creator, kindWords[spec.Kind], spec.Group))
	m.tell(MomentCreated, nil)
	return m
}

// Step decides what an event does to a deployment. The error is always a *Refusal, and then nothing has changed.
func Step(v View, ev Event) (Transition, error) {
	m := &machine{at: ev.At, d: v.Deployment, next: v.Next, nextTurn: Needs(v.Deployment, ev.What).Turn}
	m.t.from = v.Deployment.State.Version
	if v.Target != nil {
		t := cloneTarget(*v.Target)
		m.target = &t
	}
	m.d.State.Failures = slices.Clone(m.d.State.Failures)
	m.d.State.Messages = slices.Clone(m.d.State.Messages)

	// ContinueDeployment answers for every state by its own table, also for a broken one.
	if e, ok := ev.What.(Continue); ok {
		return m.onContinue(e)
	}
	if !m.d.sound() {
		return refuse(ReasonInvalidStatus, fmt.Sprintf("The state of deployment %s can't be read: phase %q at row %d.", m.d.Spec.ID, m.d.State.Phase, m.d.State.Turn))
	}
	switch e := ev.What.(type) {
	case TrafficSettled:
		return m.onTraffic(e.Generation, true, "")
	case TrafficRefused:
		return m.onTraffic(e.Generation, false, e.Reason)
	case Stop:
		return m.onStop(e)
	}
	if m.d.State.Status.Terminal() {
		return refuse(ReasonStale, fmt.Sprintf("Deployment %s is already %s.", m.d.Spec.ID, m.d.State.Status))
	}
	switch e := ev.What.(type) {
	case Resolved:
		return m.onResolved(e)
	case Delayed:
		return m.onDelayed(e)
	case Wake:
		return m.onWake()
	case TrafficDelayed:
		return m.onTrafficDelayed(e)
	case TargetDue:
		return m.onTargetDue(e)
	case Recall:
		return m.onRecall()
	case Acknowledged:
		return m.onAcknowledged(e)
	case Completed:
		return m.onCompleted(e)
	case SplitSettled:
		return m.onSplit(e.Generation, true, "")
	case SplitRefused:
		return m.onSplit(e.Generation, false, e.Reason)
	case AlarmRaised:
		return m.onAlarm(alarmActive(e.Names))
	case AlarmUnreadable:
		return m.onAlarm(e.Error)
	case Admit:
		return m.onAdmit(e)
	case Terminated:
		return m.onTerminated(e)
	case Abandon:
		return m.onAbandon(e)
	default:
		panic(fmt.Sprintf("deploy: unknown event %T", ev.What))
	}
}

// machine is one step in the making.
type machine struct {
	at     time.Time
	d      Deployment
	target *Target
	// next are the targets that might start in the stage nextTurn.
	next     []Target
	nextTurn int
	t        Transition
	wrote    bool // target has changed
	tellings []telling
}

// done seals the step.
func (m *machine) done() (Transition, error) {
	st := &m.d.State
	st.WakeAt = m.wakeAt()
	st.Version = m.t.from + 1
	if m.wrote {
		m.t.targets = append(m.t.targets, *m.target)
	}
	m.t.deployment = &m.d // the machine ends with the step
	m.t.notices = m.notices()
	return m.t, nil
}

// wakeAt is the earliest of the deployment's own deadlines.
func (m *machine) wakeAt() time.Time {
	st := m.d.State
	if st.Status.Terminal() || st.Waiting {
		return time.Time{}
	}
	if st.Pump {
		return m.at
	}
	if st.Ending != nil || st.Phase == PhaseTerminate {
		return time.Time{} // the targets in flight, or the effect, bring the next event
	}
	at := m.d.begun().Add(m.d.Spec.Kind.limit())
	if !st.WaitUntil.IsZero() && st.WaitUntil.Before(at) {
		at = st.WaitUntil
	}
	if late := m.d.begun().Add(resolveLimit); st.Phase == PhaseResolve && late.Before(at) {
		at = late
	}
	if late := st.SplitAt.Add(EventLimit); st.SplitOrder != 0 && late.Before(at) {
		at = late
	}
	return at
}

func (m *machine) key(target string, kind EffectKind) EffectKey {
	return EffectKey{DeploymentID: m.d.Spec.ID, Target: target, Kind: kind}
}

func (m *machine) effect(e Effect) { m.t.effects = append(m.t.effects, e) }

func (m *machine) clear(target string, kind EffectKind) {
	m.t.cleared = append(m.t.cleared, m.key(target, kind))
}

// line adds to the journal.
func (m *machine) line(l Line) {
	m.d.State.Journal++
	l.Number, l.At = m.d.State.Journal, m.at
	m.t.journal = append(m.t.journal, l)
}

func (m *machine) note(target, text string) { m.line(Line{Target: target, Text: text}) }

// setStatus moves the deployment.
func (m *machine) setStatus(to Status) {
	from := m.d.State.Status
	if !slices.Contains(statusMoves[from], to) {
		panic(fmt.Sprintf("deploy: deployment %s may not go from %s to %s", m.d.Spec.ID, from, to))
	}
	m.d.State.Status = to
	m.line(Line{From: string(from), To: string(to), Text: fmt.Sprintf("deployment is %s", to)})
	// InProgress is told once, and not again after the ready wait.
	if moment := statusMoments[to]; moment != "" && (to != StatusInProgress || from != StatusReady) {
		m.tell(moment, nil)
	}
}

// setTarget moves a target and the overview with it.
func (m *machine) setTarget(t *Target, to TargetStatus) {
	if t.Status == to {
		return
	}
	if !slices.Contains(targetMoves[t.Status], to) {
		panic(fmt.Sprintf("deploy: target %s of %s may not go from %s to %s", t.ID, m.d.Spec.ID, t.Status, to))
	}
	m.d.State.Overview.add(t.Status, -1)
	m.d.State.Overview.add(to, 1)
	m.line(Line{Target: t.ID, From: string(t.Status), To: string(to), Text: fmt.Sprintf("instance %s is %s", t.ID, to)})
	started := t.Status == TargetPending
	t.Status, t.UpdatedAt = to, m.at
	// A replacement is started once and ready once, however many stages it goes through.
	if moment := targetMoments[to]; moment != "" && (to != TargetInProgress || started) && (to != TargetReady || m.d.State.Phase == PhaseInstall) {
		m.tell(moment, t)
	}
}

func cloneTarget(t Target) Target {
	t.Events = slices.Clone(t.Events)
	return t
}
