package lb

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const green = "d-1" // the environment of the tests

// serveIn registers applications for an environment and waits until they are healthy.
func (b *bench) serveIn(environment string, apps ...*app) {
	b.t.Helper()
	for _, a := range apps {
		if err := b.Register(web, Target{ID: a.name, Address: a.address(), Environment: environment}); err != nil {
			b.t.Fatal(err)
		}
	}
	for _, a := range apps {
		b.await(a.name, StateHealthy)
	}
}

func (b *bench) split(percent int) {
	b.t.Helper()
	if err := b.Split(web, Split{Environment: green, Percent: percent}); err != nil {
		b.t.Fatal(err)
	}
}

// share sends requests and returns how many of them the applications got.
func (b *bench) share(requests int, apps ...*app) int64 {
	b.t.Helper()
	before := int64(0)
	for _, a := range apps {
		before -= a.handled.Load()
	}
	for range requests {
		if status, body := b.get("/"); status != http.StatusOK {
			b.t.Fatalf("got %d %s", status, body)
		}
	}
	for _, a := range apps {
		before += a.handled.Load()
	}
	return before
}

func TestSplitGivesTheEnvironmentItsShare(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	v1, v2, v3 := newApp(t, "v1", nil), newApp(t, "v2", nil), newApp(t, "v3", nil)
	b.serve(v1)
	b.split(0)
	b.serveIn(green, v2, v3)
	for _, percent := range []int{0, 10, 50, 100, 0} {
		b.split(percent)
		if got := b.share(100, v2, v3); got != int64(percent) {
			t.Errorf("%d %%: the environment got %d of 100 requests", percent, got)
		}
		if s, err := b.SplitOf(web); err != nil || s != (Split{Environment: green, Percent: percent}) {
			t.Errorf("got %+v %v", s, err)
		}
	}
	if v2.handled.Load() != v3.handled.Load() {
		t.Errorf("within the environment: %d and %d", v2.handled.Load(), v3.handled.Load())
	}
	if m := b.Metrics().Splits[0]; m.TargetGroup != web || m.Environment != green || m.ToEnvironment != 160 || m.ToRest != 340 || m.Diverted != 0 {
		t.Errorf("got %+v", m)
	}
	if err := b.Split(web, Split{Percent: 70}); err != nil {
		t.Fatal(err)
	}
	if got := b.share(99, v1); got != 33 {
		t.Errorf("without a split one of three targets got %d of 99 requests", got)
	}
	if m := b.Metrics().Splits[0]; m.Split != (Split{}) || m.ToEnvironment != 160 || m.ToRest != 340 {
		t.Errorf("after its end: %+v", m)
	}
}

func TestWeightsCountWithinASide(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	v1, v2, v3 := newApp(t, "v1", nil), newApp(t, "v2", nil), newApp(t, "v3", nil)
	b.serve(v1)
	b.serveIn(green, v2, v3)
	if err := b.Register(web, Target{ID: "v3", Address: v3.address(), Environment: green, Weight: 4}); err != nil {
		t.Fatal(err)
	}
	b.split(50)
	b.share(100)
	if v1.handled.Load() != 50 || v2.handled.Load() != 10 || v3.handled.Load() != 40 {
		t.Errorf("got %d, %d and %d", v1.handled.Load(), v2.handled.Load(), v3.handled.Load())
	}
}

func TestATargetChangesSidesWithItsEnvironment(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	v1, v2 := newApp(t, "v1", nil), newApp(t, "v2", nil)
	b.serve(v1, v2)
	b.split(100)
	b.serveIn(green, v2) // the same registration otherwise: it stays healthy
	if got := b.share(20, v2); got != 20 {
		t.Errorf("got %d", got)
	}
	if s, err := b.Status(web, "v2"); err != nil || s.Environment != green {
		t.Errorf("got %+v %v", s, err)
	}
	b.serveIn("d-2", v2)
	if got := b.share(20, v2); got != 10 {
		t.Errorf("another environment is a part of the rest, got %d", got)
	}
}

func TestTheOtherSideServesWhenOneHasNoHealthyTarget(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	v1, v2 := newApp(t, "v1", nil), newApp(t, "v2", nil)
	b.serve(v1)
	b.serveIn(green, v2)
	b.split(20)
	v2.sick.Store(true)
	b.await("v2", StateUnhealthy)
	if got := b.share(100, v2); got != 0 {
		t.Errorf("an unhealthy environment got %d requests", got)
	}
	if m := b.Metrics().Splits[0]; m.Diverted != 20 || m.ToEnvironment != 0 || m.ToRest != 100 {
		t.Errorf("got %+v", m)
	}
	v2.sick.Store(false)
	b.await("v2", StateHealthy)
	if got := b.share(10, v2); got != 2 {
		t.Errorf("what was diverted must not be made up for: got %d of 10 requests", got)
	}
	b.split(0)
	v1.sick.Store(true)
	b.await("v1", StateUnhealthy)
	if got := b.share(10, v2); got != 10 {
		t.Errorf("with the rest unhealthy the environment got %d of 10 requests", got)
	}
	// With nothing healthy, what was healthy once serves, on the side that was drawn.
	v2.sick.Store(true)
	b.await("v2", StateUnhealthy)
	if got := b.share(10, v1); got != 10 {
		t.Errorf("the rest got %d", got)
	}
	b.split(100)
	if got := b.share(10, v2); got != 10 {
		t.Errorf("the environment got %d", got)
	}
	if err := b.Deregister(web, "v2"); err != nil {
		t.Fatal(err)
	}
	if got := b.share(10, v1); got != 10 {
		t.Errorf("the rest got %d", got)
	}
}

func TestFurtherTriesStayOnTheirSideAndTakeNothingFromShares(t *testing.T) {
	t.Parallel()
	c := webConfig()
	c.TargetGroups[0].HealthCheck.Interval = time.Minute // nobody but the failing requests notices
	b := start(t, c)
	v1, v2, v3 := newApp(t, "v1", nil), newApp(t, "v2", nil), newApp(t, "v3", nil)
	b.serve(v1)
	b.serveIn(green, v2, v3)
	b.split(50)
	v2.Close()
	if got := b.share(100, v3); got != 50 {
		t.Errorf("the environment's other target got %d of 100 requests", got)
	}
	if m := b.Metrics(); m.Listeners[0].Retried == 0 || m.Splits[0].Diverted != 0 {
		t.Errorf("got %+v", m)
	}
	v3.Close()
	if got := b.share(100, v1); got != 100 {
		t.Errorf("the rest got %d of 100 requests", got)
	}
	if b.Metrics().Splits[0].Diverted < 50 {
		t.Errorf("got %+v", b.Metrics().Splits)
	}
}

// restarted is a balancer that starts with what was registered before: v1 for the rest, v2 for the environment, which is sick.
func restarted(t *testing.T, percent int, wait time.Duration) (b *bench, v1, v2 *app) {
	t.Helper()
	c := webConfig()
	c.Limits.FirstVerdictWait = wait
	c.TargetGroups[0].HealthCheck.Interval = time.Minute // so that the sick one gets no verdict in the test's time
	lb, err := New(c, quietLog())
	if err != nil {
		t.Fatal(err)
	}
	b = &bench{Balancer: lb, t: t}
	b.split(percent)
	v1, v2 = newApp(t, "v1", nil), newApp(t, "v2", nil)
	v2.sick.Store(true)
	for _, x := range []Target{{ID: "v1", Address: v1.address()}, {ID: "v2", Address: v2.address(), Environment: green}} {
		if err := b.Register(web, x); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	b.url = "http://" + b.ListenerAddress(edge)
	b.await("v1", StateHealthy)
	return b, v1, v2
}

func TestARequestWaitsForTheFirstVerdictOnItsSide(t *testing.T) {
	t.Parallel()
	for name, release := range map[string]func(b *bench, v2 *app){
		"healthy":      func(_ *bench, v2 *app) { v2.sick.Store(false) },
		"split moves":  func(b *bench, _ *app) { b.split(0) },
		"split ends":   func(b *bench, _ *app) { b.fail(b.Split(web, Split{})) },
		"deregistered": func(b *bench, _ *app) { b.fail(b.Deregister(web, "v2")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, v1, v2 := restarted(t, 100, patience)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					if status, body := b.get("/"); status != http.StatusOK {
						t.Errorf("got %d %s", status, body)
					}
				})
			}
			eventually(t, "requests arrived", func() bool { return b.Metrics().Listeners[0].Requests == 4 })
			if v1.handled.Load() != 0 {
				t.Error("the rest got a request of the environment")
			}
			release(b, v2)
			wg.Wait()
			want := v1
			if name == "healthy" {
				want = v2
			}
			if got := want.handled.Load(); got != 4 {
				t.Errorf("%s got %d of 4 requests", want.name, got)
			}
		})
	}
}

func (b *bench) fail(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Error(err)
	}
}

func TestWaitingForTheFirstVerdictEnds(t *testing.T) {
	t.Parallel()
	b, v1, _ := restarted(t, 100, 10*time.Millisecond)
	if got := b.share(4, v1); got != 4 {
		t.Errorf("the rest got %d of 4 requests", got)
	}
	if m := b.Metrics().Splits[0]; m.Diverted != 4 {
		t.Errorf("got %+v", m)
	}
}

func TestARequestThatNeedsNotWaitDoesNot(t *testing.T) {
	t.Parallel()
	b, v1, v2 := restarted(t, 10, time.Hour)
	if got := b.share(4, v1); got != 4 {
		t.Errorf("the rest got %d of the first 4 requests", got)
	}
	fifth := make(chan string, 1)
	go func() {
		_, body := b.get("/")
		fifth <- body
	}()
	eventually(t, "the fifth waits", func() bool {
		g := b.groups[web]
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.changed != nil
	})
	if got := b.share(9, v1); got != 9 {
		t.Errorf("the rest got %d of the next 9 requests", got)
	}
	v2.sick.Store(false)
	if got := await(t, "the fifth is answered", fifth); got != "v2" {
		t.Errorf("the fifth was answered with %q", got)
	}
}

func TestDrainingWithASplit(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	entered, leave := make(chan struct{}, 8), make(chan struct{})
	v1 := newApp(t, "v1", func(w http.ResponseWriter, _ *http.Request) {
		entered <- struct{}{}
		<-leave
		b.fail(second(io.WriteString(w, "v1")))
	})
	v2 := newApp(t, "v2", nil)
	b.serve(v1)
	b.split(0)
	b.serveIn(green, v2)
	answer := make(chan string, 1)
	go func() {
		_, body := b.get("/")
		answer <- body
	}()
	await(t, "a request is under way", entered)
	b.split(100)
	if got := b.share(10, v2); got != 10 {
		t.Errorf("the environment got %d of 10 requests", got)
	}
	if err := b.Deregister(web, "v1"); err != nil {
		t.Fatal(err)
	}
	if s := b.state("v1"); s != StateDraining {
		t.Errorf("with a request under way it is %s", s)
	}
	b.fail(b.Split(web, Split{}))
	if got := b.share(10, v2); got != 10 {
		t.Errorf("after the end of the split it got %d of 10 requests", got)
	}
	close(leave)
	if got := await(t, "the request under way ends", answer); got != "v1" {
		t.Errorf("the request under way was answered with %q", got)
	}
	b.await("v1", StateAbsent)
}

func second[T any](_ T, err error) error { return err }

func TestSplitErrors(t *testing.T) {
	t.Parallel()
	b, err := New(webConfig(), quietLog())
	if err != nil {
		t.Fatal(err)
	}
	for _, percent := range []int{-1, 101} {
		err := b.Split(web, Split{Environment: green, Percent: percent})
		if err == nil || !strings.Contains(err.Error(), "is not between 0 and 100") {
			t.Errorf("got %v", err)
		}
	}
	_, err = b.SplitOf("nope")
	for _, err := range []error{err, b.Split("nope", Split{})} {
		if err == nil || !strings.Contains(err.Error(), `unknown target group "nope"`) {
			t.Errorf("got %v", err)
		}
	}
}

// TestAnyHistoryOfASplit draws histories of registrations, health, splits and requests, and holds the choice to its promises.
func TestAnyHistoryOfASplit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g, err := newGroup(webConfig().TargetGroups[0], Limits{}.withDefaults(), quietLog(), func() {})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Unix(1, 0)
		environments := []string{"", green, "d-2"}
		var drawn, toEnvironment int // since health or split changed last
		calm := func() { drawn, toEnvironment = 0, 0 }
		serving := func(s side, avoid []*target) bool {
			return slices.ContainsFunc(g.teams[s].serving, func(t *target) bool { return !slices.Contains(avoid, t) })
		}
		t.Repeat(map[string]func(*rapid.T){
			"register": func(t *rapid.T) {
				n := rapid.IntRange(1, 5).Draw(t, "id")
				target := Target{
					ID: fmt.Sprint(n), Address: fmt.Sprintf("127.0.0.1:%d", n), Environment: rapid.SampledFrom(environments).Draw(t, "environment"),
					Weight: rapid.IntRange(0, 3).Draw(t, "weight"),
				}
				if err := g.register(target, now.Add(-time.Hour)); err != nil {
					t.Fatal(err)
				}
				calm()
			},
			"deregister": func(t *rapid.T) {
				g.deregister(fmt.Sprint(rapid.IntRange(1, 5).Draw(t, "id")))
				calm()
			},
			"judge": func(t *rapid.T) {
				if target := g.targets[fmt.Sprint(rapid.IntRange(1, 5).Draw(t, "id"))]; target != nil {
					state := rapid.SampledFrom([]State{StateInitial, StateHealthy, StateUnhealthy}).Draw(t, "state")
					target.health = health{state: state, proven: state != StateInitial}
					g.arrange()
					calm()
				}
			},
			"split": func(t *rapid.T) {
				s := Split{rapid.SampledFrom(environments).Draw(t, "environment"), rapid.SampledFrom([]int{0, 1, 10, 33, 50, 99, 100}).Draw(t, "percent")}
				if s != g.split.Split {
					calm()
				}
				if err := g.share(s); err != nil {
					t.Fatal(err)
				}
			},
			"requests": func(t *rapid.T) {
				for range rapid.IntRange(1, 150).Draw(t, "requests") {
					var avoid []*target
					var d draw
					var first side
					for try := range rapid.IntRange(1, 3).Draw(t, "tries") {
						got, _, m := g.claim(avoid, true, &d, now)
						split := g.split.Environment != ""
						if try == 0 && split && got != nil {
							drawn, first = drawn+1, d.side
							if d.side == environmentSide {
								toEnvironment++
							}
						}
						if got == nil {
							if serving(restSide, avoid) || serving(environmentSide, avoid) || m.text == "" {
								t.Fatalf("no target though one serves: %s", m.text)
							}
							break
						}
						at := g.split.sideOf(got)
						switch {
						case got.draining || g.targets[got.id] != got || slices.Contains(avoid, got):
							t.Fatalf("chose %s, which is not to be had", got.id)
						case !got.health.serves() && (serving(restSide, avoid) || serving(environmentSide, avoid)):
							t.Fatalf("chose %s, which does not serve", got.id)
						case split && serving(first, avoid) && at != first:
							t.Fatalf("left side %d, which serves", first)
						case g.split.Percent == 100 && split && serving(environmentSide, avoid) && at == restSide:
							t.Fatal("100 % and a request for the rest")
						case g.split.Percent == 0 && serving(restSide, avoid) && at == environmentSide:
							t.Fatal("0 % and a request for the environment")
						}
						g.release(got, nil, now)
						avoid = append(avoid, got)
					}
				}
				if share := drawn * g.split.Percent; 100*toEnvironment < share-100 || 100*toEnvironment > share+100 {
					t.Fatalf("%d of %d requests with %d %%", toEnvironment, drawn, g.split.Percent)
				}
			},
		})
	})
}

// TestAnyWindowOfASplit holds each share over all windows of 100 requests, and the exactness of the start.
func TestAnyWindowOfASplit(t *testing.T) {
	t.Parallel()
	for percent := range 101 {
		s := sharing{Split: Split{Environment: green, Percent: percent}, owed: evenStart}
		var to [1000]int // of the requests so far, those to the environment
		for i := 1; i < len(to); i++ {
			to[i] = to[i-1] + int(s.draw(nil, &draw{turn: 1}))
			if off := 100*to[i] - i*percent; off < -50 || off > 50 {
				t.Fatalf("%d %%: %d of the first %d", percent, to[i], i)
			}
			if i >= 100 && to[i]-to[i-100] != percent {
				t.Fatalf("%d %%: %d of 100", percent, to[i]-to[i-100])
			}
		}
	}
}

// BenchmarkClaim is the part of a request that is under the group's lock.
func BenchmarkClaim(b *testing.B) {
	for name, s := range map[string]Split{"no-split": {}, "split-10": {green, 10}} {
		b.Run(name, func(b *testing.B) {
			g, err := newGroup(webConfig().TargetGroups[0], Limits{}.withDefaults(), quietLog(), func() {})
			if err != nil {
				b.Fatal(err)
			}
			now := time.Unix(1, 0)
			for i := range 4 {
				target := Target{ID: fmt.Sprint(i), Address: fmt.Sprintf("127.0.0.1:%d", i+1), Environment: []string{"", green}[i/2]}
				if err := g.register(target, now); err != nil {
					b.Fatal(err)
				}
				g.order[i].health.state = StateHealthy
			}
			if err := g.share(Split{green, 1}); err != nil {
				b.Fatal(err)
			}
			if err := g.share(s); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			var x exchange
			for b.Loop() {
				x.drawn = draw{}
				t, _, _ := g.claim(nil, true, &x.drawn, now)
				g.release(t, nil, now)
			}
		})
	}
}
