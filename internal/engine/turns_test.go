package engine_test

import (
	"log/slog"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/engine"
)

// TestGroupDeletedWhileOthersWait holds that deployments which wait their turn end with their group, also when the server died between the
// deletion of the group and the end of its deployments.
func TestGroupDeletedWhileOthersWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := []string{"d-TEST00001", "d-TEST00003", "d-TEST00005"}
	for _, id := range ids {
		spec := w.spec
		spec.ID, spec.RollbackID, spec.Queue = id, id+"R", true
		if _, err := w.Create(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	w.until(t, ids[0], deploy.Deployment.Ready)
	if _, err := w.store.DeleteGroup(t.Context(), "1", "shop", "prod"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Do(t.Context(), ids[0], deploy.Stop{By: "me"}); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids[1:] {
		d, err := w.store.Deployment(t.Context(), "", id)
		if err != nil {
			t.Fatal(err)
		}
		if d.State.Status != deploy.StatusFailed || d.State.Error.Code != deploy.CodeGroupMissing {
			t.Errorf("%s is %s: %+v", id, d.State.Status, d.State.Error)
		}
	}
}

// still is a clock that stands.
type still time.Time

func (s still) Now() time.Time { return time.Time(s) }

// TestEventsOfABatchHaveAnOrder holds that events which are decided together happen one after the other: two deployments that take a host in the
// same batch must take it in the same order again after a restart.
func TestEventsOfABatchHaveAnOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := engine.New(engine.Config{Store: w.store, Clock: still(time.Now()), Agents: &agents{t: t}, Router: w.lb, Fleet: hosts{}, Log: slog.New(slog.DiscardHandler)})
	var answers []<-chan engine.Reply
	ids := []string{"d-TEST00007", "d-TEST00005", "d-TEST00003"}
	for _, id := range ids {
		spec := w.spec
		spec.ID, spec.RollbackID, spec.Queue = id, id+"R", true
		answers = append(answers, r.SubmitNew(spec))
	}
	if _, err := r.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	last := time.Time{}
	for i, a := range answers {
		if reply := <-a; reply.Err != nil {
			t.Fatal(reply.Err)
		}
		d, err := w.store.Deployment(t.Context(), w.spec.Account, ids[i])
		if err != nil || !d.Spec.CreatedAt.After(last) {
			t.Errorf("%s was created at %s, the one before it at %s: %v", ids[i], d.Spec.CreatedAt, last, err)
		}
		last = d.Spec.CreatedAt
	}
}
