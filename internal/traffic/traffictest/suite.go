package traffictest

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"

	"crossfade/internal/traffic"
)

// Run holds a driver to the contract. make is called once per claim, and cleans up through t.
func Run(t *testing.T, make func(t *testing.T) *Fixture) {
	for name, claim := range map[string]func(*testing.T, *Fixture){
		"unknown target groups are named and nothing is changed": unknownGroup,
		"an instance that was never seen is absent":              neverSeen,
		"in is settled when requests arrive":                     inServes,
		"out is settled when requests arrive no more":            outServesNot,
		"wishes can be repeated":                                 repeated,
		"a stale wish is ignored":                                stale,
		"another address takes the place of the first":           anotherAddress,
		"a sick instance is not settled, with a reason":          sick,
		"draining waits for the requests under way":              draining,
		"draining ends with the deregistration delay":            stuck,
		"an instance can come back while it is draining":         comeBack,
		"a change of state wakes":                                wakes,
		"a restart keeps what was wished":                        restart,
		"no GET is lost under load":                              func(t *testing.T, f *Fixture) { swapUnderLoad(t, f, http.MethodGet) },
		"no POST is lost under load":                             func(t *testing.T, f *Fixture) { swapUnderLoad(t, f, http.MethodPost) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claim(t, make(t))
		})
	}
	for name, claim := range splits() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := make(t)
			if _, ok := f.Router.(traffic.Splitter); !ok {
				t.Log("this driver does not share requests out")
				return
			}
			claim(t, f)
		})
	}
}

func unknownGroup(t *testing.T, f *Fixture) {
	const missing = "no-such-target-group"
	a := newApp(t, "v1", nil)
	unknown, err := f.Router.Known(t.Context(), []string{f.TargetGroups[0], missing, f.TargetGroups[1]})
	if err != nil || !slices.Equal(unknown, []string{missing}) {
		t.Errorf("known: %v %v", unknown, err)
	}
	if err := f.Router.MakeSo(t.Context(), a.in(1, f.TargetGroups[0], missing)); !errors.Is(err, traffic.ErrUnknownTargetGroup) {
		t.Errorf("make so: %v", err)
	}
	if _, err := f.Router.WhatIsSo(t.Context(), []string{missing}, "v1"); !errors.Is(err, traffic.ErrUnknownTargetGroup) {
		t.Errorf("what is so: %v", err)
	}
	if s := f.state(t, a, f.TargetGroups[0]); s != traffic.StateAbsent {
		t.Errorf("half of a refused wish was carried out: %s", s)
	}
}

func neverSeen(t *testing.T, f *Fixture) {
	for _, o := range f.see(t, traffic.Want{TargetGroups: f.TargetGroups, Instance: "stranger"}) {
		if o.State != traffic.StateAbsent || o.Instance != "stranger" || o.Generation != 0 || !slices.Contains(f.TargetGroups, o.TargetGroup) {
			t.Errorf("got %+v", o)
		}
	}
}

func inServes(t *testing.T, f *Fixture) {
	a := newApp(t, "v1", nil)
	f.must(t, a.in(3, f.TargetGroups...))
	for _, o := range f.see(t, a.in(3, f.TargetGroups...)) {
		if o.Generation != 3 {
			t.Errorf("got %+v, want generation 3", o)
		}
	}
	for _, g := range f.TargetGroups {
		if got := f.ask(t, g); got != "v1" {
			t.Errorf("%q answered in target group %s", got, g)
		}
	}
}

func outServesNot(t *testing.T, f *Fixture) {
	g := f.TargetGroups[0]
	v1, v2 := newApp(t, "v1", nil), newApp(t, "v2", nil)
	f.must(t, v1.in(1, f.TargetGroups...))
	f.must(t, v2.in(1, g))
	f.must(t, v1.out(2, g))
	for range 10 {
		if got := f.ask(t, g); got != "v2" {
			t.Errorf("%q answered", got)
		}
	}
	if got := f.ask(t, f.TargetGroups[1]); got != "v1" {
		t.Errorf("in the other target group %q answered", got)
	}
	f.must(t, v2.out(2, g))
	if got := f.ask(t, g); got != "" {
		t.Errorf("%q answered in an empty target group", got)
	}
}

func repeated(t *testing.T, f *Fixture) {
	g := f.TargetGroups[0]
	a := newApp(t, "v1", nil)
	for _, w := range []traffic.Want{a.out(0, g), a.in(1, g), a.in(2, g), a.out(3, g), a.in(3, g)} {
		for range 3 {
			f.must(t, w)
		}
	}
	if got := f.ask(t, g); got != "v1" {
		t.Errorf("%q answered", got)
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if err := f.Router.MakeSo(t.Context(), a.out(4, g)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	f.settle(t, a.out(4, g))
}

func stale(t *testing.T, f *Fixture) {
	g := f.TargetGroups[0]
	a := newApp(t, "v1", nil)
	f.must(t, a.in(7, g))
	f.wish(t, a.out(6, g))
	if s := f.state(t, a, g); s != traffic.StateHealthy {
		t.Errorf("an older wish took the instance out: %s", s)
	}
	f.must(t, a.out(8, g))
	f.wish(t, a.in(7, g))
	if o := f.see(t, a.out(0, g))[0]; o.State != traffic.StateAbsent || o.Generation != 8 {
		t.Errorf("an older wish brought the instance in: %+v", o)
	}
	// The generation counts per target group.
	f.must(t, a.in(7, f.TargetGroups[1]))
}

func anotherAddress(t *testing.T, f *Fixture) {
	g := f.TargetGroups[0]
	first, second := newApp(t, "v1", nil), newApp(t, "v2", nil)
	f.must(t, first.in(1, g))
	moved := second.in(2, g)
	moved.Instance = first.name
	f.must(t, moved)
	eventually(t, "the second address answers", func() bool { return f.ask(t, g) == "v2" })
	for range 10 {
		if got := f.ask(t, g); got != "v2" {
			t.Errorf("%q answered", got)
		}
	}
	f.must(t, first.out(3, g))
}

func sick(t *testing.T, f *Fixture) {
	g := f.TargetGroups[0]
	a := newApp(t, "v1", nil)
	a.sick.Store(true)
	f.wish(t, a.in(1, g))
	eventually(t, "a state with a reason", func() bool {
		o := f.see(t, a.in(1, g))[0]
		return (o.State == traffic.StateInitial || o.State == traffic.StateUnhealthy) && o.Reason != ""
	})
	if done, why := traffic.Settled(a.in(1, g), f.see(t, a.in(1, g))); done || why == "" {
		t.Errorf("settled: %v %q", done, why)
	}
	a.sick.Store(false)
	f.settle(t, a.in(1, g))
	other := newApp(t, "v2", nil)
	f.must(t, other.in(1, g))
	a.sick.Store(true)
	eventually(t, "unhealthy", func() bool { return f.state(t, a, g) == traffic.StateUnhealthy })
	f.must(t, a.out(2, g))
}

func wakes(t *testing.T, f *Fixture) {
	changes := f.Router.Changes()
	if changes == nil {
		t.Log("this driver is polled")
		return
	}
	g := f.TargetGroups[0]
	a := newApp(t, "v1", nil)
	f.wish(t, a.in(1, g))
	for f.state(t, a, g) != traffic.StateHealthy { // by wake-ups alone
		await(t, "a wake-up", changes)
	}
	f.wish(t, a.out(2, g))
	for f.state(t, a, g) != traffic.StateAbsent {
		await(t, "a wake-up", changes)
	}
}

func restart(t *testing.T, f *Fixture) {
	g, h := f.TargetGroups[0], f.TargetGroups[1]
	v1, v2 := newApp(t, "v1", nil), newApp(t, "v2", nil)
	f.must(t, v1.in(5, g, h))
	f.must(t, v2.in(5, g))
	f.must(t, v1.out(6, g))
	f.Restart(f)
	// At once, before anything is settled: no request is refused.
	for range 5 {
		if got := f.ask(t, g); got != "v2" {
			t.Errorf("%q answered in the first target group", got)
		}
		if got := f.ask(t, h); got != "v1" {
			t.Errorf("%q answered in the second target group", got)
		}
	}
	f.settle(t, v1.in(5, h))
	f.settle(t, v2.in(5, g))
	f.settle(t, v1.out(6, g))
	f.wish(t, v1.in(5, g))
	if o := f.see(t, v1.out(0, g))[0]; o.State != traffic.StateAbsent || o.Generation != 6 {
		t.Errorf("a stale wish was carried out after the restart: %+v", o)
	}
	f.must(t, v1.in(7, g))
}
