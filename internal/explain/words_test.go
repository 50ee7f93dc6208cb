package explain_test

import (
	"errors"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/explain"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// machine plays a deployment with the real state machine, so that what it says of failures and what is made of that agree.
type machine struct {
	t      *testing.T
	now    time.Time
	d      deploy.Deployment
	target deploy.Target
}

func play(t *testing.T, kind deploy.Kind) *machine {
	t.Helper()
	spec := deploy.Spec{
		ID: "d-TEST00001", GroupID: "g", Group: "prod", Kind: kind, Creator: deploy.CreatorUser, CreatedAt: begin,
		Config: "CodeDeployDefault.OneAtATime", MinimumHealthy: deploy.HealthyHosts{Type: deploy.MostConcurrency, Value: 1},
		LoadBalancer: &deploy.LoadBalancer{TargetGroups: []string{"web"}},
		Revision:     deploy.Revision{Type: deploy.RevisionS3, S3: &deploy.S3Location{Bucket: "b", Key: "k", BundleType: "zip"}},
	}
	first := deploy.New(spec)
	m := &machine{t: t, now: begin, d: first.Deployment()}
	m.do(deploy.Resolved{Originals: []deploy.Selected{{ID: "web-1", Host: "host-1"}}})
	m.now = m.d.State.WakeAt
	m.do(deploy.Wake{})
	return m
}

func (m *machine) do(what deploy.What) {
	m.t.Helper()
	v := deploy.View{Deployment: m.d}
	if m.target.ID != "" {
		v.Target, v.Next = &m.target, []deploy.Target{m.target}
	}
	tr, err := deploy.Step(v, deploy.Event{At: m.now, What: what})
	if err != nil {
		m.t.Fatalf("%T: %v", what, err)
	}
	m.d = tr.Deployment()
	for _, t := range append(tr.NewTargets(), tr.Targets()...) {
		m.target = t
	}
}

// due lets the time of the running event pass and returns how it failed.
func (m *machine) due() (explain.Failure, control.LifecycleEvent) {
	m.t.Helper()
	cursor := m.target.Cursor
	m.now = m.target.DueAt
	m.do(deploy.TargetDue{Target: m.target.ID})
	e := m.target.Events[cursor]
	if e.Status != deploy.EventFailed || e.Diagnostics == nil {
		m.t.Fatalf("%s is %s", e.Name, e.Status)
	}
	event := control.LifecycleEvent{
		LifecycleEventName: new(string(e.Name)), Status: new(control.LifecycleEventStatus(e.Status)), StartTime: wire.At(e.StartedAt), EndTime: wire.At(e.EndedAt),
		Diagnostics: &control.Diagnostics{ErrorCode: new(control.LifecycleErrorCode(e.Diagnostics.ErrorCode)), Message: &e.Diagnostics.Message},
	}
	return explain.FailureOf(control.InstanceTarget{TargetId: &m.target.ID}, event), event
}

// TestTheServersWords holds that the causes are found in what the state machine says today.
func TestTheServersWords(t *testing.T) {
	t.Parallel()
	dead, event := play(t, deploy.KindInPlace).due()
	if dead.Cause != explain.CauseAgentDead || explain.Began(event) {
		t.Errorf("an agent that never asks is %+v, began: %t", dead, explain.Began(event))
	}
	if want := "The agent of web-1 is dead or can't reach the server: it did not ask for ApplicationStop within 5m0s, so nothing of it ran."; dead.Says != want {
		t.Errorf("it says %q, want %q", dead.Says, want)
	}
	m := play(t, deploy.KindInPlace)
	m.do(deploy.Acknowledged{Target: m.target.ID, Attempt: m.target.Attempt, Delivery: 1})
	silent, event := m.due()
	if silent.Cause != explain.CauseAgentSilent || !explain.Began(event) {
		t.Errorf("an agent that never reports is %+v, began: %t", silent, explain.Began(event))
	}
	m = play(t, deploy.KindInPlaceTraffic)
	m.do(deploy.Completed{Target: m.target.ID, Attempt: m.target.Attempt, Succeeded: true})
	balancer, event := m.due()
	if balancer.Cause != explain.CauseLoadBalancer || !explain.Began(event) {
		t.Errorf("a load balancer that does not answer is %+v, began: %t", balancer, explain.Began(event))
	}
}

// TestEveryCode holds that each code that the server raises, but that of instances, is explained with something to do.
func TestEveryCode(t *testing.T) {
	t.Parallel()
	raised := []string{
		deploy.CodeHealthConstraintsInvalid, deploy.CodeNoInstances, deploy.CodeOverMaxInstances, deploy.CodeTimeout, deploy.CodeInternal, deploy.CodeNoBalancer,
		deploy.CodeBalancerInvalid, deploy.CodeNoBlueGreen, deploy.CodeAlarmActive, deploy.CodeAutoScaling, deploy.CodeRolePermissions, deploy.CodeThrottled,
		deploy.CodeRevisionMissing, deploy.CodeInvalidRevision, deploy.CodeNoGitHubToken,
	}
	other := explain.Explain(ended(deployment(control.DeploymentStatusFailed), "NEW_CODE", "?")).Summary
	for _, c := range raised {
		x := explain.Explain(ended(deployment(control.DeploymentStatusFailed), c, "?"))
		if x.Summary == other || len(x.Next) != 1 {
			t.Errorf("%s is explained as %q with %q", c, x.Summary, x.Next)
		}
	}
}

// TestHostBusy holds that a command which waits longer than an agent may is waiting for its host, which the server would else have given up.
func TestHostBusy(t *testing.T) {
	t.Parallel()
	in := deployment(control.DeploymentStatusInProgress, target("web-1", "", inProgress, installEvents, 0, 0))
	x := explain.Explain(in)
	if len(x.Waiting) != 1 || x.Waiting[0].Until != nil || x.Waiting[0].For != "another deployment to leave web-1, which serves one deployment at a time; then ApplicationStop begins" {
		t.Errorf("it waits for %+v", x.Waiting)
	}
	in.Info.Creator = new(control.DeploymentCreatorAutoscaling)
	in.Now = begin.Add(20 * time.Minute)
	if x := explain.Explain(in); x.Waiting[0].Until == nil || !x.Waiting[0].Until.Equal(begin.Add(time.Hour)) {
		t.Errorf("an instance that is still booting waits for %+v", x.Waiting)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestWriteTextReports(t *testing.T) {
	t.Parallel()
	if err := explain.Explain(deployment(control.DeploymentStatusSucceeded)).WriteText(full{}); err == nil {
		t.Error("a full disk is no error")
	}
}
