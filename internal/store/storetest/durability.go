package storetest

import (
	"testing"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// RunDurability checks that everything is there again after a close. place makes an empty place and returns a function that opens the store in
// it, to be called again after each Close.
func RunDurability(t *testing.T, place func(t *testing.T) func() store.Store) {
	t.Helper()
	t.Run("reopened in every pause of a deployment", func(t *testing.T) {
		t.Parallel()
		reopened(t, place(t))
	})
}

// everything is what a store can tell.
type everything struct {
	Application deploy.Application
	Group       deploy.Group
	Config      deploy.Config
	Instances   []deploy.Instance
	Revisions   []store.RevisionEntry
	Deployment  deploy.Deployment
	Version     int64
	Targets     []deploy.Target
	Journal     []deploy.Line
	Effects     []deploy.Effect
	Due         []store.Due
	GitHubToken store.GitHubToken
}

func tell(t *testing.T, s store.Store, id string) everything {
	t.Helper()
	ctx := t.Context()
	e := everything{
		Application: must1[deploy.Application](t)(s.Application(ctx, account, "shop")),
		Group:       must1[deploy.Group](t)(s.Group(ctx, account, "shop", "web")),
		Config:      must1[deploy.Config](t)(s.Config(ctx, account, "Mine")),
		Instances:   must1[[]deploy.Instance](t)(s.Instances(ctx, account, store.InstanceFilter{}, store.Page{})),
		Deployment:  must1[deploy.Deployment](t)(s.Deployment(ctx, account, id)),
		Targets:     must1[[]deploy.Target](t)(s.Targets(ctx, id, store.TargetFilter{}, store.Page{})),
		Journal:     must1[[]deploy.Line](t)(s.Journal(ctx, id, 0, 0)),
		Effects:     must1[[]deploy.Effect](t)(s.Effects(ctx)),
		Due:         must1[[]store.Due](t)(s.Due(ctx, start.AddDate(1, 0, 0), 0)),
		GitHubToken: must1[store.GitHubToken](t)(s.GitHubToken(ctx, account, "mine")),
	}
	e.Revisions = must1[[]store.RevisionEntry](t)(s.Revisions(ctx, e.Application.ID, store.RevisionOrder{}, store.Page{}))
	e.Version = e.Deployment.State.Version
	return e
}

func reopened(t *testing.T, open func() store.Store) {
	ctx := t.Context()
	s := open()
	_, g := seeded(t, s)
	must(t, s.CreateConfig(ctx, deploy.Config{ID: "c", Account: account, Name: "Mine", CreatedAt: start}, 10))
	must(t, s.RegisterInstance(ctx, instance("web-1")))
	must(t, s.PutGitHubToken(ctx, store.GitHubToken{Account: account, Name: "mine", Sealed: []byte{0, 1, 2}, CreatedAt: start}, 25))
	w := newWorld(t, s, func(deploy.Group) {})
	id := w.create(g, deploy.KindBlueGreen)
	again := func() {
		t.Helper()
		before := tell(t, s, id)
		must(t, s.Close())
		s = open()
		w.s = s
		equal(t, "everything after a close", tell(t, s, id), before)
	}
	again()
	w.resolve(id, 2, 2)
	again()
	w.step(id, deploy.Wake{})
	again() // a command is outstanding
	w.drive(id)
	again() // the ready wait
	for _, wait := range []deploy.Wait{deploy.ReadyWait, deploy.TerminationWait} {
		w.step(id, deploy.Continue{Wait: wait, By: "me"})
		again()
		w.drive(id)
		again()
	}
	if d := w.read(id); d.State.Status != deploy.StatusSucceeded {
		t.Fatalf("the deployment is %s: %+v", d.State.Status, d.State.Error)
	}
	must(t, s.Close())
}
