package explain

import (
	"fmt"

	"crossfade/internal/deploy"
	"crossfade/internal/wire/control"
)

// arithmeticOf counts the stage in which targets failed.
func arithmeticOf(in Input, stage Stage, env string) Arithmetic {
	a := Arithmetic{Stage: stage, Environment: env}
	for _, t := range in.Targets {
		if environment(t) != env || stage == StageReroute && !installed(t) {
			continue
		}
		a.Total++
		failed, isFailed := failedEvent(t)
		switch {
		case isFailed && stageOf(t, value(failed.LifecycleEventName)) == stage:
			a.Failed++
		case through(t, stage):
			a.Succeeded++
		default:
			a.Rest++
		}
	}
	counts := fmt.Sprintf("%s = %d succeeded + %d failed + %d not finished or not started", counted(a.Total, "instance", "instances"), a.Succeeded, a.Failed, a.Rest)
	if stage == StageBlock || stage == StageWithdraw {
		a.Needed = new(a.Total)
		a.Sentence = counts + "; none may fail here."
		return a
	}
	name := value(in.Info.DeploymentConfigName)
	if in.Config == nil || in.Config.MinimumHealthyHosts == nil {
		a.Sentence = fmt.Sprintf("%s; the minimum is not known, because deployment config %s is gone.", counts, name)
		return a
	}
	if in.Info.Creator != nil && *in.Info.Creator != control.DeploymentCreatorUser && *in.Info.Creator != control.DeploymentCreatorCodeDeployRollback ||
		value(in.Info.UpdateOutdatedInstancesOnly) {
		// Instances of the group that the deployment leaves alone count among the healthy ones, and the API does not show them.
		a.Sentence = counts + "; the instances that it left alone count for the minimum too."
		return a
	}
	m := in.Config.MinimumHealthyHosts
	h := deploy.HealthyHosts{Type: string(value(m.Type)), Value: int(value(m.Value))}
	minimum := h.Minimum(a.Total)
	if stage == StageRestore {
		minimum = min(minimum, a.Total)
	}
	needed := max(1, minimum)
	a.Needed = &needed
	a.Sentence = fmt.Sprintf("%s; config %s (%s %d) needs %d of %d healthy%s", counts, name, h.Type, h.Value, needed, a.Total, verdict(a, minimum, needed))
	if z := in.Config.ZonalConfig; z != nil && z.MinimumHealthyHostsPerZone != nil && stage == StageDeploy {
		p := z.MinimumHealthyHostsPerZone
		a.Sentence += fmt.Sprintf(" In each zone it needs %s %d as well.", value(p.Type), value(p.Value))
	}
	return a
}

// verdict draws the conclusion, as the health rule does: an instance that fails is not healthy any more, and taking the next one must leave
// the minimum.
func verdict(a Arithmetic, minimum, needed int) string {
	left := a.Total - a.Failed
	switch {
	case a.Rest == 0 && a.Succeeded < needed:
		return fmt.Sprintf(", and only %d succeeded.", a.Succeeded)
	case a.Rest > 0 && a.Failed > 0 && left <= minimum:
		return fmt.Sprintf("; %d - %d failed = %d are left, so none of the others could be taken out of service.", a.Total, a.Failed, left)
	default:
		return fmt.Sprintf(", so at most %d may fail.", max(0, a.Total-needed))
	}
}

// installed reports whether a replacement got through its installation and so takes part in the reroute.
func installed(t control.InstanceTarget) bool { return through(t, StageInstall) }

// through reports whether the target got past every event of the stage. A failed event that did not fail the target was tolerated.
func through(t control.InstanceTarget, stage Stage) bool {
	failed, isFailed := failedEvent(t)
	if isFailed && stageOf(t, value(failed.LifecycleEventName)) == stage {
		return false
	}
	found := false
	for _, e := range t.LifecycleEvents {
		if stageOf(t, value(e.LifecycleEventName)) != stage {
			continue
		}
		found = true
		if s := value(e.Status); s != control.LifecycleEventStatusSucceeded && s != control.LifecycleEventStatusFailed {
			return false
		}
	}
	return found
}
