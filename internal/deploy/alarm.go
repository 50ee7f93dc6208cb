package deploy

import (
	"fmt"
	"strings"
)

// Watches reports whether the settings name alarms that are to be looked at.
func (a *AlarmSettings) Watches() bool { return a != nil && a.Enabled && len(a.Names) > 0 }

// watch begins to look at the alarms. A rollback looks at none: it must succeed while the alarm is still raised.
func (m *machine) watch() {
	spec := m.d.Spec
	if !spec.Watch.Watches() || spec.RollbackOf != "" || spec.Beside() {
		return
	}
	m.effect(Effect{Key: m.key("", EffectWatch), Watch: &Watch{Names: spec.Watch.Names, IgnorePollFailure: spec.Watch.IgnorePollFailure}})
}

// onAlarm stops the deployment, for good, whatever the alarm does next. Past the termination wait it is too late.
func (m *machine) onAlarm(err ErrorInfo) (Transition, error) {
	if m.d.State.Ending != nil || m.d.State.Phase == PhaseTerminate {
		return refuse(ReasonStale, "the deployment is past the point where an alarm stops it")
	}
	m.clear("", EffectWatch)
	m.end(StatusStopped, err, RollbackOnAlarm)
	return m.done()
}

func alarmActive(names []string) ErrorInfo {
	return ErrorInfo{CodeAlarmActive, fmt.Sprintf("One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the affected deployments have been stopped. Activated alarms: <%s>", strings.Join(names, "> <"))}
}
