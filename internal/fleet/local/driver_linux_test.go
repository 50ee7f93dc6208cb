package local_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crossfade/internal/fleet"
	"crossfade/internal/fleet/fleettest"
	"crossfade/internal/fleet/local"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	fleettest.Run(t, func(t *testing.T) fleettest.World {
		tpl := template()
		tpl.Zones = []string{"a", "b"}
		w := open(t, 2, tpl)
		return fleettest.World{
			Driver: w, Account: account, Group: "web", Size: 2, Zones: true, Step: w.step,
			Resize: func(t *testing.T, group string, size int) { must(t, w.SetSize(t.Context(), account, group, size)) },
		}
	})
}

// TestEachInstanceIsStartedOnceAndStoppedWhole follows a group up and down, through the processes that its commands start.
func TestEachInstanceIsStartedOnceAndStoppedWhole(t *testing.T) {
	t.Parallel()
	w := open(t, 5, template())
	names := w.settled("web", 5)
	if got := w.started(); !slices.Equal(got, names) {
		t.Errorf("started %v, want each of %v once", got, names)
	}
	for _, n := range names {
		i, err := w.database.Instance(t.Context(), account, n)
		must(t, err)
		if i.Tags[local.TagGroup] != "web" || !exists(filepath.Join(w.options.Dir, n+".yml")) {
			t.Errorf("instance %s is registered with %v", n, i.Tags)
		}
	}
	must(t, w.SetSize(t.Context(), account, "web", 2))
	left := w.settled("web", 2)
	if got := w.running(); !slices.Equal(got, left) {
		t.Errorf("running are %v, want %v", got, left)
	}
	for _, n := range names {
		i, err := w.database.Instance(t.Context(), account, n)
		must(t, err)
		if kept := slices.Contains(left, n); i.DeregisteredAt.IsZero() != kept || exists(filepath.Join(w.options.Dir, n+".yml")) != kept {
			t.Errorf("instance %s: left %v, registered %v", n, kept, i.DeregisteredAt.IsZero())
		}
	}
}

func TestCommandsThatFailAreTriedAgainAndTheirWordsShown(t *testing.T) {
	t.Parallel()
	w := open(t, 2, template())
	w.put("fail-start")
	w.until("the failure is shown", func() bool {
		p := w.sizes()[0].Problems
		return len(p) == 2 && strings.Contains(p[0], "exit status 3: no room for web-")
	})
	names := w.group("web").Members
	w.remove("fail-start")
	got := w.settled("web", 2)
	if got[0] != names[0].Name || got[1] != names[1].Name {
		t.Errorf("the names changed from %v to %v", names, got)
	}
	w.put("fail-stop")
	must(t, w.SetSize(t.Context(), account, "web", 0))
	w.until("stopping hangs", func() bool { return len(w.sizes()[0].Problems) == 2 })
	if got := w.running(); len(got) != 2 {
		t.Errorf("running are %v", got)
	}
	w.remove("fail-stop")
	w.settled("web", 0)
	if got := w.running(); len(got) != 0 {
		t.Errorf("running are %v", got)
	}
}

func TestAnInstanceThatDiedIsReplaced(t *testing.T) {
	t.Parallel()
	tpl := template()
	tpl.Check = shell(checkScript)
	w := open(t, 2, tpl)
	names := w.settled("web", 2)
	w.kill(t, names[0])
	w.until("it is replaced", func() bool {
		g := w.group("web")
		return g.InService() == 2 && len(g.Members) == 2 && !slices.ContainsFunc(g.Members, func(m fleet.Member) bool { return m.Name == names[0] })
	})
	if got := w.group("web").Members; !slices.ContainsFunc(got, func(m fleet.Member) bool { return m.Name == names[1] }) {
		t.Errorf("the one that lives is gone too: %v", got)
	}
	if got := len(w.started()); got != 3 {
		t.Errorf("%d were started", got)
	}
}

func TestAnInstanceThatIsNeverReadyIsReplacedWithMoreAndMorePatience(t *testing.T) {
	t.Parallel()
	tpl := template()
	tpl.StartTimeout = 10 * time.Second
	w := open(t, 1, tpl)
	w.put("silent") // no agent polls
	w.until("a second one is started", func() bool { return len(w.started()) == 2 })
	w.until("a third one is started", func() bool { return len(w.started()) == 3 })
	if got := w.running(); len(got) > 1 {
		t.Errorf("running are %v", got)
	}
	w.remove("silent")
	w.settled("web", 1)
}

func TestHealthAndAddressCommands(t *testing.T) {
	t.Parallel()
	tpl := template()
	tpl.Health = shell(`test -e "$MACHINES/healthy"`)
	tpl.Address = shell(`echo careful >&2; cat "$MACHINES/address"`)
	w := open(t, 1, tpl)
	must(t, os.WriteFile(filepath.Join(w.machines, "address"), []byte("nowhere\n"), 0o600))
	for range 5 {
		w.step(t)
	}
	if g := w.group("web"); len(g.Members) != 1 || g.Members[0].State != fleet.MemberPending {
		t.Errorf("unhealthy: %+v", g)
	}
	w.put("healthy")
	w.until("the address is refused", func() bool {
		p := w.sizes()[0].Problems
		return len(p) == 1 && strings.Contains(p[0], `prints "nowhere", which is not IP or IP:port`)
	})
	must(t, os.WriteFile(filepath.Join(w.machines, "address"), []byte("10.1.2.3:8080\n"), 0o600))
	name := w.settled("web", 1)[0]
	if a, err := w.Address(t.Context(), account, name); err != nil || a != "10.1.2.3:8080" {
		t.Errorf("the address is %q, %v", a, err)
	}
}

func TestAWaitEndsByItself(t *testing.T) {
	t.Parallel()
	w := open(t, 1, template())
	must(t, w.SetHook(t.Context(), account, "web", fleet.Hook{Name: "in"}))
	must(t, w.SetHook(t.Context(), account, "web", fleet.Hook{Name: "in2"}))
	must(t, w.SetHook(t.Context(), account, "web", fleet.Hook{Name: "out", Termination: true}))
	waiting := func() []fleet.Waiting {
		all, err := w.Waiting(t.Context(), account, []string{"web"})
		must(t, err)
		return all
	}
	w.until("it waits at both", func() bool { return len(waiting()) == 2 })
	first := waiting()
	must(t, w.Complete(t.Context(), account, first[0], true))
	if got := waiting(); len(got) != 1 || got[0] != first[1] {
		t.Fatalf("it waits at %+v", got)
	}
	// A server that was away owes the time.
	w.Pass(time.Hour)
	w.restart()
	w.step(t)
	if got := waiting(); len(got) != 1 || got[0] != first[1] {
		t.Fatalf("after the server was away it waits at %+v", got)
	}
	w.Pass(9 * time.Minute)
	must(t, w.Heartbeat(t.Context(), account, first[1]))
	w.Pass(9 * time.Minute)
	w.step(t)
	if got := waiting(); len(got) != 1 {
		t.Fatalf("after a heartbeat it waits at %+v", got)
	}
	w.Pass(2 * time.Minute)
	w.until("another one waits", func() bool { return len(waiting()) == 2 })
	for _, x := range waiting() {
		if x.Instance == first[0].Instance {
			t.Errorf("it was not abandoned: %+v", x)
		}
		must(t, w.Complete(t.Context(), account, x, true))
	}
	w.settled("web", 1)
	must(t, w.SetSize(t.Context(), account, "web", 0))
	w.until("it waits before it ends", func() bool { return len(waiting()) == 1 })
	w.Pass(11 * time.Minute)
	w.settled("web", 0)
}

func TestTheConfigurationCountsWhenItIsNew(t *testing.T) {
	t.Parallel()
	w := open(t, 2, template())
	w.settled("web", 2)
	must(t, w.SetSize(t.Context(), account, "web", 3))
	w.restart()
	w.settled("web", 3)
	w.options.Fleets[0].Size = 1
	w.restart()
	w.settled("web", 1)

	// A deployment copies the group and ends it. The configuration doesn't bring it back, and its commands are the copy's too.
	must(t, w.Copy(t.Context(), account, "web", "CodeDeploy_g_d-1", 1))
	w.settled("CodeDeploy_g_d-1", 1)
	w.until("web is gone", func() bool { gone, err := w.Delete(t.Context(), account, "web"); must(t, err); return gone })
	if remembers, err := w.Remembers(t.Context(), account, "web"); err != nil || !remembers {
		t.Errorf("the driver remembers web: %v, %v", remembers, err)
	}
	w.options.Fleets[0].Template.Environment = map[string]string{"NEW": "1"}
	w.options.Fleets[0].Template.Check = shell(`test "$NEW" = 1 && test "$CROSSFADE_FLEET" = web && touch "$MACHINES/checked"`)
	w.restart()
	w.until("the new commands are used", func() bool { return exists(filepath.Join(w.machines, "checked")) })
	if len(w.group("web").Members) != 0 {
		t.Errorf("web is back: %+v", w.group("web"))
	}
	must(t, w.SetSize(t.Context(), account, "web", 1))
	w.settled("web", 1)

	// Without the configuration what runs goes on, and can be ended.
	w.options.Fleets = nil
	w.restart()
	w.settled("web", 1)
	must(t, w.SetSize(t.Context(), account, "web", 0))
	w.settled("web", 0)
	w.restart()
	if all := w.sizes(); len(all) != 1 || all[0].Name != "CodeDeploy_g_d-1" {
		t.Errorf("the groups are %+v", all)
	}
	var wrong *fleet.SizeError
	if err := w.SetSize(t.Context(), account, "CodeDeploy_g_d-1", 1001); !errors.As(err, &wrong) {
		t.Errorf("a size of 1001: %v", err)
	}
	if err := w.SetSize(t.Context(), account, "web", 1); !errors.Is(err, fleet.ErrUnknownGroup) {
		t.Errorf("a group that is no more: %v", err)
	}
}

func TestTheLoopWorksByItself(t *testing.T) {
	t.Parallel()
	w := open(t, 3, template())
	w.options.Now = time.Now
	w.restart()
	w.Start(t.Context(), w.ids)
	defer w.Stop()
	for end := time.Now().Add(time.Minute); w.group("web").InService() < 3; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the group is %+v", w.sizes())
		}
	}
	select {
	case <-w.Changes():
	default:
		t.Error("nobody was told of changes")
	}
	w.Stop()
	w.Stop()
	if got := w.running(); len(got) != 3 {
		t.Errorf("stopping the server left %v running", got)
	}
}
