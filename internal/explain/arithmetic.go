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
	config := value(in.Info.DeploymentConfigName)
	counts := fmt.Sprintf("%d instances = %d succeeded + %d failed + %d not finished or not started", a.Total, a.Succeeded, a.Failed, a.Rest)
	switch {
	case stage == StageBlock || stage == StageWithdraw:
		a.Needed = new(a.Total)
		a.Sentence = counts + "; none may fail here"
	case in.Minimum == nil:
		a.Sentence = fmt.Sprintf("%s; the minimum is not known, because deployment config %s is gone", counts, config)
	default:
		h := deploy.HealthyHosts{Type: string(value(in.Minimum.Type)), Value: int(value(in.Minimum.Value))}
		minimum := h.Minimum(a.Total)
		if stage == StageRestore {
			minimum = min(minimum, a.Total)
		}
		needed := max(1, minimum)
		a.Needed = &needed
		a.Sentence = fmt.Sprintf("%s; config %s (%s %d) needs %d of %d healthy, so at most %d may fail", counts, config, h.Type, h.Value, needed, a.Total, max(0, a.Total-needed))
	}
	return a
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
