package follow

import (
	"fmt"
	"slices"
	"strings"

	"crossfade/internal/explain"
	"crossfade/internal/wire/control"
)

// tell tells what was not told yet: the events in the order of their times, and the status, before them while the deployment goes on and
// after them when it has ended or waits.
func (f *Follower) tell(info control.DeploymentInfo, changed []control.InstanceTarget) error {
	var news []Event
	for _, t := range changed {
		news = append(news, f.news(t)...)
	}
	slices.SortStableFunc(news, func(a, b Event) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return strings.Compare(a.Instance, b.Instance)
	})
	status := *info.Status
	moved := status != f.status
	f.status = status
	if len(news) > 0 || moved {
		f.interval = Quick
	}
	if moved && status == control.DeploymentStatusInProgress {
		moved = false
		if err := f.Tell.Status(status); err != nil {
			return fmt.Errorf("tell the status: %w", err)
		}
	}
	for _, n := range news {
		if err := f.Tell.Event(n); err != nil {
			return fmt.Errorf("tell an event: %w", err)
		}
	}
	if moved {
		if err := f.Tell.Status(status); err != nil {
			return fmt.Errorf("tell the status: %w", err)
		}
	}
	if info.DeploymentOverview == nil || len(news) == 0 {
		return nil
	}
	return f.Tell.Progress(*info.DeploymentOverview)
}

// news are the beginnings and results of the target's events that were not told yet.
func (f *Follower) news(t control.InstanceTarget) []Event {
	var news []Event
	for _, e := range t.LifecycleEvents {
		if e.Status == nil || e.LifecycleEventName == nil {
			continue
		}
		key := *t.TargetId + " " + *e.LifecycleEventName
		n := Event{Instance: *t.TargetId, Name: *e.LifecycleEventName}
		if t.InstanceLabel != nil {
			n.Label = string(*t.InstanceLabel)
		}
		told := f.told[key]
		if told == "" && explain.Began(e) {
			n.Status = control.LifecycleEventStatusInProgress
			if e.StartTime != nil {
				n.At = e.StartTime.Time
			}
			news = append(news, n)
			f.told[key] = n.Status
		}
		ended := *e.Status == control.LifecycleEventStatusSucceeded || *e.Status == control.LifecycleEventStatusFailed
		if !ended || told == *e.Status {
			continue
		}
		n.Status = *e.Status
		if e.EndTime != nil {
			n.At = e.EndTime.Time
		}
		if *e.Status == control.LifecycleEventStatusFailed {
			n.Failure = new(explain.FailureOf(t, e))
		}
		news = append(news, n)
		f.told[key] = n.Status
	}
	return news
}
