package deploy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"crossfade/internal/deploy"
)

// TestLifecycleEventOrder holds the table of lifecycle events by kind of deployment (user guide, AppSpec hooks).
func TestLifecycleEventOrder(t *testing.T) {
	t.Parallel()
	block := []deploy.EventName{"BeforeBlockTraffic", "BlockTraffic", "AfterBlockTraffic"}
	install := []deploy.EventName{"ApplicationStop", "DownloadBundle", "BeforeInstall", "Install", "AfterInstall", "ApplicationStart", "ValidateService"}
	allow := []deploy.EventName{"BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic"}
	tests := map[deploy.Kind]map[string][]deploy.EventName{
		deploy.KindInPlace:           {"blue-1": install},
		deploy.KindInPlaceTraffic:    {"blue-1": slices.Concat(block, install, allow)},
		deploy.KindBlueGreen:         {"blue-1": block, "green-1": slices.Concat(install, allow)},
		deploy.KindBlueGreenRollback: {"blue-1": allow, "green-1": block},
	}
	for kind, lanes := range tests {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, blueGreen(func(s *deploy.Spec) { s.Kind = kind }))
			e := deploy.Resolved{Originals: selected("blue-1", "blue-2")}
			if kind.BlueGreen() {
				e.Replacements = selected("green-1", "green-2")
			}
			w.do(e)
			w.run()
			if kind == deploy.KindBlueGreen {
				w.do(goOn)
				w.run()
				w.do(deploy.Continue{Wait: deploy.TerminationWait, By: "me"})
				w.do(deploy.Terminated{})
			}
			if w.d.State.Status != deploy.StatusSucceeded {
				t.Fatalf("ended %s: %+v", w.d.State.Status, w.d.State.Error)
			}
			for id, want := range lanes {
				var ran []deploy.EventName
				for _, l := range w.lines {
					if l.Target == id && l.Event != "" {
						ran = append(ran, l.Event)
					}
				}
				if !slices.Equal(ran, want) {
					t.Errorf("%s ran %v, want %v", id, ran, want)
				}
				for _, ev := range w.target(id).LifecycleEvents() {
					if ev.Status != deploy.EventSucceeded || ev.EndedAt.IsZero() || ev.StartedAt.IsZero() {
						t.Errorf("%s: %+v", id, ev)
					}
				}
			}
		})
	}
}

// TestMinimumHealthyHosts holds the worked examples of the minimum healthy hosts: n hosts, a config, the hosts that fail in turn, and what
// comes of it.
func TestMinimumHealthyHosts(t *testing.T) {
	t.Parallel()
	one := deploy.HealthyHosts{Type: deploy.MostConcurrency, Value: 1}
	percent := func(p int) deploy.HealthyHosts { return deploy.HealthyHosts{Type: deploy.FleetPercent, Value: p} }
	count := func(c int) deploy.HealthyHosts { return deploy.HealthyHosts{Type: deploy.HostCount, Value: c} }
	tests := []struct {
		n        int
		config   deploy.HealthyHosts
		fail     []int // hosts, from 1, in the order in which they start
		atOnce   int
		want     deploy.Status
		wantCode string
	}{
		{10, one, nil, 1, deploy.StatusSucceeded, ""},
		{10, one, []int{1}, 1, deploy.StatusFailed, deploy.CodeHealthConstraints},
		{10, one, []int{10}, 1, deploy.StatusSucceeded, ""},
		{10, count(8), []int{1}, 2, deploy.StatusSucceeded, ""},
		{10, count(8), []int{1, 2}, 2, deploy.StatusFailed, deploy.CodeHealthConstraints},
		{10, count(8), []int{1, 10}, 2, deploy.StatusSucceeded, ""},
		{10, count(0), []int{1, 2, 3, 4, 5, 6, 7, 8, 9}, 10, deploy.StatusSucceeded, ""},
		{10, count(0), []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 10, deploy.StatusFailed, deploy.CodeHealthConstraints},
		{9, count(6), nil, 3, deploy.StatusSucceeded, ""},
		{9, percent(40), nil, 5, deploy.StatusSucceeded, ""},
		{9, percent(50), nil, 4, deploy.StatusSucceeded, ""},
		{9, percent(50), []int{1, 2, 3, 4}, 4, deploy.StatusFailed, deploy.CodeHealthConstraints},
		{9, percent(50), []int{1, 2, 3}, 4, deploy.StatusSucceeded, ""},
		{10, percent(95), nil, 0, deploy.StatusFailed, deploy.CodeHealthConstraintsInvalid},
		{5, count(5), nil, 0, deploy.StatusFailed, deploy.CodeHealthConstraintsInvalid},
		{1, one, nil, 1, deploy.StatusSucceeded, ""},
		{1, one, []int{1}, 1, deploy.StatusFailed, deploy.CodeHealthConstraints},
		{1, percent(50), nil, 0, deploy.StatusFailed, deploy.CodeHealthConstraintsInvalid},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d hosts %s %d fail %v", tt.n, tt.config.Type, tt.config.Value, tt.fail), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, blueGreen(func(s *deploy.Spec) { s.Kind, s.MinimumHealthy = deploy.KindInPlace, tt.config }))
			var ids []string
			for i := range tt.n {
				ids = append(ids, fmt.Sprintf("h%02d", i+1))
			}
			w.do(deploy.Resolved{Originals: selected(ids...)})
			most := 0
			for !w.d.State.Status.Terminal() {
				w.pump()
				most = max(most, w.d.State.Overview.InProgress)
				for i := range w.targets {
					x := w.targets[i]
					if !x.Running {
						continue
					}
					var number int
					if _, err := fmt.Sscanf(x.ID, "h%02d", &number); err != nil {
						t.Fatal(err)
					}
					w.do(deploy.Completed{Target: x.ID, Attempt: x.Attempt, Succeeded: !slices.Contains(tt.fail, number)})
					most = max(most, w.d.State.Overview.InProgress)
				}
			}
			if most != tt.atOnce {
				t.Errorf("%d hosts were in progress at once, want %d", most, tt.atOnce)
			}
			code := ""
			if w.d.State.Error != nil {
				code = w.d.State.Error.Code
			}
			if w.d.State.Status != tt.want || code != tt.wantCode {
				t.Errorf("ended %s %s, want %s %s", w.d.State.Status, code, tt.want, tt.wantCode)
			}
			if w.d.State.Overview.Total() != tt.n && tt.wantCode != deploy.CodeHealthConstraintsInvalid {
				t.Errorf("the overview counts %+v of %d", w.d.State.Overview, tt.n)
			}
		})
	}
}

// TestFailureAtEveryEvent fails each event of a blue/green deployment in turn and looks at where the traffic is left.
func TestFailureAtEveryEvent(t *testing.T) {
	t.Parallel()
	for _, fail := range []deploy.EventName{
		"ApplicationStop", "DownloadBundle", "BeforeInstall", "Install", "AfterInstall", "ApplicationStart", "ValidateService",
		"BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic", "BeforeBlockTraffic", "BlockTraffic", "AfterBlockTraffic",
	} {
		t.Run(string(fail), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, blueGreen(func(s *deploy.Spec) {
				s.AutoRollback = &deploy.AutoRollback{Enabled: true, Events: []string{deploy.RollbackOnFailure}}
			}))
			w.resolve()
			for range 40 {
				w.answer(fail)
				if w.d.Ready() {
					w.do(goOn)
				}
			}
			st := w.d.State
			if st.Status != deploy.StatusFailed || st.Error.Code != deploy.CodeHealthConstraints {
				t.Fatalf("ended %s %+v", st.Status, st.Error)
			}
			for _, say := range []string{"-1 at " + string(fail), "of 2 instances failed"} {
				if !strings.Contains(st.Error.Message, say) {
					t.Errorf("the error does not say %q: %s", say, st.Error.Message)
				}
			}
			rerouting := slices.Contains([]deploy.EventName{"BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic", "BeforeBlockTraffic", "BlockTraffic", "AfterBlockTraffic"}, fail)
			if (w.spawned != nil) != rerouting {
				t.Errorf("rollback made: %v, want %v", w.spawned != nil, rerouting)
			}
			if rerouting {
				back := w.spawned.Deployment().Spec
				if back.Kind != deploy.KindBlueGreenRollback || back.ID != "d-TEST00002" || back.RollbackOf != w.d.Spec.ID || back.Creator != deploy.CreatorRollback {
					t.Errorf("the rollback is %+v", back)
				}
			}
			if st.Rollback == nil || !strings.Contains(st.Rollback.Message, "d-TEST00001 terminated.") {
				t.Errorf("rollbackInfo is %+v", st.Rollback)
			}
			failed := 0
			for _, x := range w.targets {
				for _, ev := range x.LifecycleEvents() {
					if ev.Status == deploy.EventFailed {
						failed++
						if ev.Name != fail || ev.Diagnostics == nil {
							t.Errorf("%s: %+v", x.ID, ev)
						}
					}
					if ev.Status == deploy.EventPending || ev.Status == deploy.EventInProgress {
						t.Errorf("%s ended with %s %s", x.ID, ev.Name, ev.Status)
					}
				}
			}
			if failed == 0 {
				t.Error("no event shows the failure")
			}
		})
	}
}

// TestStopDeployment holds the answers of StopDeployment by state, and whether a rollback follows.
func TestStopDeployment(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	onRequest := func(s *deploy.Spec) {
		s.AutoRollback = &deploy.AutoRollback{Enabled: true, Events: []string{deploy.RollbackOnRequest}}
	}
	tests := []struct {
		name     string
		spec     func(*deploy.Spec)
		reach    func(*world)
		rollback *bool
		reason   deploy.Reason
		status   deploy.Status
		spawns   bool
	}{
		{"created", nil, func(*world) {}, nil, "", deploy.StatusStopped, false},
		{"installing: events run", nil, func(w *world) { w.resolve(); w.pump() }, nil, "", deploy.StatusInProgress, false},
		{"ready", nil, toReady, &yes, "", deploy.StatusStopped, false},
		{"termination wait", nil, toTerminationWait, nil, "", deploy.StatusStopped, false},
		{"termination wait, asked to roll back", nil, toTerminationWait, &yes, "", deploy.StatusStopped, true},
		{"termination wait, configured to roll back", onRequest, toTerminationWait, nil, "", deploy.StatusStopped, true},
		{"termination wait, asked not to", onRequest, toTerminationWait, &no, "", deploy.StatusStopped, false},
		{"terminating", nil, toTerminating, nil, deploy.ReasonCompleted, deploy.StatusInProgress, false},
		{"succeeded", nil, func(w *world) { toTerminating(w); w.do(deploy.Terminated{}) }, nil, deploy.ReasonCompleted, deploy.StatusSucceeded, false},
		{"stopped", nil, func(w *world) { toReady(w); w.do(deploy.Stop{}) }, nil, deploy.ReasonStopped, deploy.StatusStopped, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			spec := blueGreen()
			if tt.spec != nil {
				tt.spec(&spec)
			}
			w := newWorld(t, spec)
			tt.reach(w)
			if got := w.try(deploy.Stop{By: "me", Rollback: tt.rollback}); got != tt.reason {
				t.Errorf("refused for %q, want %q", got, tt.reason)
			}
			if w.d.State.Status != tt.status {
				t.Errorf("status %s, want %s", w.d.State.Status, tt.status)
			}
			if (w.spawned != nil) != tt.spawns {
				t.Errorf("rollback made: %v, want %v", w.spawned != nil, tt.spawns)
			}
		})
	}
}

// TestStopWaitsForWhatRuns holds that a stop lets a running event finish, records its result, and starts nothing more.
func TestStopWaitsForWhatRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, blueGreen())
	w.resolve()
	w.pump()
	one, two := w.target("green-1"), w.target("green-2")
	w.do(deploy.Acknowledged{Target: one.ID, Attempt: one.Attempt, Delivery: 7})
	w.do(deploy.Stop{By: "me"})
	w.do(deploy.Stop{By: "me"})
	w.do(deploy.Completed{Target: one.ID, Attempt: one.Attempt, Delivery: 7, Succeeded: true})
	if w.d.State.Status != deploy.StatusInProgress {
		t.Fatalf("the deployment is %s while a command is out", w.d.State.Status)
	}
	w.do(deploy.Acknowledged{Target: two.ID, Attempt: two.Attempt, Delivery: 8}) // dropped
	if w.d.State.Status != deploy.StatusStopped || len(w.effects) != 0 {
		t.Fatalf("the deployment is %s with effects %v", w.d.State.Status, w.effects)
	}
	if ev := w.target("green-1").LifecycleEvents(); ev[0].Status != deploy.EventSucceeded || ev[1].Status != deploy.EventSkipped {
		t.Errorf("green-1: %+v", ev[:2])
	}
}

// TestOneDeliveryRuns holds that of two handings-out of a command only the first acknowledged one counts.
func TestOneDeliveryRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, blueGreen())
	w.resolve()
	w.pump()
	x := w.target("green-1")
	w.do(deploy.Acknowledged{Target: x.ID, Attempt: x.Attempt, Delivery: 1})
	w.do(deploy.Acknowledged{Target: x.ID, Attempt: x.Attempt, Delivery: 1}) // the agent's retry
	if got := w.try(deploy.Acknowledged{Target: x.ID, Attempt: x.Attempt, Delivery: 2}); got != deploy.ReasonStale {
		t.Errorf("the second delivery is refused for %q, want %q", got, deploy.ReasonStale)
	}
	if got := w.try(deploy.Completed{Target: x.ID, Attempt: x.Attempt, Delivery: 2}); got != deploy.ReasonStale {
		t.Errorf("its result is refused for %q, want %q", got, deploy.ReasonStale)
	}
	w.do(deploy.Completed{Target: x.ID, Attempt: x.Attempt, Delivery: 1, Succeeded: true})
	if got := w.try(deploy.Completed{Target: x.ID, Attempt: x.Attempt, Delivery: 1, Succeeded: false}); got != deploy.ReasonStale {
		t.Errorf("a second result is refused for %q, want %q", got, deploy.ReasonStale)
	}
}

// TestDeadlines holds what becomes of a host that never polls and of an event that never ends.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	w := newWorld(t, blueGreen())
	w.resolve()
	w.pump()
	silent, stuck := w.target("green-1"), w.target("green-2")
	w.do(deploy.Acknowledged{Target: stuck.ID, Attempt: stuck.Attempt, Delivery: 1})
	w.now = w.now.Add(deploy.PickUpLimit - 1)
	if got := w.try(deploy.TargetDue{Target: silent.ID}); got != deploy.ReasonStale {
		t.Errorf("too early: %q", got)
	}
	w.now = w.now.Add(1)
	w.do(deploy.TargetDue{Target: silent.ID})
	if m := w.target(silent.ID).Events[0].Diagnostics.Message; !strings.Contains(m, "make sure the agent is running") || !strings.Contains(m, "host:green-1") {
		t.Errorf("a dead agent is explained as %q", m)
	}
	w.now = w.target(stuck.ID).DueAt
	w.do(deploy.TargetDue{Target: stuck.ID})
	if w.d.State.Status != deploy.StatusFailed {
		t.Errorf("ended %s", w.d.State.Status)
	}
}

// TestPrechecks holds the failures of deployments that can't start.
func TestPrechecks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		spec  func(*deploy.Spec)
		event deploy.Resolved
		code  string
		say   string
	}{
		{"no instances", nil, deploy.Resolved{Originals: selected("a")}, deploy.CodeNoInstances, "The deployment failed because no instances were found"},
		{"no balancer", func(s *deploy.Spec) { s.LoadBalancer = nil }, deploy.Resolved{Replacements: selected("a")}, deploy.CodeNoBalancer, "loadBalancerInfo"},
		{"no configuration", func(s *deploy.Spec) { s.BlueGreen = nil }, deploy.Resolved{Replacements: selected("a")}, deploy.CodeNoBlueGreen, "blueGreenDeploymentConfiguration"},
		{"a problem of the fleet", nil, deploy.Resolved{Problem: &deploy.ErrorInfo{Code: deploy.CodeBalancerInvalid, Message: "no target group x"}}, deploy.CodeBalancerInvalid, "no target group x"},
		{"the environment itself", func(s *deploy.Spec) { s.Environment = "d-BEFORE001" }, deploy.Resolved{Originals: selected("a"), Replacements: selected("a", "b")}, deploy.CodeNoInstances, "serves prod now"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			spec := blueGreen()
			if tt.spec != nil {
				tt.spec(&spec)
			}
			w := newWorld(t, spec)
			w.do(tt.event)
			if w.d.State.Status != deploy.StatusFailed || w.d.State.Error.Code != tt.code || !strings.Contains(w.d.State.Error.Message, tt.say) {
				t.Errorf("ended %s %+v", w.d.State.Status, w.d.State.Error)
			}
			if len(w.targets) != 0 || len(w.effects) != 0 {
				t.Errorf("left %d targets and %d effects", len(w.targets), len(w.effects))
			}
		})
	}
}

// TestReplacementsAreNotOriginals holds that a group's filters that also select the replacements don't get those blocked and terminated.
func TestReplacementsAreNotOriginals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, blueGreen())
	w.do(deploy.Resolved{Originals: selected("a", "b", "c"), Replacements: selected("c")})
	if w.d.State.Originals != 2 || w.target("c").Lane != deploy.LaneReplacement {
		t.Errorf("%d originals, c is %s", w.d.State.Originals, w.target("c").Lane)
	}
}

// TestIgnoreApplicationStopFailures holds which events may fail, and that the target still succeeds.
func TestIgnoreApplicationStopFailures(t *testing.T) {
	t.Parallel()
	for _, fail := range []deploy.EventName{deploy.ApplicationStop, deploy.BeforeBlockTraffic, deploy.AfterBlockTraffic} {
		w := newWorld(t, blueGreen(func(s *deploy.Spec) { s.Kind, s.IgnoreApplicationStopFailures = deploy.KindInPlaceTraffic, true }))
		w.do(deploy.Resolved{Originals: selected("a", "b")})
		for w.answer(fail) {
		}
		if w.d.State.Status != deploy.StatusSucceeded {
			t.Errorf("%s: ended %s %+v", fail, w.d.State.Status, w.d.State.Error)
		}
		for _, ev := range w.target("a").Events {
			if (ev.Status == deploy.EventFailed) != (ev.Name == fail) {
				t.Errorf("%s: %s is %s", fail, ev.Name, ev.Status)
			}
		}
	}
}
