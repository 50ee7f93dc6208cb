package upkeep_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/engine"
	"crossfade/internal/fleet"
	"crossfade/internal/upkeep"
)

func (w *world) calls(want ...string) {
	w.t.Helper()
	if got := w.scaling.took(); !slices.Equal(got, want) {
		w.t.Fatalf("the Auto Scaling groups were told %q, want %q", got, want)
	}
}

// named makes a group of a fixed name, which its hooks have too.
func named(name string) func(*deploy.Group) { return func(g *deploy.Group) { g.Name = name } }

// serving is a world with a deployment group of one Auto Scaling group, whose instance i-1 has the revision v1, and whose hooks are set.
func serving(t *testing.T) (*world, deploy.Group) {
	t.Helper()
	w := newWorld(t)
	w.scaling.launch("asg", "i-1")
	g := w.group(named("web"), scaled("asg"))
	w.deploy(g, "v1")
	w.round()
	w.scaling.took()
	return w, g
}

// withTraffic puts a group behind a load balancer.
func withTraffic(g *deploy.Group) {
	g.Settings.Style.Option = deploy.WithTrafficControl
	g.Settings.LoadBalancer = &deploy.LoadBalancer{TargetGroups: []string{"tg"}}
}

// TestALaunchedInstanceGetsTheRevisionBeforeItServes follows an Auto Scaling group with a hook through launches before and after the group's first
// deployment, and through the end of an instance.
func TestALaunchedInstanceGetsTheRevisionBeforeItServes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.scaling.add("asg")
	g := w.group(named("web"), withTraffic, scaled("asg"))
	w.round()
	w.calls("set asg in-web", "set asg out-web")
	w.idle()

	w.scaling.launch("asg", "i-1")
	w.round()
	w.calls("proceed in-web i-1")
	if len(w.made(g)) != 0 {
		t.Fatal("a deployment of nothing was made")
	}
	w.deploy(g, "v1")
	w.idle()

	release := w.held("i-2")
	w.scaling.launch("asg", "i-2")
	w.round()
	w.calls("heartbeat in-web i-2")
	launch := w.one(g)
	if s := launch.Spec; s.Creator != deploy.CreatorAutoScaling || s.Kind != deploy.KindInPlaceTraffic || !slices.Equal(s.Only, []string{"i-2"}) || s.Revision.S3.Key != "v1" {
		t.Errorf("the deployment: %+v", s)
	}
	w.idle()
	w.clock.advance(5 * time.Minute)
	w.round()
	w.calls("heartbeat in-web i-2")
	if w.lb.serves("i-2") || w.scaling.state("asg", "i-2") != fleet.MemberPendingWait {
		t.Fatal("it serves without the revision")
	}
	release()
	w.ends(launch.Spec.ID, deploy.StatusSucceeded)
	w.round()
	w.calls("proceed in-web i-2")
	if !w.lb.serves("i-2") || w.scaling.state("asg", "i-2") != fleet.MemberInService {
		t.Fatal("it does not serve")
	}
	w.idle()

	w.scaling.end("asg", "i-2")
	w.round()
	retire := w.made(g)[1]
	w.ends(retire.Spec.ID, deploy.StatusSucceeded)
	if s := retire.Spec; s.Creator != deploy.CreatorAutoRetire || s.Kind != deploy.KindRetireTraffic {
		t.Errorf("the deployment at the end: %+v", s)
	}
	w.round()
	w.calls("heartbeat out-web i-2", "proceed out-web i-2")
	if w.lb.serves("i-2") || w.scaling.state("asg", "i-2") != "" {
		t.Fatal("it still serves")
	}
	w.agents.mu.Lock()
	defer w.agents.mu.Unlock()
	if i := slices.Index(w.agents.ran, "i-2/BeforeBlockTraffic"); i < 0 || w.agents.ran[len(w.agents.ran)-1] != "i-2/ApplicationStop" {
		t.Errorf("its agent ran %q", w.agents.ran)
	}
}

func TestALaunchThatFailsIsAbandonedAndAnEndThatFailsIsNot(t *testing.T) {
	t.Parallel()
	w, g := serving(t)

	w.fails("i-2")
	w.scaling.launch("asg", "i-2")
	w.round()
	w.ends(w.one(g).Spec.ID, deploy.StatusFailed)
	w.round()
	w.calls("heartbeat in-web i-2", "abandon in-web i-2")
	if w.groupNow(g).LastAttempted.ID == w.one(g).Spec.ID {
		t.Error("the group remembers a deployment that ran beside its own")
	}

	w.fails("i-1")
	w.scaling.end("asg", "i-1")
	w.round()
	d := w.made(g)[1]
	// What fails is tolerated, so that the load balancer's part always comes to pass.
	w.ends(d.Spec.ID, deploy.StatusSucceeded)
	w.round()
	w.calls("heartbeat out-web i-1", "proceed out-web i-1")
}

// TestCrashes holds that wherever a server dies, the next one neither deploys twice nor leaves an instance waiting.
func TestCrashes(t *testing.T) {
	t.Parallel()
	died := errors.New("died")
	for name, crash := range map[string]func(*world) error{
		"before the deployment is created": func(w *world) error {
			_, err := w.another(dying{w.engine, died, false}).RunOnce(t.Context())
			return err
		},
		"once the deployment is created": func(w *world) error {
			_, err := w.another(dying{w.engine, died, true}).RunOnce(t.Context())
			return err
		},
		"before the heartbeat": func(w *world) error {
			w.scaling.refusing("heartbeat in-web i-2", died)
			_, err := w.another(w.engine).RunOnce(t.Context())
			w.scaling.refusing("heartbeat in-web i-2", nil)
			return err
		},
		"before the instance goes on": func(w *world) error {
			first := w.another(w.engine)
			_, err := first.RunOnce(t.Context())
			must(w.t, err)
			g, err := w.store.Group(t.Context(), account, "shop", "web")
			must(w.t, err)
			w.ends(w.one(g).Spec.ID, deploy.StatusSucceeded)
			w.scaling.refusing("proceed in-web i-2", died)
			_, err = first.RunOnce(t.Context())
			w.scaling.refusing("proceed in-web i-2", nil)
			return err
		},
		"before it knows who waits": func(w *world) error {
			w.scaling.refusing("waiting", died)
			_, err := w.another(w.engine).RunOnce(t.Context())
			w.scaling.refusing("waiting", nil)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, g := serving(t)
			w.scaling.launch("asg", "i-2")
			if err := crash(w); !errors.Is(err, died) {
				t.Fatalf("it did not die: %v", err)
			}
			next := w.another(w.engine)
			for range 2 {
				_, err := next.RunOnce(t.Context())
				must(t, err)
				w.ends(w.one(g).Spec.ID, deploy.StatusSucceeded)
			}
			if w.scaling.state("asg", "i-2") != fleet.MemberInService {
				t.Error("the instance waits in vain")
			}
			w.idled(next.RunOnce(t.Context()))
		})
	}
}

// idled holds that a pass did nothing.
func (w *world) idled(acted bool, err error) {
	w.t.Helper()
	must(w.t, err)
	if acted {
		w.t.Error("there was more to do")
	}
}

// dying is an engine of a server that dies before it creates a deployment, or right after.
type dying struct {
	*engine.Service
	err   error
	after bool
}

func (d dying) Create(ctx context.Context, spec deploy.Spec) (engine.Result, error) {
	if d.after {
		if _, err := d.Service.Create(ctx, spec); err != nil {
			return engine.Result{}, err
		}
	}
	return engine.Result{}, d.err
}

// TestTwoGroupsOfOneFleet holds that each deployment group answers at its own hook, and that the instance serves after both.
func TestTwoGroupsOfOneFleet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.scaling.sticky = true
	w.scaling.launch("asg", "i-1")
	web, log := w.group(named("web"), scaled("asg")), w.group(named("log"), scaled("asg"))
	w.deploy(web, "v1")
	w.deploy(log, "l1")
	w.round()
	w.scaling.launch("asg", "i-2")
	w.round()
	for _, g := range []deploy.Group{web, log} {
		w.ends(w.one(g).Spec.ID, deploy.StatusSucceeded)
	}
	w.scaling.took()
	down := errors.New("down")
	w.scaling.refusing("proceed in-log i-2", down)
	for range 2 {
		if _, err := w.upkeep.RunOnce(t.Context()); !errors.Is(err, down) {
			t.Fatalf("no error: %v", err)
		}
	}
	w.calls("proceed in-web i-2") // once, though it is listed still
	if w.scaling.state("asg", "i-2") != fleet.MemberPendingWait {
		t.Fatal("it serves already")
	}
	w.scaling.refusing("proceed in-log i-2", nil)
	w.round()
	if w.scaling.state("asg", "i-2") != fleet.MemberInService {
		t.Fatal("it waits in vain")
	}
	w.idle()
}

// TestAnInstanceLaunchedDuringADeploymentGetsTheOldRevisionAndThenTheNewOne is CodeDeploy's way with scale-outs during a deployment.
func TestAnInstanceLaunchedDuringADeploymentGetsTheOldRevisionAndThenTheNewOne(t *testing.T) {
	t.Parallel()
	w, g := serving(t)
	release := w.held("i-1")
	id := w.start(g, "v2")
	w.awaits(id)
	w.scaling.launch("asg", "i-2")
	w.round()
	launch := w.ends(w.one(g).Spec.ID, deploy.StatusSucceeded)
	w.round()
	if launch.Spec.Revision.S3.Key != "v1" || w.scaling.state("asg", "i-2") != fleet.MemberInService {
		t.Fatalf("launched with %+v", launch.Spec.Revision.S3)
	}
	w.idle()
	release()
	w.ends(id, deploy.StatusSucceeded)
	w.round()
	follow := w.ends(w.made(g)[1].Spec.ID, deploy.StatusSucceeded)
	if s := follow.Spec; s.Creator != deploy.CreatorAutoUpdate || s.Revision.S3.Key != "v2" || !slices.Equal(s.Only, []string{"i-2"}) || s.Root != id {
		t.Errorf("the follow-up: %+v", s)
	}
	w.idle()
}

// TestAMemberThatWaitsIsNobodysFollowUp holds that an instance which tags select is left alone while it waits at a hook.
func TestAMemberThatWaitsIsNobodysFollowUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host("a")
	w.scaling.add("asg")
	g := w.group(named("web"), func(g *deploy.Group) {
		tags := g.Settings.Selection.OnPremFilters
		scaled("asg")(g)
		g.Settings.Selection.OnPremFilters = tags
	})
	w.deploy(g, "v1")
	w.round()
	release := w.held("i-1")
	w.scaling.launch("asg", "i-1")
	w.host("i-1")
	w.round()
	w.idle()
	launch := w.one(g).Spec
	if launch.Creator != deploy.CreatorAutoScaling {
		t.Errorf("made by %s", launch.Creator)
	}
	release()
	w.ends(launch.ID, deploy.StatusSucceeded)
}

func TestHooksAreSetAgainAndNotOnGroupsThatGaveThemUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.group(named("web"), scaled("asg"))
	w.idle() // the Auto Scaling group is not there yet
	w.scaling.add("asg")
	w.round()
	w.calls("set asg in-web", "set asg out-web")
	w.idle()
	w.clock.advance(10 * time.Minute)
	w.round()
	w.calls("set asg in-web", "set asg out-web")
	must(t, w.store.UpdateGroup(t.Context(), account, g.ID, func(g *deploy.Group) error {
		g.Settings.Hooks[0].Termination = ""
		return nil
	}))
	w.idle()

	// A group that is deleted while its hook is being set: the hook goes again.
	w.upkeep = w.another(w.engine)
	w.scaling.refusing("set asg in-web", errors.New("later"))
	if _, err := w.upkeep.RunOnce(t.Context()); err == nil {
		t.Fatal("no error")
	}
	w.scaling.refusing("set asg in-web", nil)
	deleting := &deletes{scaling: w.scaling, w: w}
	u := w.anotherOn(deleting, w.engine)
	if _, err := u.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.calls("set asg in-web", "remove asg in-web")
	w.idle()
}

// deletes is Auto Scaling groups whose deployment group is deleted while a hook is being set.
type deletes struct {
	*scaling
	w *world
}

func (d *deletes) SetHook(ctx context.Context, account, group string, h fleet.Hook) error {
	if _, err := d.w.store.DeleteGroup(ctx, account, "shop", "web"); err != nil {
		return err
	}
	return d.scaling.SetHook(ctx, account, group, h)
}

// TestAnIDThatIsTakenIsNotMistaken holds that a deployment of the same id that is another's is neither waited for nor in the way.
func TestAnIDThatIsTakenIsNotMistaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.scaling.launch("asg", "i-1")
	g := w.group(named("web"), scaled("asg"))
	w.round()
	waiting := fleet.Waiting{Group: "asg", Hook: fleet.Hook{Name: "in-web"}, Instance: fleet.Instance{Name: "i-2"}}
	taken := upkeep.BesideID(g, waiting, 0)
	w.draws = append(w.draws, taken)
	if id := w.deploy(g, "v1"); id != taken {
		t.Fatalf("deployed as %s", id)
	}
	w.scaling.launch("asg", "i-2")
	if d := w.follows(g, 0); d.Spec.ID != upkeep.BesideID(g, waiting, 1) {
		t.Errorf("the deployment is %s", d.Spec.ID)
	}
}

// TestAHookOfTheSameNameAtTheOtherEndIsNotOurs holds that an instance which ends is not deployed to because a hook has the name of a launch hook.
func TestAHookOfTheSameNameAtTheOtherEndIsNotOurs(t *testing.T) {
	t.Parallel()
	w, _ := serving(t)
	w.scaling.hooks["asg"] = []fleet.Hook{{Name: "in-web", Termination: true}}
	w.scaling.end("asg", "i-1")
	w.idle()
}

// TestNothingIsRememberedForEver holds that hooks and waits that are no more are forgotten.
func TestNothingIsRememberedForEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.scaling.launch("asg", "i-1")
	g := w.group(named("web"), scaled("asg"))
	w.deploy(g, "v1")
	w.scaling.launch("asg", "i-1")
	remembers := func(hooks, instances int) {
		t.Helper()
		if h, i := w.upkeep.Remembers(); h != hooks || i != instances {
			t.Errorf("%d hooks and %d instances are remembered, want %d and %d", h, i, hooks, instances)
		}
	}
	w.round()
	remembers(2, 0)
	w.scaling.launch("asg", "i-2")
	w.follows(g, 0)
	remembers(2, 1)
	w.round()
	w.idle()
	remembers(2, 0)
	if _, err := w.store.DeleteGroup(t.Context(), account, "shop", "web"); err != nil {
		t.Fatal(err)
	}
	w.idle()
	remembers(0, 0)
}

// TestTheCopyOfAGroupTakesOverItsHooks holds that after a blue/green deployment which keeps the original Auto Scaling group, instances wait at the
// hooks of the copy, and not in vain at those of the original.
func TestTheCopyOfAGroupTakesOverItsHooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.scaling.launch("asg", "i-1")
	g := w.group(named("web"), withTraffic, scaled("asg"), func(g *deploy.Group) {
		g.Settings.Style.Type = deploy.StyleBlueGreen
		g.Settings.BlueGreen = &deploy.BlueGreenSettings{
			ReadyAction: deploy.ReadyContinue, TerminationAction: deploy.TerminationKeepAlive, Provisioning: deploy.ProvisionCopyAutoScaler,
		}
	})
	w.round()
	id := w.deploy(g, "v1")
	w.scaling.took()
	copied := "CodeDeploy_web_" + id
	w.round()
	w.calls("set "+copied+" in-web", "remove asg in-web", "set "+copied+" out-web", "remove asg out-web")
	w.idle()
	w.scaling.launch("asg", "i-2")
	if w.scaling.state("asg", "i-2") != fleet.MemberInService {
		t.Error("an instance of the original waits at a hook")
	}
	w.idle()
	w.scaling.launch(copied, "i-3")
	w.round()
	if d := w.ends(w.one(g).Spec.ID, deploy.StatusSucceeded); d.Spec.Kind != deploy.KindInPlaceTraffic {
		t.Errorf("the deployment to an instance of the copy: %+v", d.Spec)
	}
	w.round()
	if !w.lb.serves("i-3") || w.scaling.state(copied, "i-3") != fleet.MemberInService {
		t.Error("an instance of the copy does not serve")
	}
	w.idle()
}

// TestStartAndStop holds that the passes come by themselves: at the start, when woken, and when the fleet says that it changed.
func TestStartAndStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.scaling.launch("asg", "i-1")
	g := w.group(named("web"), scaled("asg"))
	w.deploy(g, "v1")
	w.upkeep.Stop()
	w.upkeep.Start(t.Context())
	w.upkeep.Start(t.Context())
	w.until("there are two hooks", func() bool { w.scaling.mu.Lock(); defer w.scaling.mu.Unlock(); return len(w.scaling.hooks["asg"]) == 2 })
	w.scaling.launch("asg", "i-2")
	w.scaling.changes <- struct{}{}
	w.until("a deployment is made", func() bool { return len(w.made(g)) == 1 })
	w.ends(w.one(g).Spec.ID, deploy.StatusSucceeded)
	w.upkeep.Wake()
	w.upkeep.Wake()
	w.until("the instance serves", func() bool { return w.scaling.state("asg", "i-2") == fleet.MemberInService })
	w.upkeep.Stop()
	w.upkeep.Stop()
}
