// Package fleettest is the suite that every driver of a fleet with Auto Scaling groups must pass: it says in tests what package fleet says in
// words. It knows no driver and starts nothing; what a driver is tested against is the driver's own matter.
package fleettest

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
)

// World is a fleet under test, fresh for each test.
type World struct {
	Driver  fleet.Driver
	Account string
	// Group is an Auto Scaling group whose instances come into service by themselves, Size of them; at least two.
	Group string
	Size  int
	// Zones says that the instances have zones.
	Zones bool
	// Step lets something happen; it is called until what a test waits for is so.
	Step func(t *testing.T)
	// Resize sets how many instances a group is to have.
	Resize func(t *testing.T, group string, size int)
	// Cannot says which tests show nothing here, and why: what stands in for the real fleet does not do what they are about.
	Cannot map[string]string
}

// patience is how often Step is called before a test gives up.
const patience = 600

// Run runs the suite; open makes a world that lives until the test ends.
func Run(t *testing.T, open func(t *testing.T) World) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, World)
	}{
		{"groups", groups},
		{"finding", finding},
		{"looking up", lookingUp},
		{"addresses", addresses},
		{"accounts apart", accounts},
		{"growing and shrinking", resizing},
		{"copying", copying},
		{"deleting", deleting},
		{"terminating", terminating},
		{"a launch hook", launchHook},
		{"abandoning", abandoning},
		{"removing a hook", removingHook},
		{"a termination hook", terminationHook},
		{"hooks of no group", hookErrors},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			if why := w.Cannot[c.name]; why != "" {
				t.Skip(why)
			}
			c.test(t, w)
		})
	}
}

// The names of hooks are as deployment groups make them.
const (
	launching = "CodeDeploy-managed-automatic-launch-deployment-hook-web-1"
	ending    = "CodeDeploy-managed-automatic-termination-deployment-hook-web-1"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// until steps until the condition holds.
func (w World) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range patience {
		if holds() {
			return
		}
		w.Step(t)
	}
	g, there := w.group(t, w.Group)
	t.Fatalf("it does not come about that %s; the group: %v %+v", what, there, g)
}

func (w World) group(t *testing.T, name string) (fleet.Group, bool) {
	t.Helper()
	found, err := w.Driver.Groups(t.Context(), w.Account, []string{name})
	must(t, err)
	if len(found) == 0 {
		return fleet.Group{}, false
	}
	return found[0], true
}

// settled waits until the group has as many members as it is to have, all in service, and returns them.
func (w World) settled(t *testing.T, name string, size int) []fleet.Member {
	t.Helper()
	var g fleet.Group
	w.until(t, name+" is settled", func() bool {
		g, _ = w.group(t, name)
		return g.Desired == size && len(g.Members) == size && g.InService() == size
	})
	return g.Members
}

func (w World) find(t *testing.T, groups ...string) []string {
	t.Helper()
	found, err := w.Driver.Find(t.Context(), w.Account, deploy.Selection{AutoScalingGroups: groups})
	must(t, err)
	var names []string
	for _, i := range found {
		names = append(names, i.Name)
	}
	if !slices.IsSorted(names) {
		t.Errorf("what is found is not ordered by name: %v", names)
	}
	return names
}

func names(members []fleet.Member) []string {
	var out []string
	for _, m := range members {
		out = append(out, m.Name)
	}
	slices.Sort(out)
	return out
}

func groups(t *testing.T, w World) {
	members := w.settled(t, w.Group, w.Size)
	for _, m := range members {
		if m.Name == "" || m.ARN == "" || m.Host == "" || w.Zones && m.Zone == "" {
			t.Errorf("a member lacks something: %+v", m)
		}
	}
	if len(slices.Compact(names(members))) != w.Size {
		t.Errorf("members of one name: %v", names(members))
	}
	must(t, w.Driver.Copy(t.Context(), w.Account, w.Group, "another", 1))
	found, err := w.Driver.Groups(t.Context(), w.Account, []string{"nope", "another", w.Group})
	must(t, err)
	if len(found) != 2 || found[0].Name != "another" || found[1].Name != w.Group {
		t.Errorf("the groups are %+v", found)
	}
	none, err := w.Driver.Groups(t.Context(), w.Account, nil)
	if err != nil || len(none) != 0 {
		t.Errorf("no names are %+v, %v", none, err)
	}
}

func finding(t *testing.T, w World) {
	members := w.settled(t, w.Group, w.Size)
	if got := w.find(t, "nope", w.Group, w.Group); !slices.Equal(got, names(members)) {
		t.Errorf("found %v, want %v", got, names(members))
	}
	if got := w.find(t, "nope"); len(got) != 0 {
		t.Errorf("an unknown group has %v", got)
	}
	if got := w.find(t); len(got) != 0 {
		t.Errorf("an empty selection picks %v", got)
	}
}

func lookingUp(t *testing.T, w World) {
	members := w.settled(t, w.Group, w.Size)
	asked := []string{members[1].Name, "nope", members[0].Name}
	found, err := w.Driver.Lookup(t.Context(), w.Account, asked)
	must(t, err)
	if want := []fleet.Instance{members[1].Instance, members[0].Instance}; !slices.Equal(found, want) {
		t.Errorf("looked up %+v, want %+v", found, want)
	}
}

func addresses(t *testing.T, w World) {
	for _, m := range w.settled(t, w.Group, w.Size) {
		a, err := w.Driver.Address(t.Context(), w.Account, m.Name)
		must(t, err)
		_, notIP := netip.ParseAddr(a)
		if _, notPair := netip.ParseAddrPort(a); notIP != nil && notPair != nil {
			t.Errorf("instance %s has the address %q", m.Name, a)
		}
	}
	if a, err := w.Driver.Address(t.Context(), w.Account, "nope"); err != nil || a != "" {
		t.Errorf("an unknown instance has the address %q, %v", a, err)
	}
}

func accounts(t *testing.T, w World) {
	members := w.settled(t, w.Group, w.Size)
	const other = "999988887777"
	if found, err := w.Driver.Groups(t.Context(), other, []string{w.Group}); err != nil || len(found) != 0 {
		t.Errorf("another account sees %+v, %v", found, err)
	}
	if found, err := w.Driver.Lookup(t.Context(), other, names(members)); err != nil || len(found) != 0 {
		t.Errorf("another account looks up %+v, %v", found, err)
	}
	if err := w.Driver.Copy(t.Context(), other, w.Group, "stolen", 1); !errors.Is(err, fleet.ErrUnknownGroup) {
		t.Errorf("another account copies: %v", err)
	}
	if gone, err := w.Driver.Delete(t.Context(), other, w.Group); err != nil || !gone {
		t.Errorf("another account deletes: %v, %v", gone, err)
	}
	if _, err := w.Driver.Terminate(t.Context(), other, names(members)); err != nil {
		t.Errorf("another account terminates: %v", err)
	}
	w.Step(t)
	if got := names(w.settled(t, w.Group, w.Size)); !slices.Equal(got, names(members)) {
		t.Errorf("another account changed %v to %v", names(members), got)
	}
}

func resizing(t *testing.T, w World) {
	before := names(w.settled(t, w.Group, w.Size))
	w.Resize(t, w.Group, w.Size+2)
	grown := names(w.settled(t, w.Group, w.Size+2))
	for _, n := range before {
		if !slices.Contains(grown, n) {
			t.Errorf("growing lost %s", n)
		}
	}
	w.Resize(t, w.Group, 1)
	left := names(w.settled(t, w.Group, 1))
	if !slices.Contains(grown, left[0]) {
		t.Errorf("shrinking started %s", left[0])
	}
	if got := w.find(t, w.Group); !slices.Equal(got, left) {
		t.Errorf("found %v, want %v", got, left)
	}
}

func copying(t *testing.T, w World) {
	source := names(w.settled(t, w.Group, w.Size))
	const name = "CodeDeploy_web_d-ABCDEF012"
	for range 2 {
		must(t, w.Driver.Copy(t.Context(), w.Account, w.Group, name, w.Size+1))
	}
	copied := names(w.settled(t, name, w.Size+1))
	must(t, w.Driver.Copy(t.Context(), w.Account, w.Group, name, w.Size+1))
	w.Step(t)
	if again := names(w.settled(t, name, w.Size+1)); !slices.Equal(again, copied) {
		t.Errorf("asking again changed %v to %v", copied, again)
	}
	for _, n := range copied {
		if slices.Contains(source, n) {
			t.Errorf("instance %s is in the source and in the copy", n)
		}
	}
	if got := names(w.settled(t, w.Group, w.Size)); !slices.Equal(got, source) {
		t.Errorf("the source changed from %v to %v", source, got)
	}
	if got := w.find(t, w.Group, name); len(got) != len(source)+len(copied) {
		t.Errorf("both groups have %v", got)
	}
	if err := w.Driver.Copy(t.Context(), w.Account, "nope", "CodeDeploy_web_d-1", 1); !errors.Is(err, fleet.ErrUnknownGroup) {
		t.Errorf("copying no group: %v", err)
	}
	// The next deployment copies the copy, and ends it.
	const next = "CodeDeploy_web_d-FEDCBA987"
	must(t, w.Driver.Copy(t.Context(), w.Account, name, next, 1))
	w.delete(t, name)
	w.settled(t, next, 1)
}

func (w World) delete(t *testing.T, name string) {
	t.Helper()
	w.until(t, name+" is gone", func() bool {
		gone, err := w.Driver.Delete(t.Context(), w.Account, name)
		must(t, err)
		return gone
	})
}

func deleting(t *testing.T, w World) {
	members := names(w.settled(t, w.Group, w.Size))
	must(t, w.Driver.Copy(t.Context(), w.Account, w.Group, "copy", 1))
	w.settled(t, "copy", 1)
	for range 2 {
		w.delete(t, w.Group)
		if g, there := w.group(t, w.Group); there {
			t.Errorf("the group is gone and there: %+v", g)
		}
		w.Step(t)
	}
	if got := w.find(t, w.Group); len(got) != 0 {
		t.Errorf("the group is gone and has %v", got)
	}
	if found, err := w.Driver.Lookup(t.Context(), w.Account, members); err != nil || len(found) != 0 {
		t.Errorf("instances of the group that is gone: %+v, %v", found, err)
	}
	if gone, err := w.Driver.Delete(t.Context(), w.Account, "nope"); err != nil || !gone {
		t.Errorf("deleting no group: %v, %v", gone, err)
	}
	w.settled(t, "copy", 1)
}

func terminating(t *testing.T, w World) {
	members := names(w.settled(t, w.Group, w.Size))
	for range 2 {
		notes, err := w.Driver.Terminate(t.Context(), w.Account, []string{members[0], "nope"})
		if err != nil || len(notes) != 0 {
			t.Fatalf("terminate: %v, %v", notes, err)
		}
		w.until(t, members[0]+" is gone", func() bool { return !slices.Contains(w.find(t, w.Group), members[0]) })
	}
	if got := names(w.settled(t, w.Group, w.Size-1)); !slices.Equal(got, members[1:]) {
		t.Errorf("of %v remain %v", members, got)
	}
}

// waiting waits until the group has one waiting instance that is not among the old ones.
func (w World) waiting(t *testing.T, hook fleet.Hook, old ...string) fleet.Waiting {
	t.Helper()
	var found []fleet.Waiting
	w.until(t, "an instance waits", func() bool {
		all, err := w.Driver.Waiting(t.Context(), w.Account, []string{w.Group, "nope"})
		must(t, err)
		found = slices.DeleteFunc(all, func(x fleet.Waiting) bool { return slices.Contains(old, x.Instance.Name) })
		return len(found) > 0
	})
	one := found[0]
	if len(found) != 1 || one.Group != w.Group || one.Hook != hook || one.Instance.Name == "" || !hook.Termination && one.Instance.Host == "" {
		t.Fatalf("waiting are %+v", found)
	}
	return one
}

func (w World) state(t *testing.T, name string) fleet.MemberState {
	t.Helper()
	g, _ := w.group(t, w.Group)
	for _, m := range g.Members {
		if m.Name == name {
			return m.State
		}
	}
	return ""
}

func launchHook(t *testing.T, w World) {
	before := names(w.settled(t, w.Group, w.Size))
	hook := fleet.Hook{Name: launching}
	for range 2 {
		must(t, w.Driver.SetHook(t.Context(), w.Account, w.Group, hook))
	}
	w.Step(t)
	if all, err := w.Driver.Waiting(t.Context(), w.Account, []string{w.Group}); err != nil || len(all) != 0 {
		t.Fatalf("instances that were there wait: %+v, %v", all, err)
	}
	w.Resize(t, w.Group, w.Size+1)
	one := w.waiting(t, hook)
	if s := w.state(t, one.Instance.Name); s != fleet.MemberPendingWait {
		t.Errorf("it is %s", s)
	}
	if got := w.find(t, w.Group); !slices.Equal(got, before) {
		t.Errorf("found %v while one waits, want %v", got, before)
	}
	// It can be deployed to: that is what it waits for.
	if found, err := w.Driver.Lookup(t.Context(), w.Account, []string{one.Instance.Name}); err != nil || len(found) != 1 || found[0] != one.Instance {
		t.Errorf("looked up %+v, %v", found, err)
	}
	for range 2 {
		must(t, w.Driver.Heartbeat(t.Context(), w.Account, one))
	}
	w.Step(t)
	if s := w.state(t, one.Instance.Name); s != fleet.MemberPendingWait {
		t.Errorf("after a heartbeat it is %s", s)
	}
	for range 2 {
		must(t, w.Driver.Complete(t.Context(), w.Account, one, true))
	}
	if got := names(w.settled(t, w.Group, w.Size+1)); !slices.Contains(got, one.Instance.Name) {
		t.Errorf("%s went on, and is not among %v", one.Instance.Name, got)
	}
	must(t, w.Driver.Heartbeat(t.Context(), w.Account, one))
}

func abandoning(t *testing.T, w World) {
	w.settled(t, w.Group, w.Size)
	hook := fleet.Hook{Name: launching}
	must(t, w.Driver.SetHook(t.Context(), w.Account, w.Group, hook))
	w.Resize(t, w.Group, w.Size+1)
	one := w.waiting(t, hook)
	for range 2 {
		must(t, w.Driver.Complete(t.Context(), w.Account, one, false))
	}
	other := w.waiting(t, hook, one.Instance.Name)
	must(t, w.Driver.Complete(t.Context(), w.Account, other, true))
	got := names(w.settled(t, w.Group, w.Size+1))
	if slices.Contains(got, one.Instance.Name) || !slices.Contains(got, other.Instance.Name) {
		t.Errorf("%s was abandoned and %s went on: %v", one.Instance.Name, other.Instance.Name, got)
	}
}

func removingHook(t *testing.T, w World) {
	w.settled(t, w.Group, w.Size)
	hook := fleet.Hook{Name: launching}
	must(t, w.Driver.SetHook(t.Context(), w.Account, w.Group, hook))
	w.Resize(t, w.Group, w.Size+1)
	one := w.waiting(t, hook)
	for range 2 {
		must(t, w.Driver.RemoveHook(t.Context(), w.Account, w.Group, hook.Name))
	}
	if got := names(w.settled(t, w.Group, w.Size+1)); !slices.Contains(got, one.Instance.Name) {
		t.Errorf("the hook went away, and %s is not among %v", one.Instance.Name, got)
	}
	w.Resize(t, w.Group, w.Size+2)
	w.settled(t, w.Group, w.Size+2)
}

func terminationHook(t *testing.T, w World) {
	before := names(w.settled(t, w.Group, w.Size))
	hook := fleet.Hook{Name: ending, Termination: true}
	must(t, w.Driver.SetHook(t.Context(), w.Account, w.Group, hook))
	w.Resize(t, w.Group, w.Size-1)
	one := w.waiting(t, hook)
	if s := w.state(t, one.Instance.Name); s != fleet.MemberEndWait {
		t.Errorf("it is %s", s)
	}
	must(t, w.Driver.Heartbeat(t.Context(), w.Account, one))
	must(t, w.Driver.Complete(t.Context(), w.Account, one, true))
	left := names(w.settled(t, w.Group, w.Size-1))
	if slices.Contains(left, one.Instance.Name) || !slices.Contains(before, left[0]) {
		t.Errorf("%s ended, and of %v remain %v", one.Instance.Name, before, left)
	}
}

func hookErrors(t *testing.T, w World) {
	w.settled(t, w.Group, w.Size)
	if err := w.Driver.SetHook(t.Context(), w.Account, "nope", fleet.Hook{Name: launching}); !errors.Is(err, fleet.ErrUnknownGroup) {
		t.Errorf("a hook of no group: %v", err)
	}
	must(t, w.Driver.RemoveHook(t.Context(), w.Account, "nope", launching))
	must(t, w.Driver.RemoveHook(t.Context(), w.Account, w.Group, "nope"))
	if all, err := w.Driver.Waiting(t.Context(), w.Account, []string{"nope"}); err != nil || len(all) != 0 {
		t.Errorf("no group has %+v, %v", all, err)
	}
	nobody := fleet.Waiting{Group: w.Group, Hook: fleet.Hook{Name: launching}, Instance: fleet.Instance{Name: "nope"}}
	must(t, w.Driver.Heartbeat(t.Context(), w.Account, nobody))
	must(t, w.Driver.Complete(t.Context(), w.Account, nobody, true))
}
