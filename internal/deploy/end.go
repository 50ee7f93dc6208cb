package deploy

import (
	"fmt"
	"strings"
	"time"
)

// onStop is StopDeployment.
func (m *machine) onStop(e Stop) (Transition, error) {
	st := m.d.State
	switch {
	case st.Status == StatusStopped:
		return refuse(ReasonStopped, fmt.Sprintf("Deployment %s is already stopped.", m.d.Spec.ID))
	case st.Status.Terminal():
		return refuse(ReasonCompleted, fmt.Sprintf("Deployment %s is already completed: it is %s.", m.d.Spec.ID, st.Status))
	case st.Phase == PhaseTerminate:
		return refuse(ReasonCompleted, fmt.Sprintf("Deployment %s is past the point where it can be stopped: its original environment is being terminated.", m.d.Spec.ID))
	case st.Ending != nil:
		return Transition{}, nil
	}
	m.note("", fmt.Sprintf("stop requested by %s", e.By))
	on := RollbackOnRequest
	if e.Rollback != nil {
		on = map[bool]string{true: always, false: ""}[*e.Rollback]
	}
	m.end(StatusStopped, ErrorInfo{CodeManualStop, fmt.Sprintf("The deployment was stopped by %s while %s.", e.By, m.d.where())}, on)
	return m.done()
}

func (m *machine) onAbandon(e Abandon) (Transition, error) {
	status := StatusStopped
	if m.d.State.Status == StatusCreated || m.d.State.Status == StatusQueued {
		status = StatusFailed
	}
	if m.d.State.Ending != nil {
		return Transition{}, nil
	}
	m.end(status, e.Error, "")
	return m.done()
}

// always is the rollback event of a StopDeployment that asks for one whatever the configuration says.
const always = "ALWAYS"

// end makes the deployment end as soon as nothing is in flight; that may be now. `on` is the event that may roll it back, empty: none.
func (m *machine) end(status Status, err ErrorInfo, on string) {
	st := &m.d.State
	st.Pump, st.WaitUntil = false, time.Time{}
	m.t.ending = true
	st.Ending = &Ending{Status: status, Error: err, Rollback: on == always || on != "" && m.d.Spec.AutoRollback.On(on)}
	m.note("", fmt.Sprintf("ending as %s: %s: %s", status, err.Code, err.Message))
	if st.Tally.InFlight == 0 {
		m.finish()
	}
}

// endUnhealthy fails the deployment for its targets' failures and says which they were.
func (m *machine) endUnhealthy() {
	st := m.d.State
	var b strings.Builder
	b.WriteString("The overall deployment failed because too many individual instances failed deployment, too few healthy instances are available for deployment, or some instances in your deployment group are experiencing problems.")
	fmt.Fprintf(&b, " While %s, %d of %d instances failed, %d succeeded", m.d.where(), st.Tally.Failed, st.Tally.Total, st.Tally.Done)
	if z := st.ZoneTally; m.d.zoned() && z.Done+z.InFlight+z.unstarted() <= z.Minimum {
		fmt.Fprintf(&b, "; in %s %d of %d failed and minimumHealthyHostsPerZone needs %d", st.Zones[st.Zone], z.Failed, z.Total, z.Minimum)
		if others := st.Zones[st.Zone]; others.Others > others.Healthy {
			fmt.Fprintf(&b, " of them, since %d other instances there are unhealthy", others.Others-others.Healthy)
		}
	}
	switch r := m.d.stageRow().rule; r {
	case ruleMinimum, ruleRestore:
		fmt.Fprintf(&b, "; config %s needs %d", m.d.Spec.Config, st.Tally.needed(r))
		if left := st.Tally.unstarted(); left > 0 {
			fmt.Fprintf(&b, ", so none of the %d that had not begun could be taken out of service", left)
		}
	case ruleAll, ruleWithdraw:
		b.WriteString("; none may fail here")
	}
	for i, f := range st.Failures {
		sep := "."
		if i > 0 {
			sep = ";"
		}
		fmt.Fprintf(&b, "%s %s at %s: %s: %s", sep, f.Target, f.Event, f.Code, f.Message)
	}
	m.end(StatusFailed, ErrorInfo{CodeHealthConstraints, b.String()}, RollbackOnFailure)
}

// finish makes the end that was decided the deployment's end.
func (m *machine) finish() {
	st := &m.d.State
	ending := *st.Ending
	reroutedFully := st.Rerouted
	began := st.Turn >= turnOf(m.d.Spec.Kind, PhaseReroute)
	if turn := turnOf(m.d.Spec.Kind, PhaseHoldBack); turn >= 0 {
		began = st.Turn >= turn
	}
	st.Error = &ending.Error
	m.setStatus(ending.Status)
	if ending.Rollback {
		m.rollback(began)
	}
	if reroutedFully && m.t.spawn == nil && m.d.Spec.Kind.Replaces() {
		// Ended after the reroute, and no rollback: the replacement keeps the traffic, so it is the group's environment.
		m.adopt()
	}
	m.close()
}

func (m *machine) succeed() {
	m.setStatus(StatusSucceeded)
	m.close()
	if m.d.Spec.Beside() {
		return
	}
	if m.d.Spec.Kind.routesBack() && m.d.Spec.Previous == nil {
		return // what serves again was never deployed, so the group still has had no success
	}
	g := m.groupChange()
	g.LastSuccessful = m.ref()
	g.TargetRevision = &m.d.Spec.Revision
	if m.d.Spec.Kind.Replaces() {
		m.adopt()
	}
}

// adopt makes the replacement the group's environment: its instances, or the Auto Scaling group that was made for it.
func (m *machine) adopt() {
	g := m.groupChange()
	if m.d.Spec.Copies() {
		// The group's own selection says it again, whatever an earlier deployment with other provisioning left there.
		g.AutoScalingGroups, g.Environment = []string{m.d.Spec.CopyName()}, new(string)
		return
	}
	g.Environment = &m.d.Spec.ID
}

// close is what every end has in common.
func (m *machine) close() {
	st := &m.d.State
	st.Phase, st.CompletedAt, st.Pump, st.WaitUntil = PhaseDone, m.at, false, time.Time{}
	m.t.clearAll = true
	if rest := st.Overview.Pending + st.Overview.InProgress + st.Overview.Ready; rest > 0 {
		m.t.skipRest = true
		st.Overview.Skipped += rest
		st.Overview.Pending, st.Overview.InProgress, st.Overview.Ready = 0, 0, 0
	}
	m.rememberAttempt()
}

func (m *machine) groupChange() *GroupChange {
	if m.t.group == nil {
		m.t.group = &GroupChange{GroupID: m.d.Spec.GroupID}
	}
	return m.t.group
}

func (m *machine) rememberAttempt() {
	if !m.d.Spec.Beside() {
		m.groupChange().LastAttempted = m.ref()
	}
}

func (m *machine) ref() *DeploymentRef {
	return &DeploymentRef{ID: m.d.Spec.ID, Status: m.d.State.Status, CreatedAt: m.d.Spec.CreatedAt, CompletedAt: m.d.State.CompletedAt}
}

// rollback brings the rollback deployment about, or says why there is none.
func (m *machine) rollback(rerouting bool) {
	spec := m.d.Spec
	why := ""
	switch {
	case spec.RollbackOf != "" || spec.RollbackID == "":
		return // a rollback is not rolled back
	case spec.Kind.Replaces() && !rerouting:
		why = "No rollback was needed because no traffic had been rerouted; the original environment keeps serving."
	case spec.Kind.Replaces() && m.d.State.Originals == 0:
		why = "No rollback was performed because there is no original environment to route traffic back to."
	case !spec.Kind.BlueGreen() && !m.d.State.Touched:
		why = "No rollback was needed because no instance had been touched."
	case !spec.Kind.BlueGreen() && spec.Previous == nil:
		why = "No rollback was performed because no previously successful revision exists."
	}
	if why != "" {
		m.d.State.Rollback = &RollbackInfo{Message: fmt.Sprintf("Deployment %s terminated. %s", spec.ID, why)}
		return
	}
	m.d.State.Rollback = &RollbackInfo{
		DeploymentID: spec.RollbackID,
		Message:      fmt.Sprintf("Deployment %s terminated. Automatic rollback is triggered with a DeploymentId %s.", spec.ID, spec.RollbackID),
	}
	back := spec
	back.ID, back.RollbackID, back.RollbackOf = spec.RollbackID, "", spec.ID
	back.Creator, back.Description = CreatorRollback, ""
	// The generation of traffic orders grows with the creation time, so it must grow in any case.
	back.CreatedAt = m.at
	if last := max(m.d.FirstGeneration(), m.d.State.Orders) >> 20; back.CreatedAt.UnixMilli() <= last {
		back.CreatedAt = time.UnixMilli(last + 1).UTC()
	}
	back.IgnoreApplicationStopFailures = true
	back.AutoRollback = nil
	back.UpdateOutdatedOnly, back.Root = false, ""
	if spec.Previous != nil {
		back.Revision, back.FileExists = spec.Previous.Revision, spec.Previous.FileExists
	}
	if kind, ok := rollbackOf[spec.Kind]; ok {
		back.Kind = kind
	}
	m.tell(MomentRollback, nil)
	t := New(back)
	m.t.spawn = &t
}
