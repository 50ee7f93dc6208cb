package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

func applications(t *testing.T, s store.Store) {
	ctx := t.Context()
	a := application("shop")
	a.Tags = map[string]string{"team": "web", "ключ": "значение"}
	must(t, s.CreateApplication(ctx, a, 10))
	equal(t, "the application", must1[deploy.Application](t)(s.Application(ctx, account, "shop")), a)

	_, err := s.Application(ctx, account, "Shop")
	want(t, err, store.ErrNotFound) // names are case-sensitive

	must(t, s.RenameApplication(ctx, account, "shop", "store"))
	_, err = s.Application(ctx, account, "shop")
	want(t, err, store.ErrNotFound)
	a.Name = "store"
	equal(t, "the renamed application", must1[deploy.Application](t)(s.Application(ctx, account, "store")), a)
	must(t, s.RenameApplication(ctx, account, "store", "store"))
	want(t, s.RenameApplication(ctx, account, "shop", "x"), store.ErrNotFound)

	a.Tags = nil
	must(t, s.SetApplicationTags(ctx, account, "store", nil))
	equal(t, "the application without tags", must1[deploy.Application](t)(s.Application(ctx, account, "store")), a)
	want(t, s.SetApplicationTags(ctx, account, "shop", nil), store.ErrNotFound)
}

func applicationLimits(t *testing.T, s store.Store) {
	ctx := t.Context()
	must(t, s.CreateApplication(ctx, application("a"), 2))
	must(t, s.CreateApplication(ctx, application("b"), 2))
	want(t, s.CreateApplication(ctx, application("c"), 2), store.ErrLimit)
	want(t, s.CreateApplication(ctx, application("b"), 2), store.ErrExists)
	want(t, s.RenameApplication(ctx, account, "a", "b"), store.ErrExists)
	must1[[]string](t)(s.DeleteApplication(ctx, account, "a"))
	must(t, s.CreateApplication(ctx, application("c"), 2))
	equal(t, "the names", must1[[]string](t)(s.Applications(ctx, account, store.Page{})), []string{"b", "c"})
}

func deleteApplication(t *testing.T, s store.Store) {
	ctx := t.Context()
	a, g := seeded(t, s)
	second := group(a, "batch")
	must(t, s.CreateGroup(ctx, second, 10))
	w := newWorld(t, s, func(deploy.Group) {})
	done := w.create(g, deploy.KindInPlace)
	w.resolve(done, 0, 0) // fails for want of instances
	open := w.create(g, deploy.KindInPlace)
	also := w.create(second, deploy.KindInPlace)

	unfinished := must1[[]string](t)(s.DeleteApplication(ctx, account, a.Name))
	sorted := []string{open, also}
	if also < open {
		sorted = []string{also, open}
	}
	equal(t, "the unfinished deployments", unfinished, sorted)
	_, err := s.DeleteApplication(ctx, account, a.Name)
	want(t, err, store.ErrNotFound)
	_, err = s.GroupByID(ctx, g.ID)
	want(t, err, store.ErrNotFound)
	_, err = s.Revision(ctx, a.ID, revision("v1"))
	want(t, err, store.ErrNotFound)
	for _, id := range []string{done, open, also} {
		if d := must1[deploy.Deployment](t)(s.Deployment(ctx, account, id)); d.Spec.Application != a.Name {
			t.Fatalf("deployment %s lost its application's name: %q", id, d.Spec.Application)
		}
	}
	w.step(open, deploy.Abandon{Error: deploy.ErrorInfo{Code: deploy.CodeApplicationMissing, Message: "deleted"}})
	if d := w.read(open); d.State.Status != deploy.StatusFailed {
		t.Fatalf("the abandoned deployment is %s", d.State.Status)
	}
	// A new one of the same name is another one.
	must(t, s.CreateApplication(ctx, application(a.Name), 10))
	equal(t, "its groups", must1[[]string](t)(s.Groups(ctx, account, a.Name, store.Page{})), []string(nil))
}

func configs(t *testing.T, s store.Store) {
	ctx := t.Context()
	n := int64(5)
	c := deploy.Config{
		ID: "c-1", Account: account, Name: "Careful", Platform: deploy.PlatformServer, CreatedAt: start,
		MinimumHealthy: &deploy.HealthyHosts{Type: deploy.FleetPercent, Value: 75}, Zonal: &deploy.Zonal{MonitorSeconds: &n},
	}
	must(t, s.CreateConfig(ctx, c, 2))
	equal(t, "the config", must1[deploy.Config](t)(s.Config(ctx, account, "Careful")), c)
	want(t, s.CreateConfig(ctx, c, 2), store.ErrExists)
	c.Name = "Brave"
	must(t, s.CreateConfig(ctx, c, 2))
	c.Name = "Third"
	want(t, s.CreateConfig(ctx, c, 2), store.ErrLimit)
	equal(t, "the names", must1[[]string](t)(s.Configs(ctx, account, store.Page{})), []string{"Brave", "Careful"})
	must(t, s.DeleteConfig(ctx, account, "Brave"))
	want(t, s.DeleteConfig(ctx, account, "Brave"), store.ErrNotFound)
	_, err := s.Config(ctx, account, "Brave")
	want(t, err, store.ErrNotFound)
}

func configInUse(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, g := seeded(t, s)
	must(t, s.CreateConfig(ctx, deploy.Config{ID: "c", Account: account, Name: "Mine", CreatedAt: start}, 9))
	use := func(config string) func(*deploy.Group) error {
		return func(g *deploy.Group) error { g.Settings.Config = config; return nil }
	}
	must(t, s.UpdateGroup(ctx, account, g.ID, use("Mine")))
	want(t, s.DeleteConfig(ctx, account, "Mine"), store.ErrInUse)

	w := newWorld(t, s, func(deploy.Group) {})
	spec := w.spec(g, deploy.KindInPlace)
	spec.Config = "Mine"
	w.createSpec(spec)
	must(t, s.UpdateGroup(ctx, account, g.ID, use("CodeDeployDefault.OneAtATime")))
	want(t, s.DeleteConfig(ctx, account, "Mine"), store.ErrInUse) // the unfinished deployment names it
	w.resolve(spec.ID, 0, 0)
	must(t, s.DeleteConfig(ctx, account, "Mine"))
}

func groups(t *testing.T, s store.Store) {
	ctx := t.Context()
	a := application("shop")
	g := group(a, "web")
	want(t, s.CreateGroup(ctx, g, 2), store.ErrNotFound) // no application yet
	must(t, s.CreateApplication(ctx, a, 10))
	g.Tags = map[string]string{"a": "b"}
	g.Settings.Selection = deploy.Selection{OnPremTagSet: deploy.TagSet{{{Key: "role", Value: "web", Type: deploy.KeyAndValue}}}}
	g.Settings.BlueGreen = &deploy.BlueGreenSettings{ReadyAction: deploy.ReadyStop, ReadyWaitMinutes: 60}
	must(t, s.CreateGroup(ctx, g, 2))
	equal(t, "the group", must1[deploy.Group](t)(s.Group(ctx, account, "shop", "web")), g)
	equal(t, "the group by id", must1[deploy.Group](t)(s.GroupByID(ctx, g.ID)), g)

	again := group(a, "web")
	want(t, s.CreateGroup(ctx, again, 2), store.ErrExists)
	must(t, s.CreateGroup(ctx, group(a, "batch"), 2))
	want(t, s.CreateGroup(ctx, group(a, "third"), 2), store.ErrLimit)
	equal(t, "the names", must1[[]string](t)(s.Groups(ctx, account, "shop", store.Page{})), []string{"batch", "web"})

	must(t, s.RenameApplication(ctx, account, "shop", "store"))
	g.Application = "store"
	equal(t, "the group after a rename", must1[deploy.Group](t)(s.Group(ctx, account, "store", "web")), g)
	_, err := s.Group(ctx, account, "shop", "web")
	want(t, err, store.ErrNotFound)
	_, err = s.GroupByID(ctx, "none")
	want(t, err, store.ErrNotFound)
}

func allGroups(t *testing.T, s store.Store) {
	ctx := t.Context()
	if none := must1[[]deploy.Group](t)(s.AllGroups(ctx, store.Page{})); len(none) != 0 {
		t.Fatalf("an empty store has groups: %+v", none)
	}
	w := newWorld(t, s, func(deploy.Group) {})
	var wanted []deploy.Group
	for i, owner := range []string{account, other} {
		a := application("shop")
		a.ID, a.Account = fmt.Sprintf("%s-%d", a.ID, i), owner
		must(t, s.CreateApplication(ctx, a, 10))
		for _, name := range []string{"web", "batch", "front"} {
			g := group(a, name)
			must(t, s.CreateGroup(ctx, g, 10))
			if name != "web" {
				w.create(g, deploy.KindInPlace)
			}
			wanted = append(wanted, must1[deploy.Group](t)(s.GroupByID(ctx, g.ID)))
		}
	}
	slices.SortFunc(wanted, func(a, b deploy.Group) int { return cmp.Compare(a.ID, b.ID) })
	var got []deploy.Group
	for p := (store.Page{Limit: 4}); ; p.After = got[len(got)-1].ID {
		page := must1[[]deploy.Group](t)(s.AllGroups(ctx, p))
		if got = append(got, page...); len(page) < p.Limit {
			break
		}
	}
	equal(t, "the groups in pages", got, wanted)
	equal(t, "the groups at once", must1[[]deploy.Group](t)(s.AllGroups(ctx, store.Page{})), wanted)
}

func updateGroup(t *testing.T, s store.Store) {
	ctx := t.Context()
	a, g := seeded(t, s)
	must(t, s.CreateGroup(ctx, group(a, "batch"), 10))
	w := newWorld(t, s, func(deploy.Group) {})
	id := w.create(g, deploy.KindInPlace)
	w.resolve(id, 0, 0)
	before := must1[deploy.Group](t)(s.GroupByID(ctx, g.ID))

	refusal := errors.New("no")
	want(t, s.UpdateGroup(ctx, account, g.ID, func(g *deploy.Group) error { g.Name = "lost"; return refusal }), refusal)
	want(t, s.UpdateGroup(ctx, account, g.ID, func(g *deploy.Group) error { g.Name = "batch"; return nil }), store.ErrExists)
	equal(t, "the group after refusals", must1[deploy.Group](t)(s.GroupByID(ctx, g.ID)), before)
	want(t, s.UpdateGroup(ctx, account, "none", func(*deploy.Group) error { return nil }), store.ErrNotFound)
	want(t, s.UpdateGroup(ctx, other, g.ID, func(*deploy.Group) error { return nil }), store.ErrNotFound)

	must(t, s.UpdateGroup(ctx, account, g.ID, func(g *deploy.Group) error {
		equal(t, "what the function sees", *g, before)
		g.Name, g.Tags = "front", map[string]string{"k": "v"}
		g.Settings.Config = "CodeDeployDefault.AllAtOnce"
		g.LastAttempted, g.Environment, g.Active = nil, "forged", "forged" // not the function's to write
		return nil
	}))
	before.Name, before.Tags, before.Settings.Config = "front", map[string]string{"k": "v"}, "CodeDeployDefault.AllAtOnce"
	equal(t, "the group", must1[deploy.Group](t)(s.Group(ctx, account, "shop", "front")), before)
}

func deleteGroup(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, g := seeded(t, s)
	w := newWorld(t, s, func(deploy.Group) {})
	id := w.create(g, deploy.KindInPlace)
	equal(t, "the unfinished deployments", must1[[]string](t)(s.DeleteGroup(ctx, account, "shop", "web")), []string{id})
	_, err := s.DeleteGroup(ctx, account, "shop", "web")
	want(t, err, store.ErrNotFound)
	if d := w.read(id); d.Spec.Group != "web" || d.State.Status != deploy.StatusCreated {
		t.Fatalf("the deployment did not stay as it was: %s %s", d.Spec.Group, d.State.Status)
	}
	fresh := group(deploy.Application{ID: g.ApplicationID, Account: account, Name: "shop"}, "web")
	must(t, s.CreateGroup(ctx, fresh, 10))
	if got := must1[deploy.Group](t)(s.Group(ctx, account, "shop", "web")); got.Active != "" || got.ID != fresh.ID {
		t.Fatalf("the new group of the old name is not new: %+v", got)
	}
	equal(t, "nothing unfinished", len(must1[[]string](t)(s.DeleteGroup(ctx, account, "shop", "web"))), 0)
}

func accountsApart(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, g := seeded(t, s)
	w := newWorld(t, s, func(deploy.Group) {})
	id := w.create(g, deploy.KindInPlace)
	must(t, s.CreateConfig(ctx, deploy.Config{ID: "c", Account: account, Name: "Mine"}, 9))
	must(t, s.RegisterInstance(ctx, instance("web-1")))

	_, err := s.Application(ctx, other, "shop")
	want(t, err, store.ErrNotFound)
	_, err = s.Group(ctx, other, "shop", "web")
	want(t, err, store.ErrNotFound)
	_, err = s.Config(ctx, other, "Mine")
	want(t, err, store.ErrNotFound)
	_, err = s.Instance(ctx, other, "web-1")
	want(t, err, store.ErrNotFound)
	_, err = s.Deployment(ctx, other, id)
	want(t, err, store.ErrNotFound)
	must1[deploy.Deployment](t)(s.Deployment(ctx, "", id))
	_, err = s.DeleteApplication(ctx, other, "shop")
	want(t, err, store.ErrNotFound)
	want(t, s.DeleteConfig(ctx, other, "Mine"), store.ErrNotFound)
	foreign := group(deploy.Application{ID: g.ApplicationID, Account: other, Name: "shop"}, "theirs")
	want(t, s.CreateGroup(ctx, foreign, 10), store.ErrNotFound)
	want(t, s.RegisterRevision(ctx, other, deploy.RegisteredRevision{ApplicationID: g.ApplicationID, Revision: revision("v1")}), store.ErrNotFound)
	for name, n := range map[string]int{
		"applications": len(must1[[]string](t)(s.Applications(ctx, other, store.Page{}))),
		"configs":      len(must1[[]string](t)(s.Configs(ctx, other, store.Page{}))),
		"groups":       len(must1[[]string](t)(s.Groups(ctx, other, "shop", store.Page{}))),
		"instances":    len(must1[[]deploy.Instance](t)(s.Instances(ctx, other, store.InstanceFilter{}, store.Page{}))),
		"deployments":  len(must1[[]store.DeploymentEntry](t)(s.Deployments(ctx, other, store.DeploymentFilter{GroupID: g.ID}, store.Page{}))),
	} {
		if n != 0 {
			t.Errorf("another account sees %d %s", n, name)
		}
	}
	// The same names are free there.
	theirs := application("shop")
	theirs.Account = other
	must(t, s.CreateApplication(ctx, theirs, 1))
	i := instance("web-1")
	i.Account, i.IAMUserARN = other, "arn:aws:iam::"+other+":user/web-1"
	must(t, s.RegisterInstance(ctx, i))
}

// paging reads a list in small pages while names come and go.
func paging(t *testing.T, s store.Store) {
	ctx := t.Context()
	stays := map[string]int{}
	for i := range 20 {
		name := fmt.Sprintf("stays-%02d", i)
		stays[name] = 0
		must(t, s.CreateApplication(ctx, application(name), 1000))
		must(t, s.CreateApplication(ctx, application(fmt.Sprintf("stays-%02d-goes", i)), 1000))
	}
	p := store.Page{Limit: 3}
	for round := 0; ; round++ {
		page := must1[[]string](t)(s.Applications(ctx, account, p))
		if len(page) > 3 {
			t.Fatalf("a page of 3 has %d names", len(page))
		}
		for _, name := range page {
			if _, ok := stays[name]; ok {
				stays[name]++
			}
		}
		if len(page) < 3 {
			break
		}
		p.After = page[len(page)-1]
		if round < 20 {
			must1[[]string](t)(s.DeleteApplication(ctx, account, fmt.Sprintf("stays-%02d-goes", (round*7)%20)))
			must(t, s.CreateApplication(ctx, application(fmt.Sprintf("stays-%02d-comes", round)), 1000))
			must(t, s.CreateApplication(ctx, application(fmt.Sprintf("a-%02d-comes", round)), 1000))
		}
	}
	for name, n := range stays {
		if n != 1 {
			t.Errorf("%s was seen %d times", name, n)
		}
	}
}
