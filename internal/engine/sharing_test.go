package engine_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/engine"
	"crossfade/internal/traffic"
)

// sharing is a load balancer on which an earlier deployment left a share of the requests.
type sharing struct {
	*balancer
	mu sync.Mutex
	is traffic.SplitObserved
}

func (s *sharing) Split(_ context.Context, want traffic.Split) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if want.Generation > s.is.Generation {
		s.is = traffic.SplitObserved{TargetGroup: "tg", Environment: want.Environment, Percent: want.Percent, Generation: want.Generation}
	}
	return nil
}

func (s *sharing) SplitOf(context.Context, []string) ([]traffic.SplitObserved, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []traffic.SplitObserved{s.is}, nil
}

// TestWhatAShiftLeftIsEnded holds that a deployment begins with no share of requests that an earlier one left, and leaves alone the share of one
// that is under way.
func TestWhatAShiftLeftIsEnded(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t)
	lb := &sharing{balancer: w.lb, is: traffic.SplitObserved{TargetGroup: "tg", Environment: "d-LEFT00001", Percent: 10, Generation: deploy.GenerationAt(time.Now())}}
	runner := engine.New(engine.Config{
		Store: w.store, Clock: wallClock{}, Agents: w.agents, Router: lb, Splitter: lb, Log: slog.New(slog.DiscardHandler), Fleet: hosts{"blue": {"blue-1", "blue-2"}},
	})
	spec := w.spec
	spec.Kind = deploy.KindInPlaceTraffic
	made := runner.SubmitNew(spec)
	if _, err := runner.RunOnce(ctx); err != nil {
		t.Fatal(err)
	}
	if r := <-made; r.Err != nil {
		t.Fatal(r.Err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the deployment did not begin")
		}
		runner.CarryOnce(ctx, true, nil)
		if _, err := runner.RunOnce(ctx); err != nil {
			t.Fatal(err)
		}
		d, err := w.store.Deployment(ctx, "", spec.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !d.State.StartedAt.IsZero() {
			break
		}
	}
	if left, err := lb.SplitOf(ctx, nil); err != nil || left[0].Environment != "" {
		t.Errorf("the deployment began with the sharing %+v, %v", left, err)
	}
}
