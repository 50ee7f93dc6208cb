package traffictest

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"crossfade/internal/traffic"
)

// green is the environment that the suite shifts requests to.
const green = "d-GREEN"

// splits are the claims on a driver that is a traffic.Splitter.
func splits() map[string]func(*testing.T, *Fixture) {
	return map[string]func(*testing.T, *Fixture){
		"a split is observed, and ended":                       splitObserved,
		"a split of unknown target groups changes nothing":     splitUnknownGroup,
		"an impossible split is refused":                       splitImpossible,
		"splits can be repeated":                               splitRepeated,
		"a stale split is ignored":                             splitStale,
		"a change of a split wakes":                            splitWakes,
		"shares are exact over any 100 requests":               splitExact,
		"shares are exact under load":                          splitExactUnderLoad,
		"an instance settles where it gets no requests":        splitZero,
		"an instance's environment can be changed":             splitOtherEnvironment,
		"a restart keeps splits and environments":              splitRestart,
		"no GET is lost while shares shift":                    func(t *testing.T, f *Fixture) { shiftUnderLoad(t, f, http.MethodGet) },
		"no POST is lost while shares shift":                   func(t *testing.T, f *Fixture) { shiftUnderLoad(t, f, http.MethodPost) },
		"no request is lost while instances of one side die":   splitDying,
		"no request is lost while all of one side are sick":    splitSickSide,
		"requests under way end on the side where they began":  splitUnderWay,
		"the other target groups of a driver are not affected": splitOneGroup,
	}
}

func (f *Fixture) splitter() traffic.Splitter {
	s, ok := f.Router.(traffic.Splitter)
	if !ok {
		panic("the router is no splitter") // Run looked
	}
	return s
}

// serving is a wish to bring the application in for an environment.
func (a *app) serving(environment string, generation int64, groups ...string) traffic.Want {
	w := a.in(generation, groups...)
	w.Environment = environment
	return w
}

func shares(environment string, percent int, generation int64, groups ...string) traffic.Split {
	return traffic.Split{TargetGroups: groups, Environment: environment, Percent: percent, Generation: generation}
}

// mustSplit makes a split so and waits until it is settled.
func (f *Fixture) mustSplit(t testing.TB, s traffic.Split) {
	t.Helper()
	if err := f.splitter().Split(t.Context(), s); err != nil {
		t.Fatalf("split: %v", err)
	}
	eventually(t, fmt.Sprintf("%+v", s), func() bool { return traffic.SplitSettled(s, f.seeSplit(t, s.TargetGroups...)) })
}

func (f *Fixture) seeSplit(t testing.TB, groups ...string) []traffic.SplitObserved {
	t.Helper()
	observed, err := f.splitter().SplitOf(t.Context(), groups)
	if err != nil {
		t.Fatalf("split of: %v", err)
	}
	if len(observed) != len(groups) {
		t.Fatalf("%d target groups, but %d observations", len(groups), len(observed))
	}
	return observed
}

// askFor sends requests one after the other and returns for each whether the application answered.
func (f *Fixture) askFor(t testing.TB, group string, requests int, a *app) []bool {
	t.Helper()
	hits := make([]bool, requests)
	for i := range hits {
		hits[i] = f.ask(t, group) == a.name
	}
	return hits
}

func count(hits []bool) (n int) {
	for _, hit := range hits {
		if hit {
			n++
		}
	}
	return n
}

// pair brings an original in, starts the sharing at 0, and brings a replacement in, as a deployment does.
func (f *Fixture) pair(t testing.TB, group string) (old, next *app) {
	t.Helper()
	old, next = newApp(t, "v1", nil), newApp(t, "v2", nil)
	f.must(t, old.in(1, group))
	f.mustSplit(t, shares(green, 0, 1, group))
	f.must(t, next.serving(green, 1, group))
	return old, next
}

func splitObserved(t *testing.T, f *Fixture) {
	for _, o := range f.seeSplit(t, f.TargetGroups...) {
		if o.Environment != "" || o.Percent != 0 || o.Generation != 0 {
			t.Errorf("before any split: %+v", o)
		}
	}
	f.mustSplit(t, shares(green, 30, 4, f.TargetGroups...))
	for i, o := range f.seeSplit(t, f.TargetGroups...) {
		if want := (traffic.SplitObserved{TargetGroup: f.TargetGroups[i], Environment: green, Percent: 30, Generation: 4}); o != want {
			t.Errorf("got %+v, want %+v", o, want)
		}
	}
	if traffic.SplitSettled(shares(green, 31, 4, f.TargetGroups...), f.seeSplit(t, f.TargetGroups...)) {
		t.Error("another percentage is settled")
	}
	f.mustSplit(t, shares("", 0, 5, f.TargetGroups...))
	if o := f.seeSplit(t, f.TargetGroups[0])[0]; o.Environment != "" || o.Generation != 5 {
		t.Errorf("after its end: %+v", o)
	}
}

func splitUnknownGroup(t *testing.T, f *Fixture) {
	const missing = "no-such-target-group"
	if err := f.splitter().Split(t.Context(), shares(green, 50, 1, f.TargetGroups[0], missing)); !errors.Is(err, traffic.ErrUnknownTargetGroup) {
		t.Errorf("split: %v", err)
	}
	if _, err := f.splitter().SplitOf(t.Context(), []string{missing}); !errors.Is(err, traffic.ErrUnknownTargetGroup) {
		t.Errorf("split of: %v", err)
	}
	if o := f.seeSplit(t, f.TargetGroups[0])[0]; o.Environment != "" || o.Generation != 0 {
		t.Errorf("half of a refused split was carried out: %+v", o)
	}
}

func splitImpossible(t *testing.T, f *Fixture) {
	for _, percent := range []int{-1, 101} {
		if err := f.splitter().Split(t.Context(), shares(green, percent, 1, f.TargetGroups[0])); err == nil {
			t.Errorf("%d %% was accepted", percent)
		}
	}
	if o := f.seeSplit(t, f.TargetGroups[0])[0]; o.Environment != "" || o.Generation != 0 {
		t.Errorf("got %+v", o)
	}
}

func splitRepeated(t *testing.T, f *Fixture) {
	g := f.TargetGroups[0]
	old, _ := f.pair(t, g)
	for _, s := range []traffic.Split{shares(green, 50, 2, g), shares("", 0, 3, g), shares(green, 100, 4, g), shares(green, 20, 5, g)} {
		for range 3 {
			f.mustSplit(t, s)
		}
	}
	// A repetition does not start the counting anew.
	n := 0
	for range 50 {
		f.mustSplit(t, shares(green, 20, 5, g))
		n += count(f.askFor(t, g, 1, old))
	}
	if n < 39 || n > 41 {
		t.Errorf("the original got %d of 50 requests, want 40", n)
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if err := f.splitter().Split(t.Context(), shares(green, 70, 6, g)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	f.mustSplit(t, shares(green, 70, 6, g))
}

func splitStale(t *testing.T, f *Fixture) {
	g := f.TargetGroups[0]
	split := func(s traffic.Split) {
		t.Helper()
		if err := f.splitter().Split(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	f.mustSplit(t, shares(green, 30, 7, g))
	split(shares(green, 60, 6, g))
	split(shares("", 0, 6, g))
	if o := f.seeSplit(t, g)[0]; o.Environment != green || o.Percent != 30 || o.Generation != 7 {
		t.Errorf("an older split was carried out: %+v", o)
	}
	f.mustSplit(t, shares("", 0, 8, g))
	split(shares(green, 30, 7, g))
	if o := f.seeSplit(t, g)[0]; o.Environment != "" || o.Generation != 8 {
		t.Errorf("an older split was carried out after the end: %+v", o)
	}
	// The generation counts per target group, and not with that of the wishes for instances.
	f.mustSplit(t, shares(green, 30, 7, f.TargetGroups[1]))
	f.must(t, newApp(t, "v1", nil).in(1, g))
}

func splitWakes(t *testing.T, f *Fixture) {
	changes := f.Router.Changes()
	if changes == nil {
		t.Log("this driver is polled")
		return
	}
	for generation, percent := range []int{0, 50, 100} {
		s := shares(green, percent, int64(generation), f.TargetGroups[0])
		if err := f.splitter().Split(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		for { // by wake-ups alone
			await(t, "a wake-up", changes)
			if traffic.SplitSettled(s, f.seeSplit(t, s.TargetGroups...)) {
				break
			}
		}
	}
}

func splitExact(t *testing.T, f *Fixture) {
	g := f.TargetGroups[0]
	_, next := f.pair(t, g)
	for generation, percent := range []int{0, 10, 33, 50, 100, 99, 1} {
		f.mustSplit(t, shares(green, percent, int64(generation)+2, g))
		hits := f.askFor(t, g, 250, next)
		for i := range hits[100:] {
			if n := count(hits[i : i+100]); n < percent-1 || n > percent+1 || (percent == 0 || percent == 100) && n != percent {
				t.Fatalf("with %d %% the replacement got %d of 100 requests", percent, n)
			}
		}
	}
	f.mustSplit(t, shares("", 0, 20, g))
	if n := count(f.askFor(t, g, 100, next)); n < 49 || n > 51 {
		t.Errorf("after the end one of two got %d of 100 requests", n)
	}
}

func splitZero(t *testing.T, f *Fixture) {
	g := f.TargetGroups[0]
	old, next := f.pair(t, g) // settles
	if n := count(f.askFor(t, g, 50, old)); n != 50 || next.handled.Load() != 0 {
		t.Errorf("the original got %d of 50 requests", n)
	}
	o := f.see(t, next.in(1, g))[0]
	if o.State != traffic.StateHealthy || o.Environment != green {
		t.Errorf("got %+v", o)
	}
	f.mustSplit(t, shares(green, 100, 2, g))
	late := newApp(t, "v3", nil)
	f.must(t, late.in(1, g))
	if n := count(f.askFor(t, g, 50, next)); n != 50 || late.handled.Load() != 0 {
		t.Errorf("the replacement got %d of 50 requests", n)
	}
}

func splitOtherEnvironment(t *testing.T, f *Fixture) {
	g := f.TargetGroups[0]
	old, next := f.pair(t, g)
	f.mustSplit(t, shares(green, 100, 2, g))
	f.must(t, next.serving("d-LATER", 2, g))
	f.must(t, old.serving(green, 2, g))
	eventually(t, "the environments are observed", func() bool {
		return f.see(t, old.in(2, g))[0].Environment == green && f.see(t, next.in(2, g))[0].Environment == "d-LATER"
	})
	if n := count(f.askFor(t, g, 30, old)); n != 30 {
		t.Errorf("it got %d of 30 requests", n)
	}
}

func splitRestart(t *testing.T, f *Fixture) {
	g, h := f.TargetGroups[0], f.TargetGroups[1]
	old, next := f.pair(t, g)
	f.mustSplit(t, shares(green, 20, 5, g))
	f.must(t, old.in(1, h))
	f.must(t, next.serving(green, 1, h))
	f.mustSplit(t, shares(green, 100, 2, h))
	f.Restart(f)
	// At once, before anything is settled: no request is refused, and none goes where it should not.
	if n := count(f.askFor(t, h, 20, next)); n != 20 {
		t.Errorf("after the restart the replacement got %d of 20 requests instead of all", n)
	}
	if n := count(f.askFor(t, g, 100, next)); n < 19 || n > 21 {
		t.Errorf("after the restart the replacement got %d of 100 requests instead of 20", n)
	}
	if o := f.seeSplit(t, g)[0]; o.Environment != green || o.Percent != 20 || o.Generation != 5 {
		t.Errorf("after the restart: %+v", o)
	}
	f.settle(t, next.serving(green, 1, g, h))
	if o := f.see(t, next.in(1, g))[0]; o.Environment != green {
		t.Errorf("after the restart: %+v", o)
	}
	if err := f.splitter().Split(t.Context(), shares("", 0, 4, g)); err != nil {
		t.Fatal(err)
	}
	if o := f.seeSplit(t, g)[0]; o.Environment != green {
		t.Errorf("a stale split was carried out after the restart: %+v", o)
	}
	f.mustSplit(t, shares("", 0, 6, g))
	f.Restart(f)
	if o := f.seeSplit(t, g)[0]; o.Environment != "" || o.Generation != 6 {
		t.Errorf("an ended split came back with the restart: %+v", o)
	}
}

func splitUnderWay(t *testing.T, f *Fixture) {
	g := f.TargetGroups[0]
	entered, leave := make(chan struct{}, 1), make(chan struct{})
	old := newApp(t, "v1", first(entered, leave))
	next := newApp(t, "v2", nil)
	f.must(t, old.in(1, g))
	f.mustSplit(t, shares(green, 0, 1, g))
	f.must(t, next.serving(green, 1, g))
	answer := make(chan string, 1)
	go func() { answer <- f.ask(t, g) }()
	await(t, "a request is under way", entered)
	f.mustSplit(t, shares(green, 100, 2, g))
	if n := count(f.askFor(t, g, 20, next)); n != 20 {
		t.Errorf("the replacement got %d of 20 requests", n)
	}
	f.wish(t, old.out(2, g))
	if s := f.state(t, old, g); s != traffic.StateDraining {
		t.Errorf("with a request under way the original is %s", s)
	}
	f.mustSplit(t, shares("", 0, 3, g))
	close(leave)
	if got := await(t, "the request under way ends", answer); got != "v1" {
		t.Errorf("the request under way was answered by %q", got)
	}
	f.settle(t, old.out(2, g))
}

func splitOneGroup(t *testing.T, f *Fixture) {
	g, h := f.TargetGroups[0], f.TargetGroups[1]
	old, next := f.pair(t, g)
	f.must(t, old.in(1, h))
	f.must(t, next.serving(green, 1, h))
	if n := count(f.askFor(t, h, 50, next)); n < 24 || n > 26 {
		t.Errorf("in the other target group the replacement got %d of 50 requests, want half", n)
	}
	f.mustSplit(t, shares("d-OTHER", 100, 1, h)) // an environment without instances: all others serve
	if n := count(f.askFor(t, h, 50, next)); n < 24 || n > 26 {
		t.Errorf("with a share for nobody the replacement got %d of 50 requests, want half", n)
	}
	if o := f.seeSplit(t, g, h); o[0].Environment != green || o[1].Environment != "d-OTHER" {
		t.Errorf("got %+v", o)
	}
}
