package deploy_test

import (
	"testing"
	"time"

	"crossfade/internal/deploy"
)

// TestCopyIsTheGroupsSelection holds that after a copied Auto Scaling group was adopted, no earlier replacement environment is the group's any
// more.
func TestCopyIsTheGroupsSelection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, blueGreen(func(s *deploy.Spec) {
		s.GroupSelection.AutoScalingGroups, s.Environment = []string{"asg"}, "d-EARLIER01"
		s.BlueGreen.Provisioning, s.BlueGreen.ReadyAction = deploy.ProvisionCopyAutoScaler, deploy.ReadyContinue
		s.BlueGreen.TerminationAction = deploy.TerminationKeepAlive
	}))
	w.resolve()
	w.run()
	w.do(deploy.Wake{})
	w.run()
	if w.d.State.Phase != deploy.PhaseTerminate || w.d.State.TerminationWaitStarted {
		t.Errorf("the hooks of the group that is kept are not taken away: %s", w.d.State.Phase)
	}
	w.do(deploy.Terminated{})
	if w.d.State.Status != deploy.StatusSucceeded || len(w.group.AutoScalingGroups) != 1 || w.group.Environment == nil || *w.group.Environment != "" {
		t.Errorf("it is %s and the group remembers %+v", w.d.State.Status, w.group)
	}
}

// TestRollbackOfTheFirstDeployment holds that routing back to what was never deployed does not make the failed revision the group's.
func TestRollbackOfTheFirstDeployment(t *testing.T) {
	t.Parallel()
	for name, previous := range map[string]*deploy.Previous{
		"first":  nil,
		"second": {DeploymentID: "d-EARLIER01", Revision: deploy.Revision{Type: deploy.RevisionS3, S3: &deploy.S3Location{Bucket: "b", Key: "v1", BundleType: "zip"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, blueGreen(func(s *deploy.Spec) {
				s.Previous, s.BlueGreen.ReadyAction = previous, deploy.ReadyContinue
				s.AutoRollback = &deploy.AutoRollback{Enabled: true, Events: []string{deploy.RollbackOnFailure}}
			}))
			w.resolve()
			w.run()
			w.do(deploy.Wake{})
			for w.answer(deploy.AfterAllowTraffic) {
			}
			if w.d.State.Status != deploy.StatusFailed || w.spawned == nil {
				t.Fatalf("it is %s, rollback %v", w.d.State.Status, w.spawned != nil)
			}
			back := *w.spawned
			w.targets, w.effects, w.group = nil, map[deploy.EffectKey]deploy.Effect{}, nil
			w.apply(back)
			w.resolve()
			w.run()
			if w.d.State.Status != deploy.StatusSucceeded || w.group.LastAttempted == nil {
				t.Fatalf("the rollback is %s and the group remembers %+v", w.d.State.Status, w.group)
			}
			if previous == nil && (w.group.TargetRevision != nil || w.group.LastSuccessful != nil) {
				t.Errorf("the group's revision is the failed one: %+v", w.group.TargetRevision)
			}
			if previous != nil && w.group.TargetRevision.Key() != previous.Revision.Key() {
				t.Errorf("the group's revision is %+v", w.group.TargetRevision)
			}
		})
	}
}

// TestLongestShift holds that a deployment with the longest waits and the longest shift that can be asked for is in time.
func TestLongestShift(t *testing.T) {
	t.Parallel()
	spec := shifting(deploy.TrafficRouting{Type: deploy.RoutingCanary, Percentage: 10, IntervalMinutes: 2880})
	spec.BlueGreen.ReadyAction, spec.BlueGreen.ReadyWaitMinutes, spec.BlueGreen.TerminationWaitMinutes = deploy.ReadyStop, 2880, 2880
	w := newWorld(t, spec)
	w.resolve()
	w.run()
	w.now = w.d.State.WaitUntil.Add(-time.Minute)
	w.do(goOn)
	w.settle()
	w.run()
	w.settle()
	w.now = w.d.State.WaitUntil
	w.do(deploy.Wake{})
	w.settle()
	w.run()
	w.settle()
	w.now = w.d.State.WakeAt
	w.do(deploy.Wake{})
	if w.d.State.Phase != deploy.PhaseTerminate {
		t.Errorf("after the waits it is at %s, %s: %+v", w.d.State.Phase, w.d.State.Status, w.d.State.Error)
	}
}

// TestEndAfterTheReroute holds whose environment serves the group after an end in the termination wait: the originals' when traffic is routed
// back to them, else the replacement's.
func TestEndAfterTheReroute(t *testing.T) {
	t.Parallel()
	for name, rollback := range map[string]bool{"rolled back": true, "left as it is": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, blueGreen(func(s *deploy.Spec) { s.BlueGreen.ReadyAction = deploy.ReadyContinue }))
			w.resolve()
			w.run()
			w.do(deploy.Wake{})
			w.run()
			if w.d.State.Phase != deploy.PhaseTerminationWait {
				t.Fatalf("it is at %s", w.d.State.Phase)
			}
			w.group = nil
			w.do(deploy.Stop{By: "me", Rollback: &rollback})
			if adopted := w.group != nil && w.group.Environment != nil; w.d.State.Status != deploy.StatusStopped || (w.spawned != nil) != rollback || adopted == rollback {
				t.Errorf("it is %s, rollback %v, the group remembers %+v", w.d.State.Status, w.spawned != nil, w.group)
			}
		})
	}
}

// TestStoppedBetweenEvents holds what is learnt of instances that a stop reaches: nothing of one that did not begin, and that one which was left
// in the middle is unhealthy.
func TestStoppedBetweenEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, blueGreen(func(s *deploy.Spec) { s.Kind = deploy.KindInPlace }))
	w.do(deploy.Resolved{Originals: selected("a", "b")})
	w.pump()
	w.do(deploy.Acknowledged{Target: "a", Attempt: 1, Delivery: 1})
	w.do(deploy.Stop{By: "me"})
	w.do(deploy.Acknowledged{Target: "b", Attempt: 1, Delivery: 1})
	w.do(deploy.Completed{Target: "a", Attempt: 1, Delivery: 1, Succeeded: true})
	if w.d.State.Status != deploy.StatusStopped || len(w.learnt) != 1 || w.learnt[0].Instance != "a" || w.learnt[0].Succeeded {
		t.Errorf("it is %s and learnt %+v", w.d.State.Status, w.learnt)
	}
}
