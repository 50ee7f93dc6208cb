package deploy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"crossfade/internal/deploy"
)

func shifting(r deploy.TrafficRouting) deploy.Spec {
	return blueGreen(func(s *deploy.Spec) {
		s.Kind, s.Routing, s.BlueGreen.ReadyAction = deploy.KindBlueGreenShift, &r, deploy.ReadyContinue
		s.AutoRollback = &deploy.AutoRollback{Enabled: true, Events: []string{deploy.RollbackOnRequest, deploy.RollbackOnAlarm}}
	})
}

// order is the outstanding order to share requests out, or nil.
func (w *world) order() *deploy.Split {
	return w.effects[deploy.EffectKey{DeploymentID: w.d.Spec.ID, Kind: deploy.EffectSplit}].Split
}

// settle lets the load balancer do as ordered.
func (w *world) settle() {
	w.t.Helper()
	w.do(deploy.SplitSettled{Generation: w.order().Generation})
	w.pump()
}

// TestShares holds which shares of the requests are ordered, and when.
func TestShares(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		routing deploy.TrafficRouting
		want    []int
	}{
		"canary":          {deploy.TrafficRouting{Type: deploy.RoutingCanary, Percentage: 10, IntervalMinutes: 5}, []int{10, 100}},
		"linear":          {deploy.TrafficRouting{Type: deploy.RoutingLinear, Percentage: 25, IntervalMinutes: 1}, []int{25, 50, 75, 100}},
		"linear, uneven":  {deploy.TrafficRouting{Type: deploy.RoutingLinear, Percentage: 40, IntervalMinutes: 1}, []int{40, 80, 100}},
		"the longest one": {deploy.TrafficRouting{Type: deploy.RoutingLinear, Percentage: 99, IntervalMinutes: 2880}, []int{99, 100}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, shifting(c.routing))
			w.resolve()
			w.run()
			w.do(deploy.Wake{}) // the ready wait of no minutes
			if o := w.order(); o == nil || o.Percent != 0 || o.Environment != w.d.Spec.ID || w.d.State.Phase != deploy.PhaseHoldBack {
				t.Fatalf("before the replacement is registered: %+v in %s", o, w.d.State.Phase)
			}
			w.settle()
			w.run()
			if w.target("green-1").Status != deploy.TargetReady {
				t.Errorf("a registered replacement without requests is %s", w.target("green-1").Status)
			}
			var got []int
			for w.d.State.Phase == deploy.PhaseShift {
				o := w.order()
				got = append(got, o.Percent)
				ordered := w.now
				if r := w.try(deploy.SplitSettled{Generation: o.Generation - 1}); r != deploy.ReasonStale {
					t.Errorf("an old order's answer: %q", r)
				}
				w.now = w.now.Add(20 * time.Second)
				w.settle()
				if o.Percent == 100 {
					break
				}
				if want := ordered.Add(time.Duration(c.routing.IntervalMinutes) * time.Minute); !w.d.State.WaitUntil.Equal(want) {
					t.Fatalf("the next shift is at %s, want %s", w.d.State.WaitUntil, want)
				}
				w.now = w.d.State.WaitUntil
				w.do(deploy.Wake{})
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("the shares were %v, want %v", got, c.want)
			}
			w.run()
			if o := w.order(); w.d.State.Phase != deploy.PhaseMerge || o.Environment != "" {
				t.Fatalf("after the originals are out: %+v in %s", o, w.d.State.Phase)
			}
			w.settle()
			w.do(deploy.Continue{Wait: deploy.TerminationWait, By: "me"})
			w.do(deploy.Terminated{})
			if w.d.State.Status != deploy.StatusSucceeded {
				t.Errorf("it ended %s: %+v", w.d.State.Status, w.d.State.Error)
			}
		})
	}
}

// TestShiftRollsBackByTakingTheShareAway holds that the rollback of a shift first takes the requests from the replacement.
func TestShiftRollsBackByTakingTheShareAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shifting(deploy.TrafficRouting{Type: deploy.RoutingCanary, Percentage: 10, IntervalMinutes: 5}))
	w.resolve()
	w.run()
	w.do(deploy.Wake{})
	w.settle()
	w.run()
	w.settle()
	w.do(deploy.Stop{By: "me"})
	if w.d.State.Status != deploy.StatusStopped || w.spawned == nil {
		t.Fatalf("it is %s, rollback %v", w.d.State.Status, w.spawned != nil)
	}
	back := *w.spawned
	failed := w.d.Spec.ID
	w.targets, w.d, w.effects = nil, deploy.Deployment{}, map[deploy.EffectKey]deploy.Effect{}
	w.now = back.Deployment().Spec.CreatedAt
	w.apply(back)
	w.resolve()
	if o := w.order(); o == nil || o.Percent != 0 || o.Environment != failed {
		t.Fatalf("the first thing is %+v", o)
	}
	w.settle()
	w.run()
	if o := w.order(); o == nil || o.Environment != "" {
		t.Fatalf("the last thing is %+v in %s", o, w.d.State.Phase)
	}
	w.settle()
	if w.d.State.Status != deploy.StatusSucceeded {
		t.Errorf("the rollback ended %s: %+v", w.d.State.Status, w.d.State.Error)
	}
}

// TestSharingThatNeverHappens ends a deployment whose load balancer refuses, or does nothing.
func TestSharingThatNeverHappens(t *testing.T) {
	t.Parallel()
	for name, what := range map[string]func(w *world) deploy.What{
		"refused": func(w *world) deploy.What {
			return deploy.SplitRefused{Generation: w.order().Generation, Reason: "no such target group"}
		},
		"never done": func(w *world) deploy.What { w.now = w.now.Add(deploy.EventLimit); return deploy.Wake{} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, shifting(deploy.TrafficRouting{Type: deploy.RoutingCanary, Percentage: 10, IntervalMinutes: 5}))
			w.resolve()
			w.run()
			w.do(deploy.Wake{})
			w.do(what(w))
			if w.d.State.Status != deploy.StatusFailed || w.d.State.Error.Code != deploy.CodeBalancerInvalid {
				t.Errorf("it is %s: %+v", w.d.State.Status, w.d.State.Error)
			}
		})
	}
}

// TestZones holds the order of zones, the pauses after them, and both minimums.
func TestZones(t *testing.T) {
	t.Parallel()
	first, later := int64(600), int64(60)
	spec := blueGreen(func(s *deploy.Spec) {
		s.Kind = deploy.KindInPlace
		s.Zonal = &deploy.Zonal{FirstZoneMonitorSeconds: &first, MonitorSeconds: &later, MinimumHealthyPerZone: &deploy.HealthyHosts{Type: deploy.HostCount, Value: 1}}
	})
	found := selected("x-1", "x-2", "b-1", "b-2", "a-1", "a-2")
	for i := range found {
		if found[i].Zone = found[i].ID[:1]; found[i].Zone == "x" {
			found[i].Zone = ""
		}
	}
	t.Run("order and pauses", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, spec)
		w.do(deploy.Resolved{Originals: found})
		for _, z := range []struct {
			ids   []string
			pause time.Duration
		}{{[]string{"a-1", "a-2"}, 10 * time.Minute}, {[]string{"b-1", "b-2"}, time.Minute}, {[]string{"x-1", "x-2"}, 0}} {
			w.pump()
			for _, id := range z.ids {
				// One of two must stay healthy, so they go one after the other.
				for other := range w.targets {
					if x := w.targets[other]; x.Running && x.ID != id {
						t.Fatalf("%s runs beside %s", x.ID, id)
					}
				}
				for w.target(id).Status == deploy.TargetInProgress {
					w.do(deploy.Completed{Target: id, Attempt: w.target(id).Attempt, Succeeded: true})
				}
			}
			if z.pause == 0 {
				break
			}
			if w.d.State.Status != deploy.StatusInProgress || !w.d.State.WaitUntil.Equal(w.now.Add(z.pause)) {
				t.Fatalf("after %v: %s until %s, want %s", z.ids, w.d.State.Status, w.d.State.WaitUntil, w.now.Add(z.pause))
			}
			w.now = w.d.State.WaitUntil
			w.do(deploy.Wake{})
		}
		if w.d.State.Status != deploy.StatusSucceeded {
			t.Errorf("it ended %s: %+v", w.d.State.Status, w.d.State.Error)
		}
	})
	t.Run("a zone below its minimum ends the deployment", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, spec)
		w.do(deploy.Resolved{Originals: found})
		w.pump()
		w.do(deploy.Completed{Target: "a-1", Attempt: 1, Diagnostics: deploy.Diagnostics{ErrorCode: "ScriptFailed", Message: "exit 1"}})
		if w.d.State.Status != deploy.StatusFailed || w.d.State.Error.Code != deploy.CodeHealthConstraints || !strings.Contains(w.d.State.Error.Message, "in zone a 1 of 2 failed and minimumHealthyHostsPerZone needs 1") {
			t.Errorf("it is %s: %+v", w.d.State.Status, w.d.State.Error)
		}
		if w.target("b-1").Status != deploy.TargetSkipped {
			t.Errorf("b-1 is %s", w.target("b-1").Status)
		}
	})
	t.Run("a minimum that no zone can keep", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, spec)
		w.do(deploy.Resolved{Originals: found[1:]}) // one is left without a zone
		if w.d.State.Error == nil || w.d.State.Error.Code != deploy.CodeHealthConstraintsInvalid || !strings.Contains(w.d.State.Error.Message, "without a zone") {
			t.Errorf("it is %s: %+v", w.d.State.Status, w.d.State.Error)
		}
	})
}

// TestHealthOrder holds in which order instances are taken, and what a group learns of them.
func TestHealthOrder(t *testing.T) {
	t.Parallel()
	spec := blueGreen(func(s *deploy.Spec) {
		s.Kind, s.MinimumHealthy = deploy.KindInPlace, deploy.HealthyHosts{Type: deploy.MostConcurrency, Value: 1}
	})
	current, old := spec.Revision.Key(), "s3 another"
	states := map[string]deploy.InstanceState{
		"a": {Revision: current, Healthy: true}, "b": {Revision: old, Healthy: true}, "c": {Healthy: true}, "d": {Revision: old}, "e": {},
	}
	var found []deploy.Selected
	for _, s := range selected("a", "b", "c", "d", "e") {
		s.Rank = states[s.ID].Rank(current)
		found = append(found, s)
	}
	w := newWorld(t, spec)
	w.do(deploy.Resolved{Originals: found})
	w.run()
	var order []string
	for _, l := range w.lines {
		if l.To == string(deploy.TargetInProgress) && l.Target != "" && l.Event == "" {
			order = append(order, l.Target)
		}
	}
	if want := []string{"d", "e", "c", "b", "a"}; !slices.Equal(order, want) {
		t.Errorf("they were taken in the order %v, want %v", order, want)
	}
	for name, c := range map[string]struct {
		was, want deploy.InstanceState
		succeeded bool
	}{
		"a success":                         {deploy.InstanceState{Revision: old}, deploy.InstanceState{Revision: "new", Attempted: "new", Healthy: true}, true},
		"a failure of the current one":      {deploy.InstanceState{Revision: current, Healthy: true}, deploy.InstanceState{Attempted: "new"}, false},
		"a failure of an old one":           {deploy.InstanceState{Revision: old, Healthy: true}, deploy.InstanceState{Revision: old, Attempted: "new"}, false},
		"a failure of one that had nothing": {deploy.InstanceState{}, deploy.InstanceState{Attempted: "new"}, false},
	} {
		if got := (deploy.InstanceChange{Revision: "new", Succeeded: c.succeeded}).After(c.was, current); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestOutdatedOnly holds that instances which have the revision are left alone.
func TestOutdatedOnly(t *testing.T) {
	t.Parallel()
	spec := blueGreen(func(s *deploy.Spec) { s.Kind, s.UpdateOutdatedOnly = deploy.KindInPlace, true })
	found := selected("old", "current")
	found[1].Current = true
	w := newWorld(t, spec)
	w.do(deploy.Resolved{Originals: found})
	if len(w.targets) != 1 || w.targets[0].ID != "old" {
		t.Errorf("the targets are %+v", w.targets)
	}
	w = newWorld(t, spec)
	w.do(deploy.Resolved{Originals: found[1:]})
	if w.d.State.Status != deploy.StatusSucceeded || len(w.d.State.Messages) != 1 || w.group.LastSuccessful == nil {
		t.Errorf("with nothing to do it is %s %v", w.d.State.Status, w.d.State.Messages)
	}
	w = newWorld(t, spec)
	w.do(deploy.Resolved{})
	if w.d.State.Error == nil || w.d.State.Error.Code != deploy.CodeNoInstances {
		t.Errorf("without instances it is %s %+v", w.d.State.Status, w.d.State.Error)
	}
}

// TestAlarms holds when alarms are watched and what they do.
func TestAlarms(t *testing.T) {
	t.Parallel()
	watching := func(change ...func(*deploy.Spec)) deploy.Spec {
		return blueGreen(append([]func(*deploy.Spec){func(s *deploy.Spec) {
			s.Watch = &deploy.AlarmSettings{Enabled: true, Names: []string{"a1", "a2"}}
			s.AutoRollback = &deploy.AutoRollback{Enabled: true, Events: []string{deploy.RollbackOnAlarm}}
		}}, change...)...)
	}
	watched := func(w *world) bool {
		_, ok := w.effects[deploy.EffectKey{DeploymentID: w.d.Spec.ID, Kind: deploy.EffectWatch}]
		return ok
	}
	w := newWorld(t, watching())
	if watched(w) {
		t.Error("alarms are watched before the deployment is InProgress")
	}
	w.resolve()
	w.run()
	w.do(goOn)
	w.pump()
	if !watched(w) {
		t.Fatal("alarms are not watched")
	}
	w.do(deploy.AlarmRaised{Names: []string{"a1", "a2"}})
	for range 3 {
		w.answer("")
	}
	if e := w.d.State.Error; w.d.State.Status != deploy.StatusStopped || e.Code != deploy.CodeAlarmActive || !strings.HasSuffix(e.Message, "Activated alarms: <a1> <a2>") || w.spawned == nil {
		t.Errorf("it is %s %+v, rollback %v", w.d.State.Status, e, w.spawned != nil)
	}
	if r := w.try(deploy.AlarmRaised{Names: []string{"a1"}}); r != deploy.ReasonStale {
		t.Errorf("an alarm after the end: %q", r)
	}
	for name, spec := range map[string]deploy.Spec{
		"a rollback":   watching(func(s *deploy.Spec) { s.RollbackOf, s.Kind = "d-OTHER0001", deploy.KindBlueGreenRollback }),
		"not enabled":  watching(func(s *deploy.Spec) { s.Watch.Enabled = false }),
		"beside":       watching(func(s *deploy.Spec) { s.Creator, s.Kind = deploy.CreatorAutoScaling, deploy.KindInPlace }),
		"none of them": blueGreen(),
	} {
		w := newWorld(t, spec)
		w.resolve()
		if watched(w) {
			t.Errorf("%s watches alarms", name)
		}
	}
	w = newWorld(t, watching())
	w.resolve()
	w.do(deploy.AlarmUnreadable{Error: deploy.ErrorInfo{Code: deploy.CodeThrottled, Message: "asked too often"}})
	for range 3 {
		w.answer("")
	}
	if e := w.d.State.Error; w.d.State.Status != deploy.StatusStopped || e.Code != deploy.CodeThrottled {
		t.Errorf("with unreadable alarms it is %s %+v", w.d.State.Status, e)
	}
}

// TestTurn holds what a deployment that waits its turn does and does not do.
func TestTurn(t *testing.T) {
	t.Parallel()
	spec := blueGreen(func(s *deploy.Spec) { s.GroupSelection.AutoScalingGroups = []string{"asg"} })
	w := &world{t: t, now: spec.CreatedAt, effects: map[deploy.EffectKey]deploy.Effect{}}
	w.apply(deploy.NewWaiting(spec, "d-OTHER0001"))
	if w.d.State.Status != deploy.StatusQueued || len(w.effects) > 0 || !w.d.State.WakeAt.IsZero() || w.group != nil {
		t.Fatalf("it is %+v with %v", w.d.State, w.effects)
	}
	for what, want := range map[deploy.What]deploy.Reason{
		goOn: deploy.ReasonNotReady, deploy.Continue{Wait: deploy.TerminationWait}: deploy.ReasonNotReady, deploy.Wake{}: deploy.ReasonStale,
	} {
		if r := w.try(what); r != want {
			t.Errorf("%T %+v: %q, want %q", what, what, r, want)
		}
	}
	w.now = w.now.Add(72 * time.Hour)
	previous := &deploy.Previous{DeploymentID: "d-OTHER0001"}
	before := w.d.FirstGeneration()
	w.do(deploy.Admit{Environment: "d-OTHER0001", AutoScalingGroups: []string{"copy"}, Previous: previous})
	if s := w.d.Spec; s.Environment != "d-OTHER0001" || s.Previous != previous || s.GroupSelection.AutoScalingGroups[0] != "copy" || len(w.effects) != 1 || w.group == nil {
		t.Errorf("admitted it is %+v with %v", s, w.effects)
	}
	if w.d.FirstGeneration() <= before {
		t.Error("its traffic orders would be older than those of the deployment before it")
	}
	if r := w.try(deploy.Admit{}); r != deploy.ReasonStale {
		t.Errorf("admitted twice: %q", r)
	}
	// The time in the queue is not the deployment's.
	if want := w.now.Add(deploy.PickUpLimit); w.d.State.WakeAt.Before(want) {
		t.Errorf("it wakes at %s", w.d.State.WakeAt)
	}
}

// TestHosts holds that a target's host is held from its first event to its last, and that waiting for one is no fault of its agent.
func TestHosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, blueGreen(func(s *deploy.Spec) { s.Kind = deploy.KindInPlace }))
	w.do(deploy.Resolved{Originals: selected("a", "b")})
	w.pump()
	held := func(id string) bool {
		e, ok := w.effects[deploy.EffectKey{DeploymentID: w.d.Spec.ID, Target: id, Kind: deploy.EffectHold}]
		return ok && e.Hold.Host == "host:"+id && e.Hold.Since.Equal(w.now)
	}
	if !held("a") || !held("b") {
		t.Fatal("the hosts are not held")
	}
	w.now = w.target("a").DueAt
	w.do(deploy.TargetDue{Target: "a", HeldBy: "d-OTHER0001"})
	if x := w.target("a"); x.Status != deploy.TargetInProgress || !x.DueAt.Equal(w.now.Add(deploy.PickUpLimit)) || !strings.Contains(w.lines[len(w.lines)-1].Text, "d-OTHER0001 has the host") {
		t.Errorf("it is %s until %s: %s", x.Status, x.DueAt, w.lines[len(w.lines)-1].Text)
	}
	w.do(deploy.TargetDue{Target: "b"})
	if x := w.target("b"); x.Status != deploy.TargetFailed {
		t.Errorf("an agent that does not answer: %s", x.Status)
	}
	if _, ok := w.effects[deploy.EffectKey{DeploymentID: w.d.Spec.ID, Target: "b", Kind: deploy.EffectHold}]; ok {
		t.Error("a failed target keeps its host")
	}
	w.run()
	for k := range w.effects {
		t.Errorf("%v is left at the end", k)
	}
}

// TestBooting holds that an instance which was just launched has an hour for its first event, and no more for the others.
func TestBooting(t *testing.T) {
	t.Parallel()
	w := newWorld(t, blueGreen(func(s *deploy.Spec) { s.Kind, s.Creator = deploy.KindInPlace, deploy.CreatorAutoScaling }))
	w.do(deploy.Resolved{Originals: selected("new")})
	w.pump()
	if x := w.target("new"); !x.DueAt.Equal(w.now.Add(deploy.EventLimit)) {
		t.Errorf("the first event is due at %s", x.DueAt)
	}
	w.do(deploy.Completed{Target: "new", Attempt: 1, Succeeded: true})
	if x := w.target("new"); !x.DueAt.Equal(w.now.Add(deploy.PickUpLimit)) {
		t.Errorf("the second event is due at %s", x.DueAt)
	}
	w.run()
	if w.d.State.Status != deploy.StatusSucceeded || w.group != nil {
		t.Errorf("it ended %s and the group remembers %+v", w.d.State.Status, w.group)
	}
}

// TestDelay holds that what keeps a deployment from starting is said, and ends it at last.
func TestDelay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, blueGreen())
	w.do(deploy.Delayed{Why: "the source host is not to be reached"})
	if w.d.State.Delay == "" || w.try(deploy.Delayed{Why: w.d.State.Delay}) != deploy.ReasonStale {
		t.Errorf("the delay is %q, and said twice", w.d.State.Delay)
	}
	w.now = w.d.State.WakeAt
	w.do(deploy.Wake{})
	if e := w.d.State.Error; w.d.State.Status != deploy.StatusFailed || e.Code != deploy.CodeTimeout || !strings.Contains(e.Message, "source host") {
		t.Errorf("it is %s %+v", w.d.State.Status, e)
	}
	w = newWorld(t, blueGreen())
	w.do(deploy.Delayed{Why: "for a moment"})
	w.resolve()
	if w.d.State.Delay != "" || w.try(deploy.Delayed{Why: "late"}) != deploy.ReasonStale {
		t.Errorf("a deployment that has started is delayed by %q", w.d.State.Delay)
	}
}

// TestNotices holds what is told of a blue/green deployment with a rollback, to whom, and that it shows what is so then.
func TestNotices(t *testing.T) {
	t.Parallel()
	all := []string{
		"DeploymentStart", "DeploymentReady", "DeploymentSuccess", "DeploymentFailure", "DeploymentStop", "DeploymentRollback",
		"InstanceStart", "InstanceReady", "InstanceSuccess", "InstanceFailure",
	}
	spec := blueGreen(func(s *deploy.Spec) {
		s.Triggers = []deploy.Trigger{{Name: "all", Target: "arn:1", Events: all}, {Name: "stops", Target: "arn:2", Events: []string{"DeploymentStop"}}}
		s.AutoRollback = &deploy.AutoRollback{Enabled: true, Events: []string{deploy.RollbackOnRequest}}
	})
	w := newWorld(t, spec)
	w.resolve()
	w.run()
	w.do(goOn)
	w.answer("")
	w.do(deploy.Stop{By: "me"})
	for range 5 {
		w.answer("")
	}
	var told []string
	for _, n := range w.notices {
		text := string(n.Moment)
		if n.Instance != nil {
			text += " " + n.Instance.ID
			if len(n.Instance.Events) == 0 || n.Instance.Events[0].Diagnostics != nil {
				t.Errorf("%s shows the events %+v", text, n.Instance.Events)
			}
		}
		told = append(told, text)
		want := 1
		switch {
		case n.Moment == deploy.MomentStarted:
			want = 0
		case n.Moment == deploy.MomentStopped:
			want = 2
			if n.Error == nil || n.CompletedAt.IsZero() || n.Status != deploy.StatusStopped {
				t.Errorf("the stop is told as %+v", n)
			}
		case n.Moment == deploy.MomentRollback && (n.Rollback == nil || n.Rollback.DeploymentID != spec.RollbackID):
			t.Errorf("the rollback is told as %+v", n)
		}
		if len(n.Triggers) != want {
			t.Errorf("%s goes to %d triggers, want %d", text, len(n.Triggers), want)
		}
	}
	want := []string{
		"Created", "Started", "InstanceStarted green-1", "InstanceStarted green-2", "InstanceReady green-1", "InstanceReady green-2", "Ready",
		"Stopped", "Rollback",
	}
	if !slices.Equal(told, want) {
		t.Errorf("told\n%v\nwant\n%v", told, want)
	}
}

// TestRetire holds the plan of a termination deployment.
func TestRetire(t *testing.T) {
	t.Parallel()
	w := newWorld(t, blueGreen(func(s *deploy.Spec) { s.Kind, s.Creator = deploy.KindRetireTraffic, deploy.CreatorAutoRetire }))
	w.do(deploy.Resolved{Originals: selected("old")})
	w.run()
	var ran []deploy.EventName
	for _, e := range w.target("old").Events {
		ran = append(ran, e.Name)
	}
	if w.d.State.Status != deploy.StatusSucceeded || !slices.Equal(ran, []deploy.EventName{"BeforeBlockTraffic", "BlockTraffic", "AfterBlockTraffic", "ApplicationStop"}) {
		t.Errorf("it ended %s after %v", w.d.State.Status, ran)
	}
}

// TestRecall holds that commands which no agent has taken are taken back when their deployment ends, and others are not.
func TestRecall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, blueGreen(func(s *deploy.Spec) { s.Kind = deploy.KindInPlace }))
	w.do(deploy.Resolved{Originals: selected("taken", "untaken")})
	w.pump()
	if r := w.try(deploy.Recall{Target: "untaken"}); r != deploy.ReasonStale {
		t.Errorf("taken back while the deployment goes on: %q", r)
	}
	w.do(deploy.Acknowledged{Target: "taken", Attempt: 1, Delivery: 1})
	w.do(deploy.Stop{By: "me"})
	if m := w.d.Messages(); len(m) != 1 || !strings.Contains(m[0], "ending as Stopped") {
		t.Errorf("a deployment that is ending says %v", m)
	}
	w.do(deploy.Recall{Target: "untaken"})
	if x := w.target("untaken"); x.Status != deploy.TargetSkipped || x.Running {
		t.Errorf("the recalled target is %s", x.Status)
	}
	if r := w.try(deploy.Recall{Target: "taken"}); r != deploy.ReasonStale || w.d.State.Status != deploy.StatusInProgress {
		t.Errorf("a running script was taken back: %q, %s", r, w.d.State.Status)
	}
	if r := w.try(deploy.Acknowledged{Target: "untaken", Attempt: 1, Delivery: 2}); r != deploy.ReasonStale {
		t.Errorf("an agent may run a command that was taken back: %q", r)
	}
	w.do(deploy.Completed{Target: "taken", Attempt: 1, Delivery: 1, Succeeded: true})
	if w.d.State.Status != deploy.StatusStopped {
		t.Errorf("it is %s", w.d.State.Status)
	}
}

// TestMessages holds what is said beside the status.
func TestMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shifting(deploy.TrafficRouting{Type: deploy.RoutingCanary, Percentage: 10, IntervalMinutes: 5}))
	w.do(deploy.Delayed{Why: "the source host is away."})
	if m := w.d.Messages(); len(m) != 1 || m[0] != "the source host is away." {
		t.Errorf("delayed: %v", m)
	}
	w.resolve()
	w.run()
	w.do(deploy.Wake{})
	w.settle()
	w.run()
	w.settle()
	if m := w.d.Messages(); len(m) != 1 || m[0] != "10 % of the requests go to the replacement environment until 2026-01-02T03:09:05Z." {
		t.Errorf("in a shift: %v", m)
	}
}
