package telemetry

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/lb"
	"crossfade/internal/store"
)

func shown(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func expect(t *testing.T, m *Metrics, lines ...string) {
	t.Helper()
	all := shown(t, m)
	for _, l := range lines {
		if !strings.Contains(all, l+"\n") {
			t.Errorf("missing %q in\n%s", l, all)
		}
	}
}

func TestRequestsAndPollsAreShown(t *testing.T) {
	t.Parallel()
	m := New("v0.1.0")
	m.Request("codedeploy", "GetDeployment", "", 3*time.Millisecond)
	m.Request("codedeploy", "GetDeployment", "DeploymentDoesNotExistException", time.Millisecond)
	m.HeldPolls(func() int { return 4 })
	expect(t, m,
		`crossfade_requests_total{code="OK",operation="GetDeployment",service="codedeploy"} 1`,
		`crossfade_requests_total{code="DeploymentDoesNotExistException",operation="GetDeployment",service="codedeploy"} 1`,
		`crossfade_request_duration_seconds_count{operation="GetDeployment",service="codedeploy"} 2`,
		`crossfade_agent_polls_held 4`, `crossfade_build_info{version="v0.1.0"} 1`)
}

func TestTheBalancersCountersAreShown(t *testing.T) {
	t.Parallel()
	m := New("")
	m.Balancer(func() lb.Metrics {
		return lb.Metrics{
			Listeners: []lb.ListenerMetrics{{Name: "web", Connections: 2, Requests: 9, Answers: [6]uint64{0, 0, 8, 0, 0, 1}}},
			Targets: []lb.TargetMetrics{
				{TargetGroup: "web", TargetStatus: lb.TargetStatus{ID: "i-1", State: lb.StateHealthy, Active: 1}, Requests: 5},
				{TargetGroup: "web", TargetStatus: lb.TargetStatus{ID: "i-1", State: lb.StateDraining, Active: 2}, Requests: 7, Errors: 1},
			},
		}
	})
	expect(t, m,
		`crossfade_lb_listener_requests_total{listener="web"} 9`,
		`crossfade_lb_listener_answers_total{class="2xx",listener="web"} 8`,
		`crossfade_lb_target_state{state="healthy",target="i-1",target_group="web"} 1`,
		`crossfade_lb_target_active_requests{target="i-1",target_group="web"} 3`,
		`crossfade_lb_target_requests_total{target="i-1",target_group="web"} 12`)
}

// applying is a store whose batches commit, are run twice, or fail.
type applying struct {
	kept
	runs int
	err  error
}

func (a applying) Batch(_ context.Context, fn func(store.Batch) error) error {
	for range a.runs {
		if err := fn(accepting{}); err != nil {
			return err
		}
	}
	return a.err
}

type accepting struct{ store.Batch }

func (accepting) Apply(context.Context, deploy.Transition) error { return nil }

func TestOnlyWhatBecameDurableIsCounted(t *testing.T) {
	t.Parallel()
	m := New("")
	apply := func(a applying) {
		err := m.Deployments(a).Batch(t.Context(), func(b store.Batch) error {
			return b.Apply(t.Context(), deploy.New(deploy.Spec{ID: "d-1", Kind: deploy.KindInPlace}))
		})
		if !errors.Is(err, a.err) {
			t.Fatal(err)
		}
	}
	apply(applying{runs: 1})
	apply(applying{runs: 2})
	apply(applying{runs: 1, err: errors.New("disk full")})
	expect(t, m, `crossfade_deployment_transitions_total{status="Created"} 2`)
}

func TestLogLinesHaveTheLevelAndFormatAskedFor(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log, err := NewLogger(&b, "warn", "json")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("not shown")
	log.Warn("shown", "deployment", "d-1")
	if got := b.String(); !strings.Contains(got, `"msg":"shown","deployment":"d-1"`) || strings.Contains(got, "not shown") {
		t.Errorf("got %s", got)
	}
	for _, c := range [][2]string{{"loud", "text"}, {"info", "xml"}} {
		if _, err := NewLogger(&b, c[0], c[1]); err == nil {
			t.Errorf("level %s and format %s were accepted", c[0], c[1])
		}
	}
}
