package deploy_test

import (
	"testing"
	"time"

	"crossfade/internal/deploy"
)

// TestContinueDeploymentTable holds every cell of the table of ContinueDeployment: the state of a deployment against the kind of wait.
func TestContinueDeploymentTable(t *testing.T) {
	t.Parallel()
	const accepted = deploy.Reason("")
	states := []struct {
		name        string
		spec        func(*deploy.Spec)
		reach       func(*world)
		ready, term deploy.Reason
	}{
		{"created", nil, func(*world) {}, deploy.ReasonNotReady, deploy.ReasonNotReady},
		{"installing", nil, func(w *world) { w.resolve(); w.pump() }, deploy.ReasonNotReady, deploy.ReasonNotReady},
		{"installing, one replacement Ready and one not", oneAtATime, func(w *world) {
			w.resolve()
			for w.target("green-1").Status != deploy.TargetReady {
				w.answer("")
			}
		}, deploy.ReasonNotReady, deploy.ReasonNotReady},
		{"ready, wait running", nil, func(w *world) { w.resolve(); w.run() }, accepted, deploy.ReasonInvalidStatus},
		{"ready for a moment", continueAtOnce, func(w *world) { w.resolve(); w.run() }, accepted, deploy.ReasonInvalidStatus},
		{"rerouting", nil, func(w *world) { toReady(w); w.do(goOn); w.pump() }, deploy.ReasonNotReady, deploy.ReasonNotReady},
		{"blocking the originals", nil, toBlock, deploy.ReasonNotReady, deploy.ReasonNotReady},
		{"termination wait", nil, toTerminationWait, deploy.ReasonNotReady, accepted},
		{"terminating", nil, toTerminating, deploy.ReasonNotReady, accepted},
		{"keep alive, blocking", keepAlive, toBlock, deploy.ReasonNotReady, deploy.ReasonNotReady},
		{"stop requested", nil, func(w *world) { w.resolve(); w.pump(); w.do(deploy.Stop{By: "me"}) }, deploy.ReasonNotReady, deploy.ReasonNotReady},
		{"succeeded", nil, func(w *world) { toTerminating(w); w.do(deploy.Terminated{}) }, deploy.ReasonCompleted, deploy.ReasonCompleted},
		{"keep alive, succeeded", keepAlive, func(w *world) { toReady(w); w.do(goOn); w.run() }, deploy.ReasonCompleted, deploy.ReasonCompleted},
		{"failed", nil, func(w *world) { w.do(deploy.Resolved{}) }, deploy.ReasonCompleted, deploy.ReasonCompleted},
		{"stopped", nil, func(w *world) { toReady(w); w.do(deploy.Stop{By: "me"}) }, deploy.ReasonCompleted, deploy.ReasonCompleted},
		{"state lost", nil, func(w *world) { w.resolve(); w.d.State.Phase = "Elsewhere" }, deploy.ReasonInvalidStatus, deploy.ReasonInvalidStatus},
		{"in place", inPlace, func(w *world) { w.do(deploy.Resolved{Originals: selected("a", "b")}) }, deploy.ReasonUnsupported, deploy.ReasonUnsupported},
		{"in place, succeeded", inPlace, func(w *world) { w.do(deploy.Resolved{Originals: selected("a", "b")}); w.run() }, deploy.ReasonUnsupported, deploy.ReasonUnsupported},
		{"rollback", func(s *deploy.Spec) { s.Kind = deploy.KindBlueGreenRollback }, func(w *world) { w.resolve() }, deploy.ReasonUnsupported, deploy.ReasonUnsupported},
	}
	for _, s := range states {
		for wait, want := range map[deploy.Wait]deploy.Reason{deploy.ReadyWait: s.ready, deploy.TerminationWait: s.term} {
			t.Run(s.name+" "+string(wait), func(t *testing.T) {
				t.Parallel()
				spec := blueGreen()
				if s.spec != nil {
					s.spec(&spec)
				}
				w := newWorld(t, spec)
				s.reach(w)
				before := w.d.State.Version
				if got := w.try(deploy.Continue{Wait: wait, By: "me"}); got != want {
					t.Errorf("refused for %q, want %q", got, want)
				}
				if want != accepted && w.d.State.Version != before {
					t.Error("a refused call changed the deployment")
				}
			})
		}
	}
}

var goOn = deploy.Continue{Wait: deploy.ReadyWait, By: "me"}

func oneAtATime(s *deploy.Spec) {
	s.MinimumHealthy = deploy.HealthyHosts{Type: deploy.MostConcurrency, Value: 1}
}
func continueAtOnce(s *deploy.Spec) {
	s.BlueGreen.ReadyAction, s.BlueGreen.ReadyWaitMinutes = deploy.ReadyContinue, 0
}
func keepAlive(s *deploy.Spec) { s.BlueGreen.TerminationAction = deploy.TerminationKeepAlive }
func inPlace(s *deploy.Spec)   { s.Kind = deploy.KindInPlace }

func toReady(w *world) { w.resolve(); w.run() }

func toBlock(w *world) {
	toReady(w)
	w.do(goOn)
	for w.d.State.Phase != deploy.PhaseBlock {
		w.answer("")
	}
	w.pump()
}

func toTerminationWait(w *world) { toReady(w); w.do(goOn); w.run() }

func toTerminating(w *world) {
	toTerminationWait(w)
	w.do(deploy.Continue{Wait: deploy.TerminationWait, By: "me"})
}

// TestContinueEndsOneWait holds that the second of two calls gets the answer of the state after the first.
func TestContinueEndsOneWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t, blueGreen())
	toReady(w)
	w.do(goOn)
	if got := w.try(goOn); got != deploy.ReasonNotReady {
		t.Errorf("the second READY_WAIT is refused for %q, want %q", got, deploy.ReasonNotReady)
	}
}

// TestWaitsAreTimestamps plays the two waits of 48 hours to their last nanosecond.
func TestWaitsAreTimestamps(t *testing.T) {
	t.Parallel()
	w := newWorld(t, blueGreen(func(s *deploy.Spec) { s.BlueGreen.TerminationWaitMinutes = 2880 }))
	toReady(w)
	end := w.d.State.WakeAt
	if want := w.now.Add(48 * time.Hour); !end.Equal(want) {
		t.Fatalf("the ready wait ends at %s, want %s", end, want)
	}
	w.now = end.Add(-1)
	if got := w.try(deploy.Wake{}); got != deploy.ReasonStale {
		t.Errorf("a nanosecond early the wake-up is refused for %q, want %q", got, deploy.ReasonStale)
	}
	w.do(goOn)
	w.run()
	if w.d.State.Phase != deploy.PhaseTerminationWait || !w.d.State.TerminationWaitStarted {
		t.Fatalf("after the reroute the phase is %s", w.d.State.Phase)
	}
	w.now = w.d.State.WakeAt
	w.do(deploy.Wake{})
	w.do(deploy.Terminated{Notes: []string{"blue-1 stays"}})
	if w.d.State.Status != deploy.StatusSucceeded || w.d.State.Messages[0] != "blue-1 stays" {
		t.Errorf("in the end: %s %v", w.d.State.Status, w.d.State.Messages)
	}
	if w.group.Environment == nil || *w.group.Environment != w.d.Spec.ID {
		t.Error("the replacement did not become the group's environment")
	}
}

// TestReadyWaitRunsOut holds that STOP_DEPLOYMENT stops, and CONTINUE_DEPLOYMENT goes on by itself.
func TestReadyWaitRunsOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, blueGreen())
	toReady(w)
	w.now = w.d.State.WakeAt
	w.do(deploy.Wake{})
	if w.d.State.Status != deploy.StatusStopped || w.d.State.Error == nil {
		t.Errorf("STOP_DEPLOYMENT: %s %v", w.d.State.Status, w.d.State.Error)
	}
	for _, target := range w.targets {
		if target.Status != deploy.TargetSkipped {
			t.Errorf("target %s is %s, want Skipped", target.ID, target.Status)
		}
	}
	w = newWorld(t, blueGreen(continueAtOnce))
	toReady(w)
	if w.d.State.Status != deploy.StatusReady {
		t.Fatalf("CONTINUE_DEPLOYMENT passes through %s, want Ready", w.d.State.Status)
	}
	w.do(deploy.Wake{})
	w.run()
	if w.d.State.Phase != deploy.PhaseTerminationWait {
		t.Errorf("CONTINUE_DEPLOYMENT got to %s", w.d.State.Phase)
	}
}
