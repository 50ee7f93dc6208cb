package follow_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"crossfade/internal/explain/follow"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

var begin = time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)

// script is a deployment that is otherwise at each look, and the clock by which it is looked at.
type script struct {
	looks   []look
	at      int // the look that is next, the last one for ever
	now     time.Time
	slept   []time.Duration
	read    []string // the targets read, a look's after the other's, and "list STATUS"
	current look
}

type look struct {
	err     error
	status  control.DeploymentStatus
	over    bool // the termination wait has started
	targets []control.InstanceTarget
}

func (s *script) Deployment(context.Context, string) (control.DeploymentInfo, error) {
	s.current = s.looks[min(s.at, len(s.looks)-1)]
	s.at++
	if s.current.err != nil {
		return control.DeploymentInfo{}, s.current.err
	}
	count := map[control.TargetStatus]*int64{}
	for _, t := range s.current.targets {
		if count[*t.Status] == nil {
			count[*t.Status] = new(int64)
		}
		*count[*t.Status]++
	}
	return control.DeploymentInfo{
		Status: &s.current.status, InstanceTerminationWaitTimeStarted: &s.current.over,
		DeploymentOverview: &control.DeploymentOverview{
			Pending: count[control.TargetStatusPending], InProgress: count[control.TargetStatusInProgress], Succeeded: count[control.TargetStatusSucceeded],
			Failed: count[control.TargetStatusFailed], Skipped: count[control.TargetStatusSkipped], Ready: count[control.TargetStatusReady],
		},
	}, nil
}

func (s *script) TargetIDs(_ context.Context, _ string, statuses ...control.TargetStatus) ([]string, error) {
	var ids []string
	for _, t := range s.current.targets {
		if len(statuses) == 0 || slices.Contains(statuses, *t.Status) {
			ids = append(ids, *t.TargetId)
		}
	}
	for _, st := range statuses {
		s.read = append(s.read, "list "+string(st))
	}
	return ids, nil
}

func (s *script) Targets(_ context.Context, _ string, ids []string) ([]control.InstanceTarget, error) {
	var found []control.InstanceTarget
	for _, t := range s.current.targets {
		if slices.Contains(ids, *t.TargetId) {
			found = append(found, t)
		}
	}
	s.read = append(s.read, ids...)
	return found, nil
}

func (s *script) clock() follow.Clock {
	return follow.Clock{Now: func() time.Time { return s.now }, Sleep: func(ctx context.Context, d time.Duration, _ <-chan struct{}) error {
		s.slept = append(s.slept, d)
		s.now = s.now.Add(d)
		return ctx.Err()
	}}
}

// notes writes down what is told.
type notes struct {
	lines []string
	full  bool
}

func (n *notes) add(format string, args ...any) error {
	if n.full {
		return errors.New("full")
	}
	n.lines = append(n.lines, fmt.Sprintf(format, args...))
	return nil
}

func (n *notes) Event(e follow.Event) error {
	cause := ""
	if e.Failure != nil {
		cause = " " + string(e.Failure.Cause)
	}
	return n.add("%s %s %s %s%s", e.At.Format("04:05"), e.Instance, e.Name, e.Status, cause)
}
func (n *notes) Status(s control.DeploymentStatus) error   { return n.add("is %s", s) }
func (n *notes) Progress(control.DeploymentOverview) error { return nil }
func (n *notes) Approval() error                           { return n.add("approval") }
func (n *notes) Trouble(err error) error                   { return n.add("trouble %v", err) }
func (s *script) follower(n *notes, g follow.Goal) *follow.Follower {
	s.now = begin
	return &follow.Follower{Reader: s, Clock: s.clock(), Tell: n, ID: "d-TEST00001", Goal: g, Timeout: time.Minute}
}

// target has the events Install and AllowTraffic. How each stands is a letter: p pending, r running, s succeeded, f failed, d dead agent.
func target(name string, status control.TargetStatus, label control.TargetLabel, states string) control.InstanceTarget {
	t := control.InstanceTarget{TargetId: &name, Status: &status}
	if label != "" {
		t.InstanceLabel = &label
	}
	for i, event := range []string{"Install", "AllowTraffic"} {
		e := control.LifecycleEvent{LifecycleEventName: &event, Status: new(control.LifecycleEventStatusPending)}
		from, to := wire.At(begin.Add(time.Duration(i)*time.Minute)), wire.At(begin.Add(time.Duration(i)*time.Minute+time.Second))
		d := &control.Diagnostics{ErrorCode: new(control.LifecycleErrorCodeUnknownError), Message: new("")}
		switch states[i] {
		case 'r':
			e.Status, e.StartTime = new(control.LifecycleEventStatusInProgress), from
		case 's':
			e.Status, e.StartTime, e.EndTime = new(control.LifecycleEventStatusSucceeded), from, to
		case 'f':
			e.Status, e.StartTime, e.EndTime, e.Diagnostics = new(control.LifecycleEventStatusFailed), from, to, d
		case 'd':
			d.Message = new("CodeDeploy agent was not able to receive the lifecycle event.")
			e.Status, e.StartTime, e.EndTime, e.Diagnostics = new(control.LifecycleEventStatusFailed), from, to, d
		}
		t.LifecycleEvents = append(t.LifecycleEvents, e)
	}
	return t
}

const (
	created     = control.DeploymentStatusCreated
	queued      = control.DeploymentStatusQueued
	working     = control.DeploymentStatusInProgress
	ready       = control.DeploymentStatusReady
	succeeded   = control.DeploymentStatusSucceeded
	failed      = control.DeploymentStatusFailed
	stopped     = control.DeploymentStatusStopped
	green       = control.TargetLabelGreen
	tPending    = control.TargetStatusPending
	tInProgress = control.TargetStatusInProgress
	tReady      = control.TargetStatusReady
	tSucceeded  = control.TargetStatusSucceeded
	tFailed     = control.TargetStatusFailed
	tSkipped    = control.TargetStatusSkipped
)

func targets(t ...control.InstanceTarget) []control.InstanceTarget { return t }

func TestOutcomes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		goal    follow.Goal
		nowait  bool
		looks   []look
		outcome follow.Outcome
		told    []string
	}{
		"an event is told once, with its beginning, also when it was missed": {
			goal: follow.Complete,
			looks: []look{
				{status: created}, {status: working, targets: targets(target("a", tPending, "", "pp"), target("b", tPending, "", "pp"))},
				{status: working, targets: targets(target("a", tInProgress, "", "rp"), target("b", tPending, "", "pp"))},
				{status: working, targets: targets(target("a", tInProgress, "", "rp"), target("b", tPending, "", "pp"))},
				{status: succeeded, targets: targets(target("a", tSucceeded, "", "ss"), target("b", tSucceeded, "", "ss"))},
			},
			outcome: follow.Reached,
			told: []string{
				"is Created", "is InProgress", "00:00 a Install InProgress", "00:00 b Install InProgress", "00:01 a Install Succeeded", "00:01 b Install Succeeded",
				"01:00 a AllowTraffic InProgress", "01:00 b AllowTraffic InProgress", "01:01 a AllowTraffic Succeeded", "01:01 b AllowTraffic Succeeded", "is Succeeded",
			},
		},
		"a dead agent began nothing": {
			goal: follow.Complete, outcome: follow.Failed,
			looks: []look{{status: working}, {status: failed, targets: targets(target("a", tFailed, "", "dp"), target("b", tSkipped, "", "pp"))}},
			told:  []string{"is InProgress", "00:01 a Install Failed AgentDead", "is Failed"},
		},
		"a server that comes back": {
			goal: follow.Complete, outcome: follow.Reached,
			looks: []look{{status: working}, {err: follow.Passing(errors.New("refused"))}, {err: follow.Passing(errors.New("refused"))}, {status: succeeded}},
			told:  []string{"is InProgress", "trouble refused", "trouble <nil>", "is Succeeded"},
		},
		"ready":              {goal: follow.Ready, looks: []look{{status: working}, {status: ready}}, outcome: follow.Reached, told: []string{"is InProgress", "is Ready"}},
		"ready was missed":   {goal: follow.Ready, looks: []look{{status: working, targets: targets(target("g", tInProgress, green, "sr"))}}, outcome: follow.Reached},
		"rerouted":           {goal: follow.Rerouted, looks: []look{{status: working}, {status: working, over: true}}, outcome: follow.Reached},
		"failed after ready": {goal: follow.Ready, looks: []look{{status: failed, over: true}}, outcome: follow.Failed},
		"stopped":            {goal: follow.Rerouted, looks: []look{{status: stopped}}, outcome: follow.Stopped},
		"queued":             {goal: follow.Complete, looks: []look{{status: queued}}, outcome: follow.TimedOut, told: []string{"is Queued"}},
		"nobody approves": {
			goal: follow.Complete, looks: []look{{status: ready, targets: targets(target("g", tReady, green, "sp"))}}, outcome: follow.WaitingApproval,
			told: []string{"00:00 g Install InProgress", "00:01 g Install Succeeded", "is Ready", "approval"},
		},
		"approval is not waited for": {goal: follow.Rerouted, nowait: true, looks: []look{{status: working}, {status: ready}}, outcome: follow.WaitingApproval},
		"no server at all":           {goal: follow.Ready, looks: []look{{err: follow.Passing(errors.New("refused"))}}, outcome: follow.TimedOut, told: []string{"trouble refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, n := &script{looks: c.looks}, &notes{}
			f := s.follower(n, c.goal)
			f.NoWaitInReady = c.nowait
			outcome, _, err := f.Follow(t.Context())
			if err != nil || outcome != c.outcome {
				t.Fatalf("it ends %q, %v, want %q", outcome, err, c.outcome)
			}
			if c.told != nil && !slices.Equal(n.lines, c.told) {
				t.Errorf("it tells\n%s\nwant\n%s", strings.Join(n.lines, "\n"), strings.Join(c.told, "\n"))
			}
		})
	}
}

// TestReadsWhatChanged holds that a look costs what happened: targets that rest are not read again.
func TestReadsWhatChanged(t *testing.T) {
	t.Parallel()
	rest := []control.InstanceTarget{target("done", tSucceeded, "", "ss")}
	for i := range 1000 {
		rest = append(rest, target(fmt.Sprintf("waits-%d", i), tPending, "", "pp"))
	}
	with := func(t control.InstanceTarget) []control.InstanceTarget { return append(slices.Clone(rest), t) }
	s := &script{looks: []look{
		{status: working, targets: with(target("a", tInProgress, "", "rp"))}, {status: working, targets: with(target("a", tInProgress, "", "sr"))},
		{status: working, targets: with(target("a", tReady, "", "ss"))}, {status: working, targets: with(target("a", tReady, "", "ss"))},
		{status: stopped, targets: with(target("a", tReady, "", "ss"))},
	}}
	if _, _, err := s.follower(&notes{}, follow.Complete).Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"list InProgress", "list Succeeded", "a", "done", "a", "list InProgress", "list Ready", "a"}
	if !slices.Equal(s.read, want) {
		t.Errorf("it reads %v, want %v", s.read, want)
	}
}

// TestAdapts holds that the follower looks often after news and less often in a lull, never after the timeout.
func TestAdapts(t *testing.T) {
	t.Parallel()
	lull := slices.Repeat([]look{{status: working}}, 12)
	s := &script{looks: append(append(lull, look{status: ready}), lull...)}
	outcome, _, err := s.follower(&notes{}, follow.Complete).Follow(t.Context())
	if err != nil || outcome != follow.TimedOut {
		t.Fatalf("it ends %q, %v", outcome, err)
	}
	var sum time.Duration
	for i, d := range s.slept {
		sum += d
		switch {
		case d > follow.Slow:
			t.Errorf("it sleeps %s", d)
		case i == 0 || i == 12:
			if d != follow.Quick {
				t.Errorf("after news it sleeps %s", d)
			}
		case i == 11 && d != follow.Slow:
			t.Errorf("in a lull it sleeps %s", d)
		}
	}
	if sum != time.Minute {
		t.Errorf("it waits for %s", sum)
	}
}

// TestWakes holds that the sleep is given the channel that ends it.
func TestWakes(t *testing.T) {
	t.Parallel()
	s := &script{looks: []look{{status: working}, {status: succeeded}}}
	f := s.follower(&notes{}, follow.Complete)
	wake := make(chan struct{}, 1)
	wake <- struct{}{}
	f.Wake = wake
	f.Clock.Sleep = func(ctx context.Context, _ time.Duration, w <-chan struct{}) error {
		select {
		case <-w:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if outcome, _, err := f.Follow(t.Context()); err != nil || outcome != follow.Reached {
		t.Errorf("it ends %q, %v", outcome, err)
	}
}

func TestEndsWithErrors(t *testing.T) {
	t.Parallel()
	final := &follow.Refusal{Code: "DeploymentDoesNotExistException"}
	s := &script{looks: []look{{err: final}}}
	if _, _, err := s.follower(&notes{}, follow.Complete).Follow(t.Context()); !errors.Is(err, final) {
		t.Errorf("a refusal ends it with %v", err)
	}
	for _, l := range []look{{status: created}, {status: working}, {status: ready}, {err: follow.Passing(errors.New("refused"))}} {
		s = &script{looks: []look{l}}
		if _, _, err := s.follower(&notes{full: true}, follow.Complete).Follow(t.Context()); err == nil {
			t.Errorf("what can't be told does not end it, in %s", l.status)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s = &script{looks: []look{{status: working}}}
	if _, _, err := s.follower(&notes{}, follow.Complete).Follow(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("an interruption ends it with %v", err)
	}
}
