package traffictest

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/traffic"
)

// rush sends requests at the same time and waits for all answers; it returns how many of them the applications got.
func (f *Fixture) rush(t testing.TB, group string, requests int, apps ...*app) (got int64) {
	t.Helper()
	for _, a := range apps {
		got -= a.handled.Load()
	}
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(requests))
	for range 20 {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: patience}
			defer client.CloseIdleConnections()
			for left.Add(-1) >= 0 {
				if err := send(client, http.MethodPost, f.URL(group)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, a := range apps {
		got += a.handled.Load()
	}
	return got
}

func splitExactUnderLoad(t *testing.T, f *Fixture) {
	g := f.TargetGroups[0]
	_, next := f.pair(t, g)
	second, third := newApp(t, "v2b", nil), newApp(t, "v1b", nil)
	f.must(t, second.serving(green, 1, g))
	f.must(t, third.serving("d-EARLIER", 1, g))
	for generation, percent := range []int{0, 10, 50, 85, 100} {
		f.mustSplit(t, shares(green, percent, int64(generation)+2, g))
		if n := f.rush(t, g, 600, next, second); n < int64(6*percent)-1 || n > int64(6*percent)+1 {
			t.Errorf("with %d %% the replacements got %d of 600 requests", percent, n)
		}
	}
}

// lost ends the pressure and fails the test when a request was lost.
func lost(t *testing.T, l *load) {
	t.Helper()
	total, failures := l.stop()
	t.Logf("%d requests, %d lost", total, len(failures))
	if len(failures) > 0 {
		t.Errorf("%d of %d requests were lost, the first: %s", len(failures), total, failures[0])
	}
}

// quiet waits until requests under way from before have ended, and then holds that the application gets none while the busy one gets 100.
func (l *load) quiet(t *testing.T, a, busy *app) {
	t.Helper()
	l.pass(t)
	before, busyBefore := a.handled.Load(), busy.handled.Load()
	eventually(t, "requests arrive at "+busy.name, func() bool { return busy.handled.Load() > busyBefore+100 })
	if n := a.handled.Load() - before; n != 0 {
		t.Errorf("%s got %d requests though its share is 0", a.name, n)
	}
}

// shiftUnderLoad shifts from an original to a replacement in steps, and stops the original in the moment in which it is out; then on to the next.
func shiftUnderLoad(t *testing.T, f *Fixture, method string) {
	g := f.TargetGroups[0]
	handle := echo(t, 0)
	if method == http.MethodPost {
		handle = echo(t, 30*time.Millisecond)
	}
	old := newApp(t, "v0", handle)
	f.must(t, old.in(1, g))
	requests := pressure(t, func() string { return f.URL(g) }, method, 1000)
	generation := int64(0)
	split := func(environment string, percent int) {
		generation++
		f.mustSplit(t, shares(environment, percent, generation, g))
	}
	for i := range 3 {
		environment := fmt.Sprintf("d-%d", i)
		next := newApp(t, fmt.Sprintf("v%d", i+1), handle)
		split(environment, 0)
		f.must(t, next.serving(environment, 1, g))
		if n := next.handled.Load(); n != 0 {
			t.Errorf("with 0 %% %s got %d requests", next.name, n)
		}
		split(environment, 10)
		eventually(t, "requests arrive at the replacement", func() bool { return next.handled.Load() > 20 })
		split(environment, 50)
		eventually(t, "requests arrive at the replacement", func() bool { return next.handled.Load() > 100 })
		split(environment, 100)
		requests.quiet(t, old, next)
		split(environment, 0) // and back, as a rollback does
		requests.quiet(t, next, old)
		split(environment, 100)
		f.must(t, old.out(2, g))
		if err := old.Listener.Close(); err != nil {
			t.Error(err)
		}
		old.CloseClientConnections()
		split("", 0)
		old = next
	}
	lost(t, requests)
}

func splitDying(t *testing.T, f *Fixture) {
	g := f.TargetGroups[0]
	old, next := f.pair(t, g)
	second := newApp(t, "v2b", nil)
	f.must(t, second.serving(green, 1, g))
	f.mustSplit(t, shares(green, 50, 2, g))
	requests := pressure(t, func() string { return f.URL(g) }, http.MethodGet, 800)
	die := func(a *app) {
		t.Helper()
		if err := a.Listener.Close(); err != nil {
			t.Error(err)
		}
		a.CloseClientConnections()
		eventually(t, a.name+" is unhealthy", func() bool { return f.state(t, a, g) == traffic.StateUnhealthy })
	}
	die(next)
	before, beforeOld := second.handled.Load(), old.handled.Load()
	eventually(t, "the other of its side serves", func() bool { return second.handled.Load() > before+200 })
	if ratio := float64(old.handled.Load()-beforeOld) / float64(second.handled.Load()-before); ratio < 0.7 || ratio > 1.4 {
		t.Errorf("with 50 %% the original got %.2f requests for each of the replacement's", ratio)
	}
	die(second)
	beforeOld = old.handled.Load()
	eventually(t, "the other side serves", func() bool { return old.handled.Load() > beforeOld+200 })
	f.mustSplit(t, shares(green, 100, 3, g))
	beforeOld = old.handled.Load()
	eventually(t, "the other side serves", func() bool { return old.handled.Load() > beforeOld+200 })
	third := newApp(t, "v3", nil)
	f.must(t, third.serving(green, 1, g))
	requests.quiet(t, old, third)
	lost(t, requests)
}

func splitSickSide(t *testing.T, f *Fixture) {
	g := f.TargetGroups[0]
	old, next := f.pair(t, g)
	f.mustSplit(t, shares(green, 50, 2, g))
	requests := pressure(t, func() string { return f.URL(g) }, http.MethodPost, 800)
	sicken := func(a, other *app) {
		t.Helper()
		a.sick.Store(true)
		eventually(t, a.name+" is unhealthy", func() bool { return f.state(t, a, g) == traffic.StateUnhealthy })
		requests.quiet(t, a, other)
	}
	sicken(next, old)
	next.sick.Store(false)
	f.settle(t, next.serving(green, 1, g))
	before := next.handled.Load()
	eventually(t, "it serves again", func() bool { return next.handled.Load() > before+50 })
	f.mustSplit(t, shares(green, 0, 3, g))
	sicken(old, next)
	next.sick.Store(true) // nothing is healthy: what was healthy once serves
	eventually(t, "both are unhealthy", func() bool { return f.state(t, next, g) == traffic.StateUnhealthy })
	before = old.handled.Load()
	eventually(t, "the original serves, sick as it is", func() bool { return old.handled.Load() > before+50 })
	old.sick.Store(false)
	f.settle(t, old.in(1, g))
	requests.quiet(t, next, old)
	lost(t, requests)
}
