package upkeep_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
	"crossfade/internal/store"
	"crossfade/internal/store/sqlite"
	"crossfade/internal/upkeep"
)

// TestInstancesThatJoinGetTheRevision follows a group from its creation: nothing before its first deployment, then one follow-up for all that
// joined, then one for the next.
func TestInstancesThatJoinGetTheRevision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.group()
	w.host("a", "b")
	w.idle()
	root := w.deploy(g, "v1")
	w.idle()

	w.host("c", "d", "e")
	if !w.round() {
		t.Fatal("nothing was done for the instances that joined")
	}
	first := w.ends(w.one(g).Spec.ID, deploy.StatusSucceeded)
	if s := first.Spec; s.Root != root || s.Creator != deploy.CreatorAutoUpdate || s.Config != "Two" || s.FileExists != "OVERWRITE" ||
		!slices.Equal(s.Only, []string{"c", "d", "e"}) || s.RollbackID != "" || s.Revision.S3.Key != "v1" {
		t.Errorf("the follow-up: %+v", s)
	}
	if n := first.State.Overview.Succeeded; n != 3 {
		t.Errorf("it deployed to %d instances", n)
	}
	w.idle()

	w.host("f")
	w.round()
	second := w.ends(w.made(g)[1].Spec.ID, deploy.StatusSucceeded)
	if s := second.Spec; s.Root != root || s.Config != "CodeDeployDefault.OneAtATime" || !slices.Equal(s.Only, []string{"f"}) {
		t.Errorf("the follow-up to one instance: %+v", s)
	}
	w.idle()
	if now := w.groupNow(g); now.TargetRevision.S3.Key != "v1" || now.LastSuccessful.ID != second.Spec.ID {
		t.Errorf("the group after its follow-ups: %+v", now)
	}
}

func TestInstancesThatJoinDuringADeploymentGetItAfterwards(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.group()
	w.host("a")
	w.deploy(g, "v1")
	release := w.held("a")
	id := w.start(g, "v2")
	w.until("the deployment has its turn", func() bool { return w.groupNow(g).Active != "" })
	w.awaits(id)
	w.host("b")
	w.idle()
	release()
	w.ends(id, deploy.StatusSucceeded)
	w.round()
	if d := w.ends(w.one(g).Spec.ID, deploy.StatusSucceeded); d.Spec.Revision.S3.Key != "v2" || !slices.Equal(d.Spec.Only, []string{"b"}) || d.Spec.Root != id {
		t.Errorf("the follow-up: %+v", d.Spec)
	}
}

func TestAnInstanceThatFailsIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.group()
	w.host("a")
	w.deploy(g, "v1")
	w.fails("b")
	w.host("b")
	w.round()
	w.ends(w.one(g).Spec.ID, deploy.StatusFailed)
	for range 3 {
		w.clock.advance(time.Hour)
		w.idle()
	}
	w.host("c")
	w.round()
	if d := w.ends(w.made(g)[1].Spec.ID, deploy.StatusSucceeded); !slices.Equal(d.Spec.Only, []string{"c"}) {
		t.Errorf("the next follow-up: %+v", d.Spec.Only)
	}
}

// TestFollowUpsThatComeToNothingEnd holds that follow-ups which can't even begin are tried five times, and again after a success.
func TestFollowUpsThatComeToNothingEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.group()
	w.host("a")
	root := w.deploy(g, "v1")
	w.gone.Store(true)
	w.host("b")
	for n := range 5 {
		w.round()
		if made := w.made(g); len(made) != n+1 || made[n].Spec.Root != root {
			t.Fatalf("%d follow-ups, want %d", len(made), n+1)
		}
		w.ends(w.made(g)[n].Spec.ID, deploy.StatusFailed)
		w.idle()
		w.clock.advance(time.Minute << n)
	}
	w.clock.advance(24 * time.Hour)
	w.idle()

	w.gone.Store(false)
	w.deploy(g, "v1")
	w.host("c")
	if d := w.follows(g, 5); !slices.Equal(d.Spec.Only, []string{"c"}) {
		t.Errorf("after a success: %+v", d.Spec.Only)
	}
}

// TestASuccessfulFollowUpGivesNewPatience holds that failures before the last success count no more, though the root is the same.
func TestASuccessfulFollowUpGivesNewPatience(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.group(func(g *deploy.Group) { g.Settings.Config = "Deleted" })
	w.host("a")
	root := w.deploy(g, "v1")
	for n, joins := range []string{"b", "c", "d"} {
		w.gone.Store(true)
		w.host(joins)
		for failed := range 2 {
			w.round()
			w.ends(w.made(g)[3*n+failed].Spec.ID, deploy.StatusFailed)
			w.clock.advance(time.Hour)
		}
		w.gone.Store(false)
		if d := w.follows(g, 3*n+2); d.Spec.Root != root || d.Spec.Config != "CodeDeployDefault.OneAtATime" {
			t.Errorf("the follow-up to %s: %+v", joins, d.Spec)
		}
	}
	w.idle()
}

// slow is a fleet in whose own time other things happen.
type slow struct {
	fleet.Fleet
	meanwhile func()
}

func (s slow) Find(ctx context.Context, account string, sel deploy.Selection) ([]fleet.Instance, error) {
	found, err := s.Fleet.Find(ctx, account, sel)
	s.meanwhile()
	return found, err
}

// TestASlowFleetBringsNoOldRevisionBack holds that a deployment which succeeds while the fleet is being asked is not followed by its predecessor's
// revision.
func TestASlowFleetBringsNoOldRevisionBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.group()
	w.host("a")
	w.deploy(g, "v1")
	w.host("b")
	c := w.config(w.scaling, w.engine)
	c.Fleet = func(registered fleet.Instances) fleet.Fleet {
		return slow{w.fleet(registered), sync.OnceFunc(func() { w.deploy(g, "v2") })}
	}
	if acted, err := upkeep.New(c).RunOnce(t.Context()); err != nil || acted || len(w.made(g)) != 0 {
		t.Fatalf("acted: %t, %v: %+v", acted, err, w.made(g))
	}
	w.idle()
}

// counting counts how often all instances of an account are listed.
type counting struct {
	*sqlite.Store
	lists int
}

func (c *counting) Instances(ctx context.Context, account string, f store.InstanceFilter, p store.Page) ([]deploy.Instance, error) {
	if len(f.Tags) == 0 {
		c.lists++
	}
	return c.Store.Instances(ctx, account, f, p)
}

// TestAPassSeesEveryGroupAndListsInstancesOnce holds it for more groups than are read at a time.
func TestAPassSeesEveryGroupAndListsInstancesOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(t, w.store.CreateApplication(t.Context(), deploy.Application{ID: "many", Account: account, Name: "many", Platform: deploy.PlatformServer}, 10))
	for i := range 210 {
		w.group(func(g *deploy.Group) {
			g.ID, g.ApplicationID, g.Application = fmt.Sprintf("group-m%03d", i), "many", "many"
		})
	}
	first, last := w.group(func(g *deploy.Group) { g.ID = "a" }), w.group(func(g *deploy.Group) { g.ID = "z" })
	w.host("a")
	w.deploy(first, "v1")
	w.deploy(last, "v1")
	w.host("b")
	c := w.config(w.scaling, w.engine)
	counted := &counting{Store: w.store}
	c.Store = counted
	if _, err := upkeep.New(c).RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if counted.lists != 1 {
		t.Errorf("the instances were listed %d times", counted.lists)
	}
	for _, g := range []deploy.Group{first, last} {
		w.ends(w.one(g).Spec.ID, deploy.StatusSucceeded)
	}
}

// TestAFailedDeploymentIsNotTakenBack holds that the instances which a failed deployment reached keep what it left there, while one that joins
// gets the last revision that succeeded.
func TestAFailedDeploymentIsNotTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.group()
	w.host("a", "b")
	w.deploy(g, "v1")
	w.fails("a")
	w.fails("b")
	w.ends(w.start(g, "v2"), deploy.StatusFailed)
	w.idle()
	w.host("c")
	w.round()
	if d := w.ends(w.one(g).Spec.ID, deploy.StatusSucceeded); d.Spec.Revision.S3.Key != "v1" || !slices.Equal(d.Spec.Only, []string{"c"}) {
		t.Errorf("the follow-up: %+v", d.Spec)
	}
}

func TestWhoIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		group func(*deploy.Group)
		join  func(*world)
	}{
		"a group that ignores outdated instances": {func(g *deploy.Group) { g.Settings.OutdatedInstances = "IGNORE" }, func(w *world) { w.host("b") }},
		"an instance whose agent never ran":       {func(*deploy.Group) {}, func(w *world) { w.silentHost("b") }},
		"an instance that the tags do not pick": {
			func(g *deploy.Group) {
				g.Settings.Selection.OnPremFilters[0] = deploy.TagFilter{Key: "web", Value: "blue", Type: deploy.KeyAndValue}
			},
			func(w *world) { w.host("b") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			g := w.group(c.group)
			w.host("a")
			must(t, w.store.ChangeInstances(t.Context(), account, []string{"a"}, func(i *deploy.Instance) error {
				i.Tags["web"] = "blue"
				return nil
			}))
			w.deploy(g, "v1")
			c.join(w)
			w.idle()
		})
	}
}

func TestAnAgentThatComesLateGetsItsFollowUpThen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.group()
	w.host("a")
	w.deploy(g, "v1")
	w.silentHost("b")
	w.idle()
	must(t, w.store.SetInstanceAddress(t.Context(), account, "b", "127.0.0.2"))
	w.round()
	w.ends(w.one(g).Spec.ID, deploy.StatusSucceeded)
}

// TestAFollowUpThatWasStoppedWasNotWanted holds that nothing follows until somebody deploys.
func TestAFollowUpThatWasStoppedWasNotWanted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.group()
	w.host("a")
	w.deploy(g, "v1")
	release := w.held("b")
	w.host("b", "c")
	w.round()
	id := w.one(g).Spec.ID
	w.awaits(id)
	if _, err := w.engine.Do(t.Context(), id, deploy.Stop{By: "somebody"}); err != nil {
		t.Fatal(err)
	}
	release()
	w.ends(id, deploy.StatusStopped)
	w.clock.advance(time.Hour)
	w.idle()
}

// TestTwoServersMakeOneFollowUp holds that a second Upkeep does not add to what the first began, nor wait behind it.
func TestTwoServersMakeOneFollowUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.group(func(g *deploy.Group) { g.Tags = map[string]string{deploy.WhenBusyTag: deploy.WhenBusyQueue} })
	w.host("a")
	w.deploy(g, "v1")
	w.host("b")
	w.round()
	if acted, err := w.another(w.engine).RunOnce(t.Context()); err != nil || acted && len(w.made(g)) != 1 {
		t.Fatalf("the second one acted: %t, %v", acted, err)
	}
	w.ends(w.one(g).Spec.ID, deploy.StatusSucceeded)
}

// awaits waits until a deployment is under way.
func (w *world) awaits(id string) {
	w.t.Helper()
	w.until(id+" is under way", func() bool {
		d, err := w.store.Deployment(w.t.Context(), account, id)
		must(w.t, err)
		return d.State.Overview.InProgress > 0
	})
}
