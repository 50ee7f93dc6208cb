package follow

import (
	"context"
	"errors"
	"time"

	"crossfade/internal/awsjson/client"
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
	WaitingApproval Outcome = "waitingForApproval" // it is Ready, and the goal lies behind: at the timeout, or at once with NoWaitInReady
)

// The times between two looks at the deployment: the shortest after news, then longer and longer while there is none.
const (
	Quick = 250 * time.Millisecond
	Slow  = 2 * time.Second
)

// callLimit bounds one call, also when the timeout is further away.
const callLimit = 30 * time.Second

// Reader reads deployments; see Client. Errors that may pass are told apart by what Client returns.
type Reader interface {
	Deployment(ctx context.Context, id string) (control.DeploymentInfo, error)
	// TargetIDs lists those of the statuses; all when none is given.
	TargetIDs(ctx context.Context, id string, statuses ...control.TargetStatus) ([]string, error)
	Targets(ctx context.Context, id string, ids []string) ([]control.InstanceTarget, error)
}

// Clock is the time. Sleep returns early when wake receives, and with the context's error when that ends.
type Clock struct {
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration, wake <-chan struct{}) error
}

// Event is the beginning or the result of one lifecycle event on one instance.
type Event struct {
	At       time.Time
	Instance string
	Label    string // Blue, Green or empty
	Name     string
	Status   control.LifecycleEventStatus // InProgress (it begins), Succeeded or Failed
	Failure  *explain.Failure             // why it failed
}

// Teller is told what happens, in order, in the goroutine of Follow. An error ends the following.
type Teller interface {
	Event(Event) error
	Status(control.DeploymentStatus) error
	// Progress says how the targets stand, whenever that changed.
	Progress(control.DeploymentOverview) error
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
	// Wake, if not nil, makes the follower look at once: whoever hears of a change sends to it, without waiting and with a buffer of one. It may
	// miss some and send too many, because the follower looks of its own accord as well.
	Wake <-chan struct{}

	seen     *targets
	told     map[string]control.LifecycleEventStatus // the last told of each event, by instance and event
	status   control.DeploymentStatus
	approval bool
	trouble  bool
	interval time.Duration
}

// Follow returns how the waiting ended, and the deployment as last seen (zero when it never was). The error is a final refusal of the
// server, the teller's, or the context's.
func (f *Follower) Follow(ctx context.Context) (Outcome, control.DeploymentInfo, error) {
	f.seen, f.told, f.interval = newTargets(f.Reader, f.ID), map[string]control.LifecycleEventStatus{}, Quick
	end := f.Clock.Now().Add(f.Timeout)
	var last control.DeploymentInfo
	for {
		info, outcome, err := f.look(ctx, end)
		var may *client.Trouble
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
			if last.Status != nil && *last.Status == control.DeploymentStatusReady {
				return WaitingApproval, last, nil
			}
			return TimedOut, last, nil
		}
		if err := f.Clock.Sleep(ctx, min(f.interval, left), f.Wake); err != nil {
			return "", last, err
		}
		f.interval = min(f.interval+f.interval/2, Slow)
	}
}

// look reads the deployment first and then its targets, so that what the status says has happened is among the events.
func (f *Follower) look(ctx context.Context, end time.Time) (control.DeploymentInfo, Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, max(Quick, end.Sub(f.Clock.Now())))
	defer cancel()
	call, done := context.WithTimeout(ctx, callLimit)
	info, err := f.Reader.Deployment(call, f.ID)
	done()
	if err != nil {
		return info, "", err
	}
	changed, err := f.seen.read(ctx, info.DeploymentOverview)
	if err != nil {
		return info, "", err
	}
	if f.trouble {
		f.trouble = false
		if err := f.Tell.Trouble(nil); err != nil {
			return info, "", err
		}
	}
	if err := f.tell(info, changed); err != nil {
		return info, "", err
	}
	outcome, err := f.judge(info)
	return info, outcome, err
}

// judge says how the waiting ends, or nothing while it goes on.
func (f *Follower) judge(info control.DeploymentInfo) (Outcome, error) {
	rerouted := info.InstanceTerminationWaitTimeStarted != nil && *info.InstanceTerminationWaitTimeStarted
	switch status := *info.Status; {
	case status == control.DeploymentStatusSucceeded:
		return Reached, nil
	case status == control.DeploymentStatusFailed:
		return Failed, nil
	case status == control.DeploymentStatusStopped:
		return Stopped, nil
	case f.Goal == Ready && (status == control.DeploymentStatusReady || rerouted || f.seen.pastReady), f.Goal == Rerouted && rerouted:
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
