package storetest

import (
	"context"
	"testing"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// nextWaiting asks whose turn it is.
func (w *world) nextWaiting(groupID string) (id string) {
	w.t.Helper()
	w.check(w.s.Batch(context.Background(), func(b store.Batch) (err error) {
		id, err = b.NextWaiting(context.Background(), groupID)
		return err
	}))
	return id
}

// turns holds who may run when a group's deployments wait their turn.
func turns(t *testing.T, w *world) {
	g := w.group()
	first := w.create(g, deploy.KindInPlace)
	w.resolve(first, 2, 0)
	var waiting []string
	for range 2 {
		spec := w.spec(g, deploy.KindInPlace)
		spec.Queue = true
		w.check(w.apply(deploy.NewWaiting(spec, first)))
		waiting = append(waiting, spec.ID)
	}
	if d := w.read(waiting[0]); d.State.Status != deploy.StatusQueued || !d.State.Waiting || !d.State.WakeAt.IsZero() {
		t.Fatalf("the second deployment is %+v", d.State)
	}
	if e := w.effects(waiting[0]); len(e) != 0 {
		t.Fatalf("one that waits wants %+v", e)
	}
	if id := w.nextWaiting(g.ID); id != "" {
		t.Fatalf("it is the turn of %s while %s runs", id, first)
	}
	admit := func(id string) error {
		return w.s.Batch(context.Background(), func(b store.Batch) error {
			tr, err := decide(b, id, deploy.Event{At: w.now(), What: deploy.Admit{Environment: "d-env"}})
			if err != nil {
				return err
			}
			return b.Apply(context.Background(), tr)
		})
	}
	if err := admit(waiting[0]); !isBusy(err, first) {
		t.Fatalf("admitted while %s runs: %v", first, err)
	}
	w.drive(first)
	if d := w.read(first); d.State.Status != deploy.StatusSucceeded {
		t.Fatalf("the first ended %s: %+v", d.State.Status, d.State.Error)
	}
	// Nobody may overtake those that wait.
	if err := w.apply(deploy.New(w.spec(g, deploy.KindInPlace))); !isBusy(err, waiting[0]) {
		t.Fatalf("created before those that wait: %v", err)
	}
	if id := w.nextWaiting(g.ID); id != waiting[0] {
		t.Fatalf("it is the turn of %q, want %s", id, waiting[0])
	}
	must(t, admit(waiting[0]))
	d := w.read(waiting[0])
	if d.State.Waiting || d.Spec.Environment != "d-env" || d.State.AdmittedAt.IsZero() {
		t.Fatalf("admitted it is %+v of %+v", d.State, d.Spec)
	}
	if id := w.nextWaiting(g.ID); id != "" {
		t.Fatalf("it is the turn of %s while %s runs", id, waiting[0])
	}
	w.step(waiting[0], deploy.Stop{By: "me"})
	if id := w.nextWaiting(g.ID); id != waiting[1] {
		t.Fatalf("it is the turn of %q, want %s", id, waiting[1])
	}
	// One that waits can be stopped where it stands.
	w.step(waiting[1], deploy.Stop{By: "me"})
	if id := w.nextWaiting(g.ID); id != "" {
		t.Fatalf("it is the turn of %s, which was stopped", id)
	}
	must(t, w.apply(deploy.New(w.spec(g, deploy.KindInPlace))))
}

// beside holds that deployments for single instances are in nobody's way, and that the group remembers nothing of them.
func beside(t *testing.T, w *world) {
	g := w.group()
	id := w.create(g, deploy.KindInPlace)
	var others []string
	for range 2 {
		spec := w.spec(g, deploy.KindInPlace)
		spec.Creator, spec.Only, spec.AutoRollback = deploy.CreatorAutoScaling, []string{"old-00000"}, nil
		w.createSpec(spec)
		others = append(others, spec.ID)
	}
	w.resolve(id, 2, 0)
	for _, other := range others {
		w.resolve(other, 1, 0)
		w.drive(other)
		if d := w.read(other); d.State.Status != deploy.StatusSucceeded {
			t.Fatalf("%s ended %s: %+v", other, d.State.Status, d.State.Error)
		}
	}
	if err := w.apply(deploy.New(w.spec(g, deploy.KindInPlace))); !isBusy(err, id) {
		t.Fatalf("the group is not busy with %s: %v", id, err)
	}
	w.check(w.s.Batch(context.Background(), func(b store.Batch) error {
		got, err := b.Group(context.Background(), g.ID)
		if err == nil && (got.LastSuccessful != nil || got.LastAttempted == nil || got.LastAttempted.ID != id || got.Active != id) {
			t.Errorf("the group remembers %+v, %+v, active %s", got.LastSuccessful, got.LastAttempted, got.Active)
		}
		return err
	}))
}

// instanceStates holds what a group knows of its instances after successes and failures.
func instanceStates(t *testing.T, w *world) {
	g := w.group()
	states := func() map[string]deploy.InstanceState {
		t.Helper()
		out := map[string]deploy.InstanceState{}
		for _, s := range must1[[]deploy.InstanceState](t)(w.s.InstanceStates(context.Background(), g.ID)) {
			out[s.Instance] = s
		}
		return out
	}
	if s := states(); len(s) != 0 {
		t.Fatalf("before any deployment: %v", s)
	}
	run := func(revision deploy.Revision, fail string) string {
		t.Helper()
		spec := w.spec(g, deploy.KindInPlace)
		spec.Revision, spec.AutoRollback = revision, nil
		spec.MinimumHealthy = deploy.HealthyHosts{Type: deploy.HostCount}
		w.createSpec(spec)
		w.resolve(spec.ID, 2, 0)
		w.fails = func(e deploy.Effect) bool { return e.Key.Target == fail }
		w.drive(spec.ID)
		if d := w.read(spec.ID); d.State.Status != deploy.StatusSucceeded {
			t.Fatalf("it ended %s: %+v", d.State.Status, d.State.Error)
		}
		return spec.ID
	}
	v1, v2 := revision("v1"), revision("v2")
	one := run(v1, "")
	for _, id := range []string{"old-00000", "old-00001"} {
		if s := states()[id]; s.Revision != v1.Key() || !s.Healthy || s.DeploymentID != one || s.GroupID != g.ID || s.At.IsZero() || s.Rank(v1.Key()) != deploy.RankCurrent {
			t.Fatalf("after a success: %+v", s)
		}
	}
	two := run(v2, "old-00001")
	s := states()
	if got := s["old-00000"]; got.Rank(v2.Key()) != deploy.RankCurrent || got.Rank(v1.Key()) != deploy.RankOld {
		t.Errorf("the one that succeeded: %+v", got)
	}
	if got := s["old-00001"]; got.Healthy || got.Revision != "" || got.Attempted != v2.Key() || got.DeploymentID != two || got.Rank(v2.Key()) != deploy.RankUnhealthy {
		t.Errorf("the one that failed, which had the target revision: %+v", got)
	}
	if other := must1[[]deploy.InstanceState](t)(w.s.InstanceStates(context.Background(), "another")); len(other) != 0 {
		t.Errorf("another group knows %v", other)
	}
}
