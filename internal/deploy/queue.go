package deploy

import (
	"fmt"
	"time"
)

// NewWaiting makes a deployment that waits its turn behind another one of its group. It wants nothing until it is admitted.
func NewWaiting(spec Spec, behind string) Transition {
	m := newMachine(spec)
	m.d.State.Waiting = true
	m.note("", fmt.Sprintf("waits its turn: group %s has the unfinished deployment %s", spec.Group, behind))
	m.setStatus(StatusQueued)
	t, _ := m.done()
	return t
}

// onAdmit begins a deployment whose turn has come. What it takes over from the group is what the group has become meanwhile.
func (m *machine) onAdmit(e Admit) (Transition, error) {
	st := &m.d.State
	if !st.Waiting {
		return refuse(ReasonStale, fmt.Sprintf("Deployment %s does not wait its turn.", m.d.Spec.ID))
	}
	st.Waiting = false
	// Later than the deployment before it, so that its traffic orders count; that one may have been created in this very millisecond.
	st.AdmittedAt = m.at.Add(time.Millisecond)
	m.d.Spec.Environment, m.d.Spec.Previous = e.Environment, e.Previous
	if m.d.Spec.Follows && e.Previous != nil {
		m.d.Spec.Revision = e.Previous.Revision
	}
	if len(m.d.Spec.GroupSelection.AutoScalingGroups) > 0 && len(e.AutoScalingGroups) > 0 {
		m.d.Spec.GroupSelection.AutoScalingGroups = e.AutoScalingGroups
	}
	m.t.respecified = true
	m.note("", "its turn has come")
	m.effect(Effect{Key: m.key("", EffectResolve)})
	m.rememberAttempt()
	return m.done()
}
