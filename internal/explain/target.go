package explain

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/wire/control"
)

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func environment(t control.InstanceTarget) string {
	switch value(t.InstanceLabel) {
	case control.TargetLabelBlue:
		return original
	case control.TargetLabelGreen:
		return replacement
	default:
		return inPlace
	}
}

var (
	blocks = []deploy.EventName{deploy.BeforeBlockTraffic, deploy.BlockTraffic, deploy.AfterBlockTraffic}
	allows = []deploy.EventName{deploy.BeforeAllowTraffic, deploy.AllowTraffic, deploy.AfterAllowTraffic}
)

// stageOf is the stage that an event of a target belongs to. Both environments have allow and block events only where a rollback gives
// traffic back: there the original is allowed and the replacement blocked.
func stageOf(t control.InstanceTarget, event string) Stage {
	e := deploy.EventName(event)
	switch env := environment(t); {
	case env == inPlace:
		return StageDeploy
	case slices.Contains(allows, e) && env == original:
		return StageRestore
	case slices.Contains(allows, e):
		return StageReroute
	case slices.Contains(blocks, e) && env == replacement:
		return StageWithdraw
	case slices.Contains(blocks, e):
		return StageBlock
	default:
		return StageInstall
	}
}

// failedEvent is the event that failed the target: the last failed one, because earlier ones were tolerated.
func failedEvent(t control.InstanceTarget) (control.LifecycleEvent, bool) {
	if value(t.Status) != control.TargetStatusFailed {
		return control.LifecycleEvent{}, false
	}
	for _, e := range slices.Backward(t.LifecycleEvents) {
		if value(e.Status) == control.LifecycleEventStatusFailed {
			return e, true
		}
	}
	return control.LifecycleEvent{}, false
}

// currentEvent is what a target under way does or is to do: the first event that has not ended.
func currentEvent(t control.InstanceTarget) (control.LifecycleEvent, bool) {
	for _, e := range t.LifecycleEvents {
		if s := value(e.Status); s == control.LifecycleEventStatusInProgress || s == control.LifecycleEventStatusPending {
			return e, true
		}
	}
	return control.LifecycleEvent{}, false
}

// Rerouting reports whether the target shows that its deployment is past its Ready wait: traffic is being or was moved.
func Rerouting(t control.InstanceTarget) bool {
	for _, e := range t.LifecycleEvents {
		began := value(e.Status) != control.LifecycleEventStatusPending && value(e.Status) != control.LifecycleEventStatusSkipped
		if stage := stageOf(t, value(e.LifecycleEventName)); began && (stage == StageReroute || stage == StageBlock) {
			return true
		}
	}
	return false
}

// place is an instance in a stage.
type place struct {
	stage    Stage
	instance string
}

// placesOf numbers the instances of each stage in the order in which they were started.
func placesOf(targets []control.InstanceTarget) map[place]int {
	type begun struct {
		place
		at time.Time
	}
	var all []begun
	for _, t := range targets {
		seen := map[Stage]bool{}
		for _, e := range t.LifecycleEvents {
			if stage := stageOf(t, value(e.LifecycleEventName)); e.StartTime != nil && !seen[stage] {
				seen[stage] = true
				all = append(all, begun{place{stage, value(t.TargetId)}, e.StartTime.Time})
			}
		}
	}
	slices.SortFunc(all, func(a, b begun) int {
		return cmp.Or(strings.Compare(string(a.stage), string(b.stage)), a.at.Compare(b.at), strings.Compare(a.instance, b.instance))
	})
	places := map[place]int{}
	n := 0
	for i, b := range all {
		if n++; i > 0 && all[i-1].stage != b.stage {
			n = 1
		}
		places[b.place] = n
	}
	return places
}

// tailOf is the last lines of a log.
func tailOf(log string) []string {
	log = strings.TrimSpace(log)
	if log == "" {
		return nil
	}
	lines := strings.Split(log, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], "\r")
	}
	return lines[max(0, len(lines)-logLines):]
}
