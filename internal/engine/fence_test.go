package engine_test

import (
	"log/slog"
	"testing"
	"time"

	"crossfade/internal/clocktest"
	"crossfade/internal/deploy"
	"crossfade/internal/engine"
)

// TestAStalledOwnerIsRefused stalls an owner between carrying an effect out and telling so, until another one has taken over, and holds that what
// it tells then changes nothing, and that the other one carries the effect out.
func TestAStalledOwnerIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Stop() // the one that is alone
	clock := clocktest.At(time.Now())
	runner := func(name string) *engine.Runner {
		return engine.New(engine.Config{
			Store: w.store, Clock: clock, Agents: &agents{t: t}, Router: w.lb, Log: slog.New(slog.DiscardHandler),
			Fleet: hosts{"blue": {"blue-1", "blue-2"}, "green": {"green-1", "green-2"}}, Replicas: w.store, Replica: name,
		})
	}
	ctx := t.Context()
	run := func(r *engine.Runner) {
		t.Helper()
		r.News()
		if _, err := r.RunOnce(ctx); err != nil {
			t.Fatal(err)
		}
	}
	attend := func(r *engine.Runner) {
		t.Helper()
		if _, err := r.Attend(ctx); err != nil {
			t.Fatal(err)
		}
	}
	read := func() deploy.State {
		t.Helper()
		d, err := w.store.Deployment(ctx, "", w.spec.ID)
		if err != nil {
			t.Fatal(err)
		}
		return d.State
	}
	stalled, other := runner("stalled"), runner("other")
	for _, r := range []*engine.Runner{stalled, other} {
		if err := r.Recover(ctx); err != nil {
			t.Fatal(err)
		}
	}
	attend(stalled)
	created := stalled.SubmitNew(w.spec)
	run(stalled)
	if r := <-created; r.Err != nil {
		t.Fatal(r.Err)
	}
	stalled.CarryOnce(ctx, false, nil) // finds the instances, and does not come to tell so
	before := read()

	clock.Pass(time.Minute)
	attend(other)
	run(other)
	run(stalled)
	if got := read(); got.Version != before.Version {
		t.Fatalf("what the stalled owner told changed version %d to %d", before.Version, got.Version)
	}
	if next := stalled.CarryOnce(ctx, false, nil); next.IsZero() {
		t.Error("one whose leases have run out carries effects out")
	}
	attend(stalled) // learns that it has lost them

	other.CarryOnce(ctx, false, nil)
	run(other)
	if got := read(); got.Version == before.Version || got.Originals != 2 {
		t.Fatalf("the other one did not go on: %+v", got)
	}
	// Calls are served by either.
	answer := stalled.Submit(w.spec.ID, deploy.Stop{By: "me"})
	run(stalled)
	if r := <-answer; r.Err != nil || read().Version <= before.Version {
		t.Errorf("a call to the one without leases: %+v %v", r.Result, r.Err)
	}
}
