package deploy

import (
	"fmt"
	"strings"
	"time"
)

// MaxInstances bounds the targets of one deployment. CodeDeploy's own quota is a tenth of it.
const MaxInstances = 10_000

// onResolved starts the deployment on the instances that the fleet found.
func (m *machine) onResolved(e Resolved) (Transition, error) {
	if m.d.State.Phase != PhaseResolve {
		return refuse(ReasonStale, "the instances are resolved already")
	}
	m.clear("", EffectResolve)
	m.d.State.Delay = ""
	originals, replacements := separate(m.d.Spec, e)
	var spared []Selected
	if m.d.Spec.UpdateOutdatedOnly && e.Problem == nil && len(originals) > 0 {
		if originals, spared = outdated(originals); len(originals) == 0 {
			m.d.State.StartedAt = m.at
			m.setStatus(StatusInProgress)
			m.d.State.Messages = append(m.d.State.Messages, fmt.Sprintf("Every instance of deployment group %s has the revision already: there was nothing to do.", m.d.Spec.Group))
			m.succeed()
			return m.done()
		}
	}
	if p := precheck(m.d.Spec, e, originals, replacements, spared); p != nil {
		m.end(StatusFailed, *p, "")
		return m.done()
	}
	st := &m.d.State
	first := LaneOriginal
	if !m.d.Spec.Kind.BlueGreen() {
		first = LaneInPlace
		if m.d.Spec.Zonal != nil {
			st.Zones, originals = divide(originals, spared)
		}
	}
	st.Spared = len(spared)
	for _, s := range originals {
		m.t.newTargets = append(m.t.newTargets, newTarget(m.d, first, s, m.at))
	}
	for _, s := range replacements {
		m.t.newTargets = append(m.t.newTargets, newTarget(m.d, LaneReplacement, s, m.at))
	}
	st.Originals, st.Replacements = len(originals), len(replacements)
	st.Overview.add(TargetPending, len(originals)+len(replacements))
	st.StartedAt = m.at
	m.setStatus(StatusInProgress)
	m.watch()
	m.enter(1)
	return m.done()
}

// outdated are those of the instances that do not have the revision; the others are spared.
func outdated(found []Selected) (old, spared []Selected) {
	for _, s := range found {
		if s.Current {
			spared = append(spared, s)
		} else {
			old = append(old, s)
		}
	}
	return old, spared
}

// onDelayed remembers what keeps the deployment from starting, so that a reader sees it.
func (m *machine) onDelayed(e Delayed) (Transition, error) {
	st := &m.d.State
	if st.Phase != PhaseResolve || st.Waiting || st.Ending != nil || st.Delay == e.Why {
		return refuse(ReasonStale, "nothing is delayed, or it is known already")
	}
	st.Delay = e.Why
	m.note("", "can't start yet: "+e.Why)
	return m.done()
}

// separate keeps an instance from being in both environments. While the group has no environment of its own, its filters may well select
// the replacements too: those are not originals.
func separate(spec Spec, e Resolved) (originals, replacements []Selected) {
	if !spec.Kind.Replaces() || spec.Environment != "" {
		return e.Originals, e.Replacements
	}
	green := map[string]bool{}
	for _, s := range e.Replacements {
		green[s.ID] = true
	}
	for _, s := range e.Originals {
		if !green[s.ID] {
			originals = append(originals, s)
		}
	}
	return originals, e.Replacements
}

// precheck says why the deployment can't start, or nil.
func precheck(spec Spec, e Resolved, originals, replacements, spared []Selected) *ErrorInfo {
	active := originals
	environment := "deployment group"
	if spec.Kind.Replaces() {
		active, environment = replacements, "replacement environment"
	}
	n := len(active)
	minimum := spec.minimum(n, len(spared))
	switch {
	case e.Problem != nil:
		return e.Problem
	case spec.Kind.Replaces() && spec.BlueGreen == nil:
		return &ErrorInfo{CodeNoBlueGreen, fmt.Sprintf("Deployment group %s is BLUE_GREEN but has no blueGreenDeploymentConfiguration; set it with UpdateDeploymentGroup.", spec.Group)}
	case spec.Kind.Traffic() && len(spec.LoadBalancer.Names()) == 0:
		return &ErrorInfo{CodeNoBalancer, fmt.Sprintf("Deployment group %s is WITH_TRAFFIC_CONTROL but names no load balancer; set loadBalancerInfo with UpdateDeploymentGroup.", spec.Group)}
	case len(originals)+len(replacements) > MaxInstances:
		return &ErrorInfo{CodeOverMaxInstances, fmt.Sprintf("The deployment would have %d instances; the most that one may have is %d.", len(originals)+len(replacements), MaxInstances)}
	case spec.Kind.routesBack():
		return nil
	case n == 0:
		return &ErrorInfo{CodeNoInstances, fmt.Sprintf("The deployment failed because no instances were found for your deployment group. No registered instance has tags that select it for the %s of %s; check the filters against list-on-premises-instances.", environment, spec.Group)}
	}
	if both := overlap(originals, replacements); len(both) > 0 {
		return &ErrorInfo{CodeNoInstances, fmt.Sprintf("The deployment failed because no instances were found for your deployment group. targetInstances selects %s, which is the environment that serves %s now (since deployment %s); select the other instances.", strings.Join(both, ", "), spec.Group, spec.Environment)}
	}
	if minimum >= n {
		return &ErrorInfo{CodeHealthConstraintsInvalid, fmt.Sprintf("Deployment config %s asks for %d healthy instances, and the %s has %d: none could be deployed to. Use a config with a lower minimum or more instances.", spec.Config, minimum, environment, n)}
	}
	if spec.Zonal != nil && !spec.Kind.BlueGreen() {
		zones, _ := divide(originals, spared)
		if len(zones) > maxZones {
			return &ErrorInfo{CodeHealthConstraintsInvalid, fmt.Sprintf("The instances of deployment group %s are in %d zones, and a zonal deployment takes at most %d; correct their tags %s.", spec.Group, len(zones), maxZones, ZoneTag)}
		}
		for _, z := range zones {
			if m := spec.Zonal.minimumOf(z); m >= z.Targets+z.Others {
				return &ErrorInfo{CodeHealthConstraintsInvalid, fmt.Sprintf("Deployment config %s asks for %d healthy instances in each zone, and there are %d in %s: none could be deployed to. Lower minimumHealthyHostsPerZone or add instances.", spec.Config, m, z.Targets+z.Others, z)}
			}
		}
	}
	return nil
}

func overlap(a, b []Selected) []string {
	in := map[string]bool{}
	for _, s := range a {
		in[s.ID] = true
	}
	var both []string
	for _, s := range b {
		if in[s.ID] {
			both = append(both, s.ID)
		}
	}
	return both
}

// enter begins a row of the plan, or ends the deployment after the last one.
func (m *machine) enter(turn int) {
	plan := plans[m.d.Spec.Kind]
	if turn == len(plan) {
		m.succeed()
		return
	}
	st := &m.d.State
	row := plan[turn]
	st.Turn, st.Phase, st.Tally = turn, row.phase, tally{}
	m.note("", phaseWords[row.phase])
	switch row.phase {
	case PhaseReadyWait:
		m.setStatus(StatusReady)
		st.WaitUntil = m.at
		if m.d.Spec.BlueGreen.ReadyAction == ReadyStop {
			st.WaitUntil = m.at.Add(time.Duration(m.d.Spec.BlueGreen.ReadyWaitMinutes) * time.Minute)
		}
	case PhaseTerminationWait:
		switch {
		case m.d.Spec.Keeps() && m.d.Spec.Copies():
			m.enter(turn + 1) // its hooks are taken away
			return
		case m.d.Spec.Keeps() || st.Originals == 0:
			m.enter(len(plan))
			return
		}
		st.TerminationWaitStarted = true
		st.WaitUntil = m.at.Add(time.Duration(m.d.Spec.BlueGreen.TerminationWaitMinutes) * time.Minute)
	case PhaseTerminate:
		m.effect(Effect{Key: m.key("", EffectTerminate)})
	case PhaseHoldBack, PhaseShift, PhaseMerge:
		if st.Originals == 0 {
			// Nobody to share with.
			m.enter(turn + 1)
			return
		}
		percent := 0
		if row.phase == PhaseShift {
			percent = m.d.Spec.Routing.next(0)
		}
		m.split(percent)
	default:
		st.Rerouted = st.Rerouted || row.phase == PhaseBlock
		st.Tally.Total = m.population(row)
		st.Tally.Minimum = m.d.Spec.minimum(st.Tally.Total, st.Spared)
		if m.d.zoned() && !m.enterZone(0) {
			return
		}
		switch {
		case st.Tally.Total == 0:
			m.enter(turn + 1)
		case m.nextTurn == turn:
			m.proceed()
		default:
			st.Pump = true
		}
	}
}

// population is how many targets a stage is for. A reroute takes the replacements that became Ready.
func (m *machine) population(row stage) int {
	switch {
	case row.phase == PhaseReroute || row.phase == PhaseSettle:
		return m.d.State.Overview.Ready
	case row.lane == LaneReplacement:
		return m.d.State.Replacements
	default:
		return m.d.State.Originals
	}
}

// proceed starts what may start, or goes on when the stage is over.
func (m *machine) proceed() {
	st := &m.d.State
	if st.Status.Terminal() {
		return
	}
	if st.Ending != nil {
		if st.Tally.InFlight == 0 {
			m.finish()
		}
		return
	}
	row := m.d.stageRow()
	if len(row.events) == 0 {
		return
	}
	if st.Tally.over() {
		if st.Tally.good(row.rule) {
			m.enter(st.Turn + 1)
			return
		}
		m.endUnhealthy()
		return
	}
	if m.d.zoned() && st.ZoneTally.over() && !m.leaveZone() {
		return
	}
	if m.nextTurn != st.Turn {
		m.next = nil
	}
	started := 0
	for ; started < len(m.next) && m.d.slots(row.rule) > 0; started++ {
		m.start(cloneTarget(m.next[started]))
	}
	m.next = m.next[started:]
	// More may start than one transition starts.
	st.Pump = m.d.slots(row.rule) > 0
}

// start begins the present stage for a target.
func (m *machine) start(t Target) {
	st := &m.d.State
	t.Turn, t.Cursor = st.Turn, firstEvent(m.d.Spec.Kind, st.Turn)
	m.count(func(n *tally) { n.Started++; n.InFlight++ })
	st.Touched = true
	m.setTarget(&t, TargetInProgress)
	m.effect(Effect{Key: m.key(t.ID, EffectHold), Hold: &Hold{Host: t.Host, Since: m.at}})
	m.run(&t)
	m.t.targets = append(m.t.targets, t)
}

// run begins the event at the target's cursor.
func (m *machine) run(t *Target) {
	ev := t.Current()
	t.Running, t.Acknowledged, t.Delivery = true, false, 0
	t.Attempt++
	t.UpdatedAt = m.at
	if ev.Name.doer() == byAgent {
		t.DueAt = m.at.Add(m.pickUp(t))
		m.effect(Effect{Key: m.key(t.ID, EffectCommand), Command: &Command{Account: t.Account, Host: t.Host, Event: ev.Name, Attempt: t.Attempt}})
		return
	}
	t.DueAt = m.at.Add(EventLimit)
	ev.Status, ev.StartedAt = EventInProgress, m.at
	m.order(t, ev.Name == AllowTraffic)
}

// pickUp is how long the target's agent may take to ask for the running event. An instance that was just launched is still booting when its
// first event waits.
func (m *machine) pickUp(t *Target) time.Duration {
	if m.d.Spec.Creator == CreatorAutoScaling && t.Attempt == 1 {
		return EventLimit
	}
	return PickUpLimit
}

// order gives the load balancer an order about the target.
func (m *machine) order(t *Target, in bool) {
	t.Order = m.generation()
	o := &Traffic{Account: t.Account, Instance: t.ID, TargetGroups: m.d.Spec.LoadBalancer.Names(), In: in, Generation: t.Order}
	if t.Lane == LaneReplacement {
		o.Environment = m.d.environment()
	}
	m.effect(Effect{Key: m.key(t.ID, EffectTraffic), Traffic: o})
}

func (m *machine) onAcknowledged(e Acknowledged) (Transition, error) {
	t := m.target
	if t == nil || !t.Running || t.Attempt != e.Attempt || t.Current().Name.doer() != byAgent {
		return refuse(ReasonStale, "the command is over")
	}
	if t.Acknowledged {
		if t.Delivery != e.Delivery {
			return refuse(ReasonStale, "the command was handed out twice and runs already")
		}
		return Transition{}, nil
	}
	m.wrote = true
	if m.d.State.Ending != nil {
		m.t.outcome = OutcomeDropped
		m.drop(t)
		return m.done()
	}
	ev := t.Current()
	ev.Status, ev.StartedAt = EventInProgress, m.at
	t.Acknowledged, t.Delivery = true, e.Delivery
	t.DueAt, t.UpdatedAt = m.at.Add(EventLimit), m.at
	m.effect(Effect{Key: m.key(t.ID, EffectCommand), Command: &Command{Account: t.Account, Host: t.Host, Event: ev.Name, Attempt: t.Attempt, Acknowledged: true}})
	return m.done()
}

func (m *machine) onCompleted(e Completed) (Transition, error) {
	t := m.target
	if t == nil || !t.Running || t.Attempt != e.Attempt || t.Current().Name.doer() != byAgent || t.Acknowledged && t.Delivery != e.Delivery {
		return refuse(ReasonStale, "the command is over")
	}
	m.wrote = true
	m.result(t, e.Succeeded, e.Diagnostics)
	return m.done()
}

func (m *machine) onTraffic(generation int64, ok bool, reason string) (Transition, error) {
	t := m.target
	if t == nil || t.Order != generation {
		return refuse(ReasonStale, "the traffic order is over")
	}
	m.wrote = true
	t.Order = 0
	m.clear(t.ID, EffectTraffic)
	if !t.Running || t.Current().Name.doer() != byBalancer || m.d.State.Status.Terminal() {
		return m.done() // an order that no event waits for
	}
	d := Diagnostics{ErrorCode: DiagnosticsSuccess}
	if !ok {
		d = Diagnostics{ErrorCode: DiagnosticsUnknownError, Message: reason}
	}
	m.result(t, ok, d)
	return m.done()
}

// onTrafficDelayed remembers what a traffic order waits for, so that a reader sees it.
func (m *machine) onTrafficDelayed(e TrafficDelayed) (Transition, error) {
	t := m.target
	if t == nil || t.Order != e.Generation || !t.Running || t.Current().Name.doer() != byBalancer {
		return refuse(ReasonStale, "no event waits for the traffic order")
	}
	slow := SlowTraffic{t.ID, t.Current().Name, e.Why}
	if known := m.d.State.SlowTraffic; known != nil && *known == slow {
		return refuse(ReasonStale, "it is known already")
	}
	m.d.State.SlowTraffic = &slow
	m.line(Line{Target: t.ID, Event: slow.Event, Text: slow.text()})
	return m.done()
}

func (m *machine) onTargetDue(e TargetDue) (Transition, error) {
	t := m.target
	if t == nil || !t.Running || t.DueAt.IsZero() || m.at.Before(t.DueAt) {
		return refuse(ReasonStale, "nothing of the target is due")
	}
	m.wrote = true
	ev := t.Current()
	d := Diagnostics{ErrorCode: DiagnosticsUnknownError}
	switch {
	case ev.Name.doer() == byBalancer:
		d.Message = fmt.Sprintf("%s was not done within %s: the load balancer never showed instance %s as %s; check its health check and its address.", ev.Name, EventLimit, t.ID, balancerGoal[ev.Name])
		if slow := m.d.State.SlowTraffic; slow != nil && slow.Target == t.ID {
			d.Message = fmt.Sprintf("%s was not done within %s: %s.", ev.Name, EventLimit, slow.Why)
		}
	case t.Acknowledged:
		d.Message = fmt.Sprintf("%s ran for more than %s without a result from the agent on instance %s; check the agent's log there.", ev.Name, EventLimit, t.ID)
	case m.d.State.Ending != nil:
		m.drop(t)
		return m.done()
	case e.HeldBy != "":
		t.DueAt = m.at.Add(m.pickUp(t))
		m.line(Line{Target: t.ID, Event: ev.Name, Text: fmt.Sprintf("%s waits: deployment %s has the host of instance %s", ev.Name, e.HeldBy, t.ID)})
		return m.done()
	default:
		ev.StartedAt = t.DueAt.Add(-m.pickUp(t))
		d.Message = fmt.Sprintf("CodeDeploy agent was not able to receive the lifecycle event. Check the CodeDeploy agent logs on your host and make sure the agent is running and can connect to the CodeDeploy server. (The agent of instance %s, %s, did not ask for %s within %s.)", t.ID, t.Host, ev.Name, m.pickUp(t))
	}
	m.result(t, false, d)
	return m.done()
}

// onRecall takes a command back. An agent that asks to run it afterwards is told not to.
func (m *machine) onRecall() (Transition, error) {
	t := m.target
	if t == nil || m.d.State.Ending == nil || !t.Running || t.Acknowledged || t.Current().Name.doer() != byAgent {
		return refuse(ReasonStale, "there is no command to take back")
	}
	m.wrote = true
	m.drop(t)
	return m.done()
}

var balancerGoal = map[EventName]string{AllowTraffic: "healthy", BlockTraffic: "drained"}

// result ends the running event of a target and goes on.
func (m *machine) result(t *Target, ok bool, d Diagnostics) {
	ev := t.Current()
	if ev.StartedAt.IsZero() {
		ev.StartedAt = m.at // a report without an acknowledgement before it
	}
	ev.EndedAt, ev.Diagnostics = m.at, &d
	if slow := m.d.State.SlowTraffic; slow != nil && slow.Target == t.ID {
		m.d.State.SlowTraffic = nil
	}
	t.Running, t.Acknowledged, t.Delivery, t.DueAt, t.UpdatedAt = false, false, 0, time.Time{}, m.at
	if ev.Name.doer() == byAgent {
		m.clear(t.ID, EffectCommand)
	}
	ev.Status = EventSucceeded
	if !ok {
		ev.Status = EventFailed
	}
	m.line(Line{Target: t.ID, Event: ev.Name, From: string(EventInProgress), To: string(ev.Status), Text: eventText(t.ID, ev.Name, ok, d)})
	tolerated := m.d.Spec.IgnoreApplicationStopFailures && ev.Name.toleratedByStopFailures()
	if ok || tolerated {
		m.advance(t)
	} else {
		m.failTarget(t, ev.Name, d)
	}
	m.proceed()
}

func eventText(target string, e EventName, ok bool, d Diagnostics) string {
	if ok {
		return fmt.Sprintf("%s succeeded on instance %s", e, target)
	}
	return fmt.Sprintf("%s failed on instance %s: %s: %s", e, target, d.ErrorCode, d.Message)
}

// advance moves a target past an event that succeeded or is tolerated.
func (m *machine) advance(t *Target) {
	t.Cursor++
	row := m.d.stageRow()
	through := t.Cursor == firstEvent(m.d.Spec.Kind, m.d.State.Turn)+len(row.events)
	switch {
	case through:
		m.count(func(n *tally) { n.InFlight--; n.Done++ })
		m.setTarget(t, row.after)
		m.clear(t.ID, EffectHold)
		m.learn(t, true)
		m.healed(t)
	case m.d.State.Ending != nil:
		m.leave(t)
	default:
		m.run(t)
	}
}

// drop takes back a command that was not taken in time to matter: the deployment is ending.
func (m *machine) drop(t *Target) {
	t.Running, t.DueAt = false, time.Time{}
	m.clear(t.ID, EffectCommand)
	m.leave(t)
	m.proceed()
}

// leave takes a target out of an ending deployment, between two events. When some were done already it is in no state to rely on, perhaps out
// of traffic: the next deployment takes it first.
func (m *machine) leave(t *Target) {
	m.count(func(n *tally) { n.InFlight-- })
	m.setTarget(t, TargetSkipped)
	m.clear(t.ID, EffectHold)
	if t.Cursor > firstEvent(m.d.Spec.Kind, m.d.State.Turn) {
		m.learn(t, false)
	}
}

func (m *machine) failTarget(t *Target, e EventName, d Diagnostics) {
	st := &m.d.State
	m.count(func(n *tally) { n.InFlight--; n.Failed++ })
	m.setTarget(t, TargetFailed)
	m.clear(t.ID, EffectHold)
	m.learn(t, false)
	if len(st.Failures) < maxFailures {
		st.Failures = append(st.Failures, Failure{Target: t.ID, Event: e, Code: d.ErrorCode, Message: d.Message})
	}
	if e == AllowTraffic {
		// It must not begin to serve later, behind the deployment's back.
		m.order(t, false)
	}
	if st.Ending == nil && m.d.broken(m.d.stageRow().rule) {
		m.endUnhealthy()
	}
}

func (m *machine) onTerminated(e Terminated) (Transition, error) {
	if m.d.State.Phase != PhaseTerminate {
		return refuse(ReasonStale, "nothing is being terminated")
	}
	m.clear("", EffectTerminate)
	m.d.State.Messages = append(m.d.State.Messages, e.Notes...)
	for _, n := range e.Notes {
		m.note("", n)
	}
	m.enter(m.d.State.Turn + 1)
	return m.done()
}
