package storetest

import (
	"testing"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// RunMove fills an empty store, has move take everything to another one, and goes on there: with the deployment that waits, and with what the
// database numbers.
func RunMove(t *testing.T, from store.Store, move func() store.Store) {
	t.Helper()
	ctx := t.Context()
	_, g := seeded(t, from)
	must(t, from.CreateConfig(ctx, deploy.Config{ID: "c", Account: account, Name: "Mine", CreatedAt: start}, 10))
	must(t, from.RegisterInstance(ctx, instance("web-1")))
	must(t, from.PutGitHubToken(ctx, store.GitHubToken{Account: account, Name: "mine", Sealed: []byte{0, 1, 2}, CreatedAt: start}, 25))
	w := newWorld(t, from, func(deploy.Group) {})
	spec := w.spec(g, deploy.KindBlueGreen)
	spec.Triggers = []deploy.Trigger{{Name: "all", Target: topicAll, Events: []string{"DeploymentStart", "InstanceStart"}}}
	w.createSpec(spec)
	w.resolve(spec.ID, 2, 2)
	w.step(spec.ID, deploy.Wake{})
	for _, e := range w.effects(spec.ID) {
		key := store.EventLogKey{DeploymentID: spec.ID, Target: e.Key.Target, Attempt: 1, Event: deploy.BeforeInstall}
		lines := []store.LogLine{{At: w.now(), Stream: store.LogStdout, Text: "zero \x00 byte"}}
		must1[int64](t)(from.AppendEventLog(ctx, store.LogChunk{EventLogKey: key, Lines: lines}))
	}
	w.drive(spec.ID) // to the ready wait
	old := w.step(w.other(g, spec.ID), deploy.Stop{By: "a \x00 b"})
	if !old.Deployment().State.Status.Terminal() {
		t.Fatalf("the deployment that was stopped is %s", old.Deployment().State.Status)
	}
	before, lastNotice := tell(t, from, spec.ID), ends(t, from)
	to := move()
	equal(t, "everything after it was moved", tell(t, to, spec.ID), before)
	equal(t, "the journal of another deployment", must1[[]deploy.Line](t)(to.Journal(ctx, old.Deployment().Spec.ID, 0, 0)),
		must1[[]deploy.Line](t)(from.Journal(ctx, old.Deployment().Spec.ID, 0, 0)))
	equal(t, "the end of the log of notices", ends(t, to), lastNotice)
	equal(t, "the logs of scripts", must1[[]store.LogChunk](t)(to.EventLog(ctx, store.EventLogQuery{DeploymentID: spec.ID})),
		must1[[]store.LogChunk](t)(from.EventLog(ctx, store.EventLogQuery{DeploymentID: spec.ID})))
	w.s = to
	for _, wait := range []deploy.Wait{deploy.ReadyWait, deploy.TerminationWait} {
		w.step(spec.ID, deploy.Continue{Wait: wait, By: "me"})
		w.drive(spec.ID)
	}
	if d := w.read(spec.ID); d.State.Status != deploy.StatusSucceeded {
		t.Fatalf("the deployment that went on is %s: %+v", d.State.Status, d.State.Error)
	}
	if last := ends(t, to); last <= lastNotice {
		t.Errorf("the log of notices ends at %d, and went on at %d", lastNotice, last)
	}
}

// other makes a deployment in a group of its own beside the one of g.
func (w *world) other(g deploy.Group, like string) string {
	w.t.Helper()
	s, ok := w.s.(store.Store)
	if !ok {
		w.t.Fatalf("%T is no store", w.s)
	}
	g = group(deploy.Application{ID: g.ApplicationID, Account: g.Account, Name: g.Application}, "beside "+like)
	w.check(s.CreateGroup(w.t.Context(), g, 1000))
	return w.create(g, deploy.KindInPlace)
}

func ends(t *testing.T, s store.Store) int64 {
	t.Helper()
	_, last, err := s.NoticeBounds(t.Context())
	must(t, err)
	return last
}
