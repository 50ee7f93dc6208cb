package api_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// moment is a state that ContinueDeployment tells apart, and what the calls that end a wait answer in it.
type moment struct {
	name  string
	block string // empty: STOP_DEPLOYMENT after 60 minutes, TERMINATE after 60 minutes
	group string // empty: prod
	bring func(w *world, id string) string
	// status is what GetDeployment shows then.
	status string
	// fleeting says that the next event ends it, whatever that is.
	fleeting bool
	// What each call answers: an exception without its suffix, or nothing for 200.
	ready, termination, skip string
}

// moments are all of them, of a blue/green deployment and of the kinds that never wait.
var moments = []moment{
	{
		name: "created", status: "Created",
		bring: func(_ *world, id string) string { return id },
		ready: "DeploymentIsNotInReadyState", termination: "DeploymentIsNotInReadyState", skip: "DeploymentNotStarted",
	},
	{
		name: "installing", status: "InProgress",
		bring: func(w *world, id string) string { w.run(); return id },
		ready: "DeploymentIsNotInReadyState", termination: "DeploymentIsNotInReadyState", skip: "DeploymentNotStarted",
	},
	{
		name: "ready with STOP_DEPLOYMENT", status: "Ready",
		bring: toReady, termination: "InvalidDeploymentStatus", skip: "DeploymentNotStarted",
	},
	{
		name: "ready for a moment with CONTINUE_DEPLOYMENT", status: "Ready", block: blueGreenBlock("CONTINUE_DEPLOYMENT", 0, "TERMINATE", 60),
		fleeting: true, bring: toMomentaryReady, termination: "InvalidDeploymentStatus", skip: "DeploymentNotStarted",
	},
	{
		name: "rerouting", status: "InProgress", bring: toRerouting,
		ready: "DeploymentIsNotInReadyState", termination: "DeploymentIsNotInReadyState", skip: "DeploymentNotStarted",
	},
	{
		name: "rerouting with KEEP_ALIVE", status: "InProgress", bring: toRerouting, block: blueGreenBlock("STOP_DEPLOYMENT", 60, "KEEP_ALIVE", 0),
		ready: "DeploymentIsNotInReadyState", termination: "DeploymentIsNotInReadyState", skip: "DeploymentNotStarted",
	},
	{
		name: "done with KEEP_ALIVE", status: "Succeeded", bring: toTerminationWait, block: blueGreenBlock("STOP_DEPLOYMENT", 60, "KEEP_ALIVE", 0),
		ready: "DeploymentAlreadyCompleted", termination: "DeploymentAlreadyCompleted", skip: "DeploymentAlreadyCompleted",
	},
	{
		name: "termination wait", status: "InProgress", bring: toTerminationWait,
		ready: "DeploymentIsNotInReadyState",
	},
	{
		name: "terminating", status: "InProgress",
		bring: func(w *world, id string) string {
			toTerminationWait(w, id)
			w.must("ContinueDeployment", `{"deploymentId":"`+id+`","deploymentWaitType":"TERMINATION_WAIT"}`)
			return id
		},
		ready: "DeploymentIsNotInReadyState",
	},
	{
		name: "stop requested", status: "InProgress",
		bring: func(w *world, id string) string {
			w.run()
			w.must("StopDeployment", `{"deploymentId":"`+id+`"}`)
			return id
		},
		ready: "DeploymentIsNotInReadyState", termination: "DeploymentIsNotInReadyState", skip: "DeploymentNotStarted",
	},
	{
		name: "succeeded", status: "Succeeded",
		bring: func(w *world, id string) string {
			toTerminationWait(w, id)
			w.clock.Pass(time.Hour)
			w.run()
			return id
		},
		ready: "DeploymentAlreadyCompleted", termination: "DeploymentAlreadyCompleted", skip: "DeploymentAlreadyCompleted",
	},
	{
		name: "failed", status: "Failed",
		bring: func(w *world, id string) string {
			w.agents.answering, w.agents.fails = true, "Install"
			w.run()
			return id
		},
		ready: "DeploymentAlreadyCompleted", termination: "DeploymentAlreadyCompleted", skip: "DeploymentAlreadyCompleted",
	},
	{
		name: "stopped", status: "Stopped",
		bring: func(w *world, id string) string {
			w.must("StopDeployment", `{"deploymentId":"`+id+`"}`)
			return id
		},
		ready: "DeploymentAlreadyCompleted", termination: "DeploymentAlreadyCompleted", skip: "DeploymentAlreadyCompleted",
	},
	{
		name: "ready wait expired", status: "Stopped",
		bring: func(w *world, id string) string {
			toReady(w, id)
			w.clock.Pass(time.Hour)
			w.run()
			return id
		},
		ready: "DeploymentAlreadyCompleted", termination: "DeploymentAlreadyCompleted", skip: "DeploymentAlreadyCompleted",
	},
	{
		name: "in place", group: "flat", status: "InProgress",
		bring: func(w *world, id string) string { w.run(); return id },
		ready: "UnsupportedActionForDeploymentType", termination: "UnsupportedActionForDeploymentType", skip: "UnsupportedActionForDeploymentType",
	},
	{
		name: "in place and over", group: "flat", status: "Succeeded",
		bring: func(w *world, id string) string {
			w.agents.answering = true
			w.run()
			return id
		},
		ready: "UnsupportedActionForDeploymentType", termination: "UnsupportedActionForDeploymentType", skip: "UnsupportedActionForDeploymentType",
	},
	{
		name: "a rollback", status: "Created",
		bring: func(w *world, id string) string {
			toTerminationWait(w, id)
			w.must("StopDeployment", `{"deploymentId":"`+id+`","autoRollbackEnabled":true}`)
			return text(w.t, w.must("GetDeployment", `{"deploymentId":"`+id+`"}`, "deploymentInfo", "rollbackInfo", "rollbackDeploymentId"))
		},
		ready: "UnsupportedActionForDeploymentType", termination: "UnsupportedActionForDeploymentType", skip: "UnsupportedActionForDeploymentType",
	},
}

func toReady(w *world, id string) string {
	w.agents.answering = true
	w.run()
	return id
}

// toMomentaryReady stops the engine between becoming Ready and the end of a wait of 0.
func toMomentaryReady(w *world, id string) string {
	for range 100 {
		if w.status(id) == "Ready" {
			return id
		}
		if _, err := w.engine.runner.RunOnce(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		w.engine.runner.CarryOnce(w.t.Context(), true, nil)
		if offers := w.agents.take(); len(offers) > 0 {
			w.answerOne(offers[0])
		}
	}
	w.t.Fatal("the deployment never became Ready")
	return ""
}

func toRerouting(w *world, id string) string {
	toReady(w, id)
	w.router.setStuck(true)
	w.must("ContinueDeployment", `{"deploymentId":"`+id+`"}`)
	w.run()
	return id
}

func toTerminationWait(w *world, id string) string {
	toReady(w, id)
	w.must("ContinueDeployment", `{"deploymentId":"`+id+`"}`)
	w.run()
	return id
}

// at makes a world with a deployment at the moment.
func (m moment) at(t *testing.T) (w *world, id string) {
	w = newWorld(t)
	block, group := m.block, m.group
	if block == "" {
		block = blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60)
	}
	if group == "" {
		group = "prod"
	}
	w.stock(block)
	id = m.bring(w, w.deployTo(group))
	if got := w.status(id); got != m.status {
		t.Fatalf("the deployment is %s, want %s", got, m.status)
	}
	return w, id
}

func TestContinueDeploymentInEveryStateWithEachWait(t *testing.T) {
	t.Parallel()
	for _, m := range moments {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			w, id := m.at(t)
			for _, call := range []struct{ operation, wait, want string }{
				{"ContinueDeployment", `,"deploymentWaitType":"READY_WAIT"`, m.ready},
				{"ContinueDeployment", ``, m.ready},
				{"ContinueDeployment", `,"deploymentWaitType":null`, m.ready},
				{"ContinueDeployment", `,"deploymentWaitType":"TERMINATION_WAIT"`, m.termination},
				{"SkipWaitTimeForInstanceTermination", ``, m.skip},
			} {
				exception, answer := w.call(call.operation, `{"deploymentId":"`+id+`"`+call.wait+`}`)
				if strings.TrimSuffix(exception, "Exception") != call.want {
					t.Errorf("%s%s answered %q %s, want %q", call.operation, call.wait, exception, answer, call.want)
				}
				if call.want == "" && answer != "" {
					t.Errorf("a success has the body %s", answer)
				}
				if exception == "" || m.fleeting {
					w, id = m.at(t) // a success moved the deployment on
				} else if got := w.status(id); got != m.status {
					t.Fatalf("a refused %s%s left the deployment %s", call.operation, call.wait, got)
				}
			}
		})
	}
}

func TestContinueDeploymentReroutesAndThenEndsTheTerminationWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 2880))
	id := w.deployTo("prod")
	toReady(w, id)
	get := func(path ...string) string {
		return w.must("GetDeployment", `{"deploymentId":"`+id+`"}`, append([]string{"deploymentInfo"}, path...)...)
	}
	if got := get("deploymentOverview"); got != `{"Pending":2,"InProgress":0,"Succeeded":0,"Failed":0,"Skipped":0,"Ready":2}` {
		t.Errorf("when Ready the overview is %s", got)
	}
	w.must("ContinueDeployment", `{"deploymentId":"`+id+`"}`)
	if got := get("status"); got != `"InProgress"` {
		t.Errorf("after the call the status is %s", got)
	}
	w.run()
	if got := get("instanceTerminationWaitTimeStarted"); got != "true" {
		t.Errorf("the termination wait has not started: %s", got)
	}
	w.must("ContinueDeployment", `{"deploymentId":"`+id+`","deploymentWaitType":"TERMINATION_WAIT"}`)
	w.must("ContinueDeployment", `{"deploymentId":"`+id+`","deploymentWaitType":"TERMINATION_WAIT"}`)
	w.run()
	if got := get("status"); got != `"Succeeded"` {
		t.Errorf("at the end the status is %s", got)
	}
}

func TestOfAHundredSimultaneousCallsOneStartsTheRerouting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
	id := w.deployTo("prod")
	toReady(w, id)
	var mu sync.Mutex
	answers := map[string]int{}
	var calls sync.WaitGroup
	for range 100 {
		calls.Go(func() {
			exception, _ := w.call("ContinueDeployment", `{"deploymentId":"`+id+`","deploymentWaitType":"READY_WAIT"}`)
			mu.Lock()
			answers[exception]++
			mu.Unlock()
		})
	}
	calls.Wait()
	if answers[""] != 1 || answers["DeploymentIsNotInReadyStateException"] != 99 {
		t.Errorf("answers: %v", answers)
	}
}

func TestStopDeploymentByState(t *testing.T) {
	t.Parallel()
	// What each moment answers: the status, or an exception without its suffix.
	want := map[string]string{
		"created": "Succeeded", "installing": "Pending", "ready with STOP_DEPLOYMENT": "Succeeded",
		"ready for a moment with CONTINUE_DEPLOYMENT": "Succeeded", "rerouting": "Pending", "rerouting with KEEP_ALIVE": "Pending",
		"done with KEEP_ALIVE": "DeploymentAlreadyCompleted", "termination wait": "Succeeded", "terminating": "DeploymentAlreadyCompleted",
		"stop requested": "Pending", "succeeded": "DeploymentAlreadyCompleted", "failed": "DeploymentAlreadyCompleted",
		"stopped": "Succeeded", "ready wait expired": "Succeeded", "in place": "Pending", "in place and over": "DeploymentAlreadyCompleted",
		"a rollback": "Succeeded",
	}
	for _, m := range moments {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			w, id := m.at(t)
			exception, answer := w.call("StopDeployment", `{"deploymentId":"`+id+`"}`)
			got := strings.TrimSuffix(exception, "Exception")
			if got == "" {
				got = text(t, dig(t, answer, "status"))
				if message := text(t, dig(t, answer, "statusMessage")); message == "" {
					t.Error("no statusMessage")
				}
			}
			if got != want[m.name] {
				t.Errorf("answered %s %s, want %s", exception, answer, want[m.name])
			}
		})
	}
}

func TestOneAccountNeverSeesAnothersDeployment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
	id := w.deployTo("prod")
	toReady(w, id)
	w.account = "999999999999"
	for _, operation := range []string{"GetDeployment", "ContinueDeployment", "StopDeployment", "SkipWaitTimeForInstanceTermination", "ListDeploymentTargets"} {
		if exception, answer := w.call(operation, fmt.Sprintf(`{"deploymentId":%q}`, id)); exception != "DeploymentDoesNotExistException" {
			t.Errorf("%s answered %s", operation, answer)
		}
	}
}
