package deploy

import (
	"fmt"
	"time"
)

// The time limits of deployments (user guide, quotas and troubleshooting).
const (
	PickUpLimit  = 5 * time.Minute // an event not taken by the agent
	EventLimit   = time.Hour       // an event that runs, also a load balancer's
	inPlaceLimit = 8 * time.Hour
	// resolveLimit is how long finding the instances and the revision may take, a copied Auto Scaling group and a download included.
	resolveLimit = 90 * time.Minute
	// blueGreenLimit is two waits of 48 hours and 13 events of an hour.
	blueGreenLimit = 109 * time.Hour
	// shiftLimit is the longest shift in steps that a deployment config can ask for.
	shiftLimit = 48 * time.Hour
)

func (k Kind) limit() time.Duration {
	if k == KindBlueGreenShift {
		return blueGreenLimit + shiftLimit
	}
	if k.BlueGreen() {
		return blueGreenLimit
	}
	return inPlaceLimit
}

// moment is what ContinueDeployment distinguishes in a deployment's life.
type moment int

const (
	momentOver moment = iota
	momentBroken
	momentStopping
	momentWorking // created, installing, rerouting, blocking: anything without a wait
	momentReady
	momentTerminationWait
	momentTerminating
)

// answer is what ContinueDeployment does at a moment.
type answer int

const (
	invalidStatus answer = iota // also of a wait that is not in the table
	completed
	notReady
	accept
	alreadyDone // 200 without an effect
)

// continueAnswers is the state table of ContinueDeployment; the platform gate comes before it.
var continueAnswers = map[moment]map[Wait]answer{
	momentOver:            {ReadyWait: completed, TerminationWait: completed},
	momentBroken:          {ReadyWait: invalidStatus, TerminationWait: invalidStatus},
	momentStopping:        {ReadyWait: notReady, TerminationWait: notReady},
	momentWorking:         {ReadyWait: notReady, TerminationWait: notReady},
	momentReady:           {ReadyWait: accept, TerminationWait: invalidStatus},
	momentTerminationWait: {ReadyWait: notReady, TerminationWait: accept},
	momentTerminating:     {ReadyWait: notReady, TerminationWait: alreadyDone},
}

func (d Deployment) moment() moment {
	switch {
	case d.State.Status.Terminal():
		return momentOver
	case !d.sound():
		return momentBroken
	case d.State.Ending != nil:
		return momentStopping
	case d.State.Phase == PhaseReadyWait:
		return momentReady
	case d.State.Phase == PhaseTerminationWait:
		return momentTerminationWait
	case d.State.Phase == PhaseTerminate:
		return momentTerminating
	default:
		return momentWorking
	}
}

// sound reports whether the state is one that this package can have made.
func (d Deployment) sound() bool {
	plan, ok := plans[d.Spec.Kind]
	if !ok {
		return false
	}
	if d.State.Status.Terminal() {
		return d.State.Phase == PhaseDone
	}
	return d.State.Turn >= 0 && d.State.Turn < len(plan) && plan[d.State.Turn].phase == d.State.Phase && len(statusMoves[d.State.Status]) > 0
}

// onContinue is ContinueDeployment.
func (m *machine) onContinue(e Continue) (Transition, error) {
	id := m.d.Spec.ID
	if !m.d.Spec.Kind.Replaces() {
		return refuse(ReasonUnsupported, fmt.Sprintf("Deployment %s is %s and never waits: only blue/green deployments can be continued.", id, kindWords[m.d.Spec.Kind]))
	}
	switch continueAnswers[m.d.moment()][e.Wait] {
	case accept:
	case alreadyDone:
		return Transition{}, nil
	case notReady:
		return refuse(ReasonNotReady, fmt.Sprintf("Deployment %s has no %s to end now: it is %s (%s).", id, e.Wait, m.d.State.Status, m.d.where()))
	case invalidStatus:
		return refuse(ReasonInvalidStatus, fmt.Sprintf("Deployment %s can't end a %s in its present status: it is %s (%s).", id, e.Wait, m.d.State.Status, m.d.where()))
	case completed:
		return refuse(ReasonCompleted, fmt.Sprintf("Deployment %s is already completed: it is %s.", id, m.d.State.Status))
	}
	m.note("", fmt.Sprintf("%s ended by ContinueDeployment of %s", e.Wait, e.By))
	m.endWait()
	return m.done()
}

// endWait goes on after a wait.
func (m *machine) endWait() {
	m.d.State.WaitUntil = time.Time{}
	if m.d.State.Phase == PhaseReadyWait {
		m.setStatus(StatusInProgress)
	}
	m.enter(m.d.State.Turn + 1)
}

// onWake looks at every deadline of the deployment's own.
func (m *machine) onWake() (Transition, error) {
	st := &m.d.State
	if st.WakeAt.IsZero() || m.at.Before(st.WakeAt) {
		return refuse(ReasonStale, "the deployment wants no wake-up yet")
	}
	due := !st.WaitUntil.IsZero() && !m.at.Before(st.WaitUntil)
	limit := m.d.Spec.Kind.limit()
	switch {
	case !m.at.Before(m.d.begun().Add(limit)) && st.Phase != PhaseTerminate:
		m.end(StatusFailed, ErrorInfo{CodeTimeout, fmt.Sprintf("The deployment did not end within %s, the longest that one of its kind may take; it was at %s.", limit, m.d.where())}, RollbackOnFailure)
	case st.Phase == PhaseResolve && !m.at.Before(m.d.begun().Add(resolveLimit)):
		why := st.Delay
		if why == "" {
			why = "nobody answered."
		}
		m.end(StatusFailed, ErrorInfo{CodeTimeout, fmt.Sprintf("The deployment's instances and revision could not be found out within %s: %s", resolveLimit, why)}, "")
	case due && st.Phase == PhaseReadyWait && m.d.Spec.BlueGreen.ReadyAction == ReadyStop:
		minutes := m.d.Spec.BlueGreen.ReadyWaitMinutes
		m.end(StatusStopped, ErrorInfo{CodeTimeout, fmt.Sprintf("The replacement environment was Ready, but ContinueDeployment was not called within the %d minutes that the deployment group allows, so the deployment was stopped; the original environment keeps serving.", minutes)}, "")
	case due && st.Phase == PhaseDeploy:
		m.endMonitor()
	case due && st.Phase == PhaseShift:
		st.WaitUntil = time.Time{}
		m.split(m.d.Spec.Routing.next(st.Percent))
	case due:
		m.note("", fmt.Sprintf("%s is over", m.d.where()))
		m.endWait()
	case st.SplitOrder != 0 && !m.at.Before(st.SplitAt.Add(EventLimit)):
		m.splitLate()
	case st.Pump:
		st.Pump = false
		started := st.Tally.Started
		m.proceed()
		if st.Pump && st.Tally.Started == started {
			// Rather a failure that says so than a deployment that wakes itself for ever.
			m.end(StatusFailed, ErrorInfo{CodeInternal, fmt.Sprintf("No target of deployment %s was left to start while %s, although %d should be.", m.d.Spec.ID, m.d.where(), st.Tally.unstarted())}, RollbackOnFailure)
		}
	}
	return m.done()
}

var kindWords = map[Kind]string{
	KindInPlace:           "an in-place deployment",
	KindInPlaceTraffic:    "an in-place deployment",
	KindBlueGreen:         "a blue/green deployment",
	KindBlueGreenRollback: "a rollback",

	KindBlueGreenShift:         "a blue/green deployment",
	KindBlueGreenShiftRollback: "a rollback",
	KindRetire:                 "a termination deployment",
	KindRetireTraffic:          "a termination deployment",
}

var phaseWords = map[Phase]string{
	PhaseResolve:         "finding its instances",
	PhaseDeploy:          "deploying",
	PhaseInstall:         "installing on the replacement environment",
	PhaseReadyWait:       "the ready wait",
	PhaseHoldBack:        "keeping traffic away from the replacement environment",
	PhaseReroute:         "rerouting traffic to the replacement environment",
	PhaseShift:           "shifting traffic to the replacement environment in steps",
	PhaseSettle:          "settling the replacement environment",
	PhaseMerge:           "ending the sharing of requests between the environments",
	PhaseBlock:           "taking the original environment out of traffic",
	PhaseTerminationWait: "the termination wait",
	PhaseTerminate:       "terminating the original environment",
	PhaseRestore:         "giving the original environment its traffic back",
	PhaseWithdraw:        "taking the replacement environment out of traffic",
	PhaseRetire:          "stopping the application",
	PhaseDone:            "done",
}

// where says in words what the deployment is doing.
func (d Deployment) where() string {
	switch {
	case d.State.Ending != nil && !d.State.Status.Terminal():
		return "ending, while lifecycle events under way finish"
	case d.State.Waiting:
		return "waiting for its turn in the deployment group"
	case d.zoned() && d.State.Phase == PhaseDeploy && !d.State.WaitUntil.IsZero():
		return "watching " + d.State.Zones[d.State.Zone].String()
	}
	return phaseWords[d.State.Phase]
}
