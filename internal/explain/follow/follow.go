package follow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"crossfade/internal/explain"
	"crossfade/internal/wire/control"
)

// Goal is what is waited for.
type Goal string

// The goals.
const (
	Ready    Goal = "ready"    // the replacement environment is Ready, or the deployment is past that
	Rerouted Goal = "rerouted" // the termination wait has started, or the deployment succeeded
	Complete Goal = "complete" // the deployment succeeded
)

// Goals lists every goal.
func Goals() []Goal { return []Goal{Ready, Rerouted, Complete} }

// Outcome is how the waiting ended.
type Outcome string

// The outcomes. A deployment that failed or was stopped never counts as reached, wherever it was before.
const (
	Reached         Outcome = "reached"
	Failed          Outcome = "failed"
	Stopped         Outcome = "stopped"
	TimedOut        Outcome = "timedOut"
	WaitingApproval Outcome = "waitingForApproval"
)

// Interval is the time between two looks at the deployment.
const Interval = 250 * time.Millisecond

// callLimit bounds one look, also when the timeout is further away.
const callLimit = 30 * time.Second

// Reader reads deployments; see Client. Errors that may pass are told apart by what Client returns.
type Reader interface {
	Deployment(ctx context.Context, id string) (control.DeploymentInfo, error)
	TargetIDs(ctx context.Context, id string) ([]string, error)
	Targets(ctx context.Context, id string, ids []string) ([]control.InstanceTarget, error)
}

// Clock is the time. Sleep returns the context's error when it ends first.
type Clock struct {
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
}

// Event is the result of one lifecycle event on one instance.
type Event struct {
	At       time.Time
	Instance string
	Label    string // Blue, Green or empty
	Name     string
	Status   string // Succeeded or Failed
	Code     string
	Message  string
}

// Teller is told what happens, in order, in the goroutine of Follow. An error ends the following.
type Teller interface {
	Event(Event) error
	Status(control.DeploymentStatus) error
	// Approval says, once, that the deployment is Ready and goes on only when it is continued.
	Approval() error
	// Trouble says that the server can't be asked for now, and nil that it can again.
	Trouble(error) error
}

// Follower follows one deployment.
type Follower struct {
	Reader        Reader
	Clock         Clock
	Tell          Teller
	ID            string
	Goal          Goal
	Timeout       time.Duration
	NoWaitInReady bool // end with WaitingApproval instead of waiting on in Ready

	ids      []string
	over     map[string]control.InstanceTarget // targets that can't change any more
	told     map[string]bool                   // results told, by instance and event
	status   control.DeploymentStatus
	approval bool
	trouble  bool
}

// Follow returns how the waiting ended, and the deployment as last seen (zero when it never was). The error is a final refusal of the
// server, the teller's, or the context's.
func (f *Follower) Follow(ctx context.Context) (Outcome, control.DeploymentInfo, error) {
	f.over, f.told = map[string]control.InstanceTarget{}, map[string]bool{}
	end := f.Clock.Now().Add(f.Timeout)
	var last control.DeploymentInfo
	for {
		info, outcome, err := f.look(ctx, end)
		var may *passing
		switch {
		case ctx.Err() != nil:
			return "", last, ctx.Err()
		case errors.As(err, &may):
			if !f.trouble {
				f.trouble = true
				if err := f.Tell.Trouble(err); err != nil {
					return "", last, err
				}
			}
		case err != nil:
			return "", last, err
		default:
			last = info
			if outcome != "" {
				return outcome, last, nil
			}
		}
		left := end.Sub(f.Clock.Now())
		if left <= 0 {
			return TimedOut, last, nil
		}
		if err := f.Clock.Sleep(ctx, min(Interval, left)); err != nil {
			return "", last, err
		}
	}
}

// look reads the deployment first and then its targets, so that what the status says has happened is among the events.
func (f *Follower) look(ctx context.Context, end time.Time) (control.DeploymentInfo, Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, min(callLimit, max(Interval, end.Sub(f.Clock.Now()))))
	defer cancel()
	info, err := f.Reader.Deployment(ctx, f.ID)
	if err != nil {
		return info, "", err
	}
	targets, err := f.targets(ctx)
	if err != nil {
		return info, "", err
	}
	if f.trouble {
		f.trouble = false
		if err := f.Tell.Trouble(nil); err != nil {
			return info, "", err
		}
	}
	if err := f.tell(*info.Status, targets); err != nil {
		return info, "", err
	}
	outcome, err := f.judge(info, targets)
	return info, outcome, err
}

// targets reads those that can still change. A deployment's targets are found all at once, so they are listed once.
func (f *Follower) targets(ctx context.Context) ([]control.InstanceTarget, error) {
	if len(f.ids) == 0 {
		ids, err := f.Reader.TargetIDs(ctx, f.ID)
		if err != nil {
			return nil, err
		}
		f.ids = ids
	}
	var ask []string
	all := make([]control.InstanceTarget, 0, len(f.ids))
	for _, id := range f.ids {
		if t, ok := f.over[id]; ok {
			all = append(all, t)
		} else {
			ask = append(ask, id)
		}
	}
	if len(ask) == 0 {
		return all, nil
	}
	read, err := f.Reader.Targets(ctx, f.ID, ask)
	if err != nil {
		return nil, err
	}
	for _, t := range read {
		if t.Status == nil || t.TargetId == nil {
			continue
		}
		switch *t.Status {
		case control.TargetStatusSucceeded, control.TargetStatusFailed, control.TargetStatusSkipped:
			f.over[*t.TargetId] = t
		}
		all = append(all, t)
	}
	return all, nil
}

// tell tells the results that were not told yet, in the order of their ends, and then the status.
func (f *Follower) tell(status control.DeploymentStatus, targets []control.InstanceTarget) error {
	var news []Event
	for _, t := range targets {
		for _, e := range t.LifecycleEvents {
			if e.Status == nil || e.LifecycleEventName == nil || *e.Status != control.LifecycleEventStatusSucceeded && *e.Status != control.LifecycleEventStatusFailed {
				continue
			}
			key := *t.TargetId + " " + *e.LifecycleEventName
			if f.told[key] {
				continue
			}
			f.told[key] = true
			n := Event{Instance: *t.TargetId, Name: *e.LifecycleEventName, Status: string(*e.Status)}
			if e.EndTime != nil {
				n.At = e.EndTime.Time
			}
			if t.InstanceLabel != nil {
				n.Label = string(*t.InstanceLabel)
			}
			if d := e.Diagnostics; d != nil && *e.Status == control.LifecycleEventStatusFailed {
				if d.ErrorCode != nil {
					n.Code = string(*d.ErrorCode)
				}
				if d.Message != nil {
					n.Message = *d.Message
				}
			}
			news = append(news, n)
		}
	}
	slices.SortStableFunc(news, func(a, b Event) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return strings.Compare(a.Instance, b.Instance)
	})
	for _, n := range news {
		if err := f.Tell.Event(n); err != nil {
			return fmt.Errorf("tell an event: %w", err)
		}
	}
	if status == f.status {
		return nil
	}
	f.status = status
	return f.Tell.Status(status)
}

// judge says how the waiting ends, or nothing while it goes on.
func (f *Follower) judge(info control.DeploymentInfo, targets []control.InstanceTarget) (Outcome, error) {
	rerouted := info.InstanceTerminationWaitTimeStarted != nil && *info.InstanceTerminationWaitTimeStarted
	switch status := *info.Status; {
	case status == control.DeploymentStatusSucceeded:
		return Reached, nil
	case status == control.DeploymentStatusFailed:
		return Failed, nil
	case status == control.DeploymentStatusStopped:
		return Stopped, nil
	case f.Goal == Ready && (status == control.DeploymentStatusReady || explain.PastReady(info, targets)), f.Goal == Rerouted && rerouted:
		return Reached, nil
	case status == control.DeploymentStatusReady:
		if !f.approval {
			f.approval = true
			if err := f.Tell.Approval(); err != nil {
				return "", err
			}
		}
		if f.NoWaitInReady {
			return WaitingApproval, nil
		}
	}
	return "", nil
}
