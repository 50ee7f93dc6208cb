package follow_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crossfade/internal/clocktest"
	"crossfade/internal/traffic"
	"crossfade/internal/traffic/builtin"
	"crossfade/internal/traffic/feed"
)

func newClock() *clocktest.Clock { return clocktest.At(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)) }

// speaker is a proxy that says what the test has it say.
type speaker struct {
	t        *testing.T
	router   *builtin.Proxies
	id       feed.Identity
	sequence int64
	epoch    string
	digest   string
	last     int64
}

func newSpeaker(t *testing.T, r *builtin.Proxies, name string) *speaker {
	t.Helper()
	s := &speaker{t: t, router: r, id: feed.Identity{Name: name, ID: "dir-" + name, Session: "s-" + name}}
	s.follow()
	return s
}

func (s *speaker) follow() feed.Answer {
	s.t.Helper()
	a, err := s.router.Follow(s.t.Context(), testPrincipal, feed.Question{Identity: s.id, Epoch: s.epoch, After: s.last, Digest: s.digest}, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	s.epoch, s.digest, s.last = a.Epoch, a.Digest, a.Last
	return a
}

// has reports what it has of the target group blue, as of the newest wishes.
func (s *speaker) has(states map[string]traffic.State) {
	s.t.Helper()
	s.follow()
	s.sequence++
	r := feed.Report{Identity: s.id, Sequence: s.sequence, Full: true, Epoch: s.epoch, Applied: s.last, Digest: s.digest}
	for instance, state := range states {
		r.Targets = append(r.Targets, feed.Target{TargetGroup: "blue", Instance: instance, State: string(state), Reason: "so it is"})
	}
	if err := s.router.Report(s.t.Context(), testPrincipal, r); err != nil {
		s.t.Fatal(err)
	}
}

func wish(t *testing.T, r *builtin.Proxies, instance string, in bool, generation int64) traffic.Want {
	t.Helper()
	w := traffic.Want{TargetGroups: []string{"blue"}, Instance: instance, Address: "127.0.0.1:9", In: in, Generation: generation}
	if err := r.MakeSo(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	return w
}

// settled looks whether a wish is fulfilled, and why not.
func settled(t *testing.T, r *builtin.Proxies, w traffic.Want) (bool, string) {
	t.Helper()
	observed, err := r.WhatIsSo(t.Context(), w.TargetGroups, w.Instance)
	if err != nil {
		t.Fatal(err)
	}
	return traffic.Settled(w, observed)
}

func expect(t *testing.T, r *builtin.Proxies, w traffic.Want, done bool, why string) {
	t.Helper()
	is, reason := settled(t, r, w)
	if is != done || !strings.Contains(reason, why) {
		t.Fatalf("settled is %t, %q; want %t, %q", is, reason, done, why)
	}
}

// TestInNeedsEveryLiveProxy holds when an instance counts as in traffic.
func TestInNeedsEveryLiveProxy(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newPlane(t, builtin.Rules{Now: c.Now}).router()
	w := wish(t, r, "i-1", true, 1)
	expect(t, r, w, false, "no proxy is live")
	one := newSpeaker(t, r, "edge-1")
	expect(t, r, w, false, "edge-1 has not reported yet")
	one.has(map[string]traffic.State{"i-1": traffic.StateHealthy})
	expect(t, r, w, true, "")
	two := newSpeaker(t, r, "edge-2")
	two.has(nil)
	expect(t, r, w, false, "edge-2 does not have it")
	two.has(map[string]traffic.State{"i-1": traffic.StateUnhealthy})
	expect(t, r, w, false, "at proxy edge-2: so it is")

	// A silent one sends no requests to what it does not know, and that loses none.
	c.Pass(builtin.DefaultLease - time.Second)
	one.has(map[string]traffic.State{"i-1": traffic.StateHealthy})
	c.Pass(time.Second)
	expect(t, r, w, true, "")
	c.Pass(builtin.DefaultLease)
	expect(t, r, w, false, "no proxy is live")
}

// TestOutNeedsEveryKnownProxy holds when an instance counts as out of traffic: what is done to it then must not meet a request.
func TestOutNeedsEveryKnownProxy(t *testing.T) {
	t.Parallel()
	c := newClock()
	p := newPlane(t, builtin.Rules{Now: c.Now})
	r := p.router()
	one, two := newSpeaker(t, r, "edge-1"), newSpeaker(t, r, "edge-2")
	healthy := map[string]traffic.State{"i-1": traffic.StateHealthy}
	wish(t, r, "i-1", true, 1)
	one.has(healthy)
	two.has(healthy)
	w := wish(t, r, "i-1", false, 2)
	expect(t, r, w, false, "edge-1 has not taken it over yet")
	one.has(nil)
	expect(t, r, w, false, "edge-2 has not taken it over yet")
	two.has(map[string]traffic.State{"i-1": traffic.StateDraining})
	expect(t, r, w, false, "at proxy edge-2: so it is")

	silent := func(d time.Duration) {
		t.Helper()
		for d > 0 {
			c.Pass(min(d, 5*time.Second))
			d -= 5 * time.Second
			one.has(nil)
		}
	}
	silent(builtin.DefaultLease)
	expect(t, r, w, false, "proxy edge-2 has been silent since 2026-03-04T05:06:07Z")
	expect(t, r, w, false, "crossfade proxy remove edge-2")
	// A server that starts has not heard what was said while there was none, so it waits from then on.
	p.end()
	c.Pass(2 * builtin.DefaultForget)
	p.begin()
	r = p.router()
	one.router, two.router = r, r
	one.has(nil)
	expect(t, r, w, false, "proxy edge-2 has been silent since 2026-03-04T05:06:07Z")
	c.Pass(builtin.DefaultForget)
	one.has(nil)
	expect(t, r, w, true, "")
	known, err := r.List(t.Context())
	if err != nil || len(known) != 2 || known[0].Standing != feed.Live || known[1].Standing != feed.Forgotten {
		t.Errorf("known are %+v %v", known, err)
	}

	// It comes back, and counts again.
	two.follow()
	expect(t, r, w, false, "at proxy edge-2: so it is")
	if err := r.Leave(t.Context(), testPrincipal, two.id); err != nil {
		t.Fatal(err)
	}
	expect(t, r, w, true, "")
	if err := r.Remove(t.Context(), "edge-2"); !errors.Is(err, feed.ErrUnknownProxy) {
		t.Errorf("remove what has left: %v", err)
	}
}

// TestSilentProxyThatKnowsTheWishIsNotWaitedFor holds that only a proxy that may still send requests is.
func TestSilentProxyThatKnowsTheWishIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newPlane(t, builtin.Rules{Now: c.Now}).router()
	one := newSpeaker(t, r, "edge-1")
	w := wish(t, r, "i-1", false, 1)
	one.has(nil)
	c.Pass(builtin.DefaultLease)
	expect(t, r, w, true, "")
	next := wish(t, r, "i-2", false, 1)
	expect(t, r, next, false, "silent")
}

// TestSplitNeedsEveryLiveProxy holds when requests count as shared out.
func TestSplitNeedsEveryLiveProxy(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newPlane(t, builtin.Rules{Now: c.Now}).router()
	one, two := newSpeaker(t, r, "edge-1"), newSpeaker(t, r, "edge-2")
	look := func(w traffic.Split, want bool) {
		t.Helper()
		observed, err := r.SplitOf(t.Context(), w.TargetGroups)
		if err != nil || traffic.SplitSettled(w, observed) != want {
			t.Fatalf("observed %+v %v; want settled: %t", observed, err, want)
		}
	}
	split := func(environment string, percent int, generation int64) traffic.Split {
		t.Helper()
		w := traffic.Split{TargetGroups: []string{"blue"}, Environment: environment, Percent: percent, Generation: generation}
		if err := r.Split(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		return w
	}
	w := split("d-1", 10, 1)
	look(w, false)
	one.has(nil)
	look(w, false)
	two.has(nil)
	look(w, true)
	end := split("", 0, 2)
	look(end, false)
	one.has(nil)
	two.has(nil)
	look(end, true)
	// The same wish under a later generation is in force already.
	look(split("", 0, 3), true)
	c.Pass(builtin.DefaultLease)
	look(split("", 0, 4), true)
	look(split("d-2", 10, 5), false)
}

// TestProxyTakesNothingFromAnotherInstallation replaces the control plane by an empty one: the targets stay.
func TestProxyTakesNothingFromAnotherInstallation(t *testing.T) {
	t.Parallel()
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(app.Close)
	p := newPlane(t, builtin.Rules{})
	dir := t.TempDir()
	f, l := p.open(t, "edge-1", dir)
	w := traffic.Want{TargetGroups: []string{"blue"}, Instance: "i-1", Address: app.Listener.Addr().String(), In: true, Generation: 1}
	if err := p.router().MakeSo(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { done, _ := settled(t, p.router(), w); return done })
	kill(t, f, l)

	other := newPlane(t, builtin.Rules{})
	f, _ = other.open(t, "edge-1", dir)
	until(t, func() bool { return strings.Contains(f.Status().Trouble, "not the one that this proxy followed") })
	if f.Ready() != nil || f.Status().Following {
		t.Errorf("status %+v", f.Status())
	}
	answers(t, "http://"+f.ListenerAddress("blue"))
}

// TestReadiness follows a proxy from an empty directory to its end.
func TestReadiness(t *testing.T) {
	t.Parallel()
	p := newPlane(t, builtin.Rules{})
	p.end()
	f, _ := p.open(t, "edge-1", t.TempDir())
	page := httptest.NewServer(f.Pages())
	t.Cleanup(page.Close)
	ready := func() (int, string) {
		t.Helper()
		w := httptest.NewRecorder()
		f.Pages().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		return w.Code, w.Body.String()
	}
	if code, said := ready(); code != http.StatusServiceUnavailable || !strings.Contains(said, "nothing to serve yet") {
		t.Errorf("without a state: %d %s", code, said)
	}
	p.begin()
	until(t, func() bool { code, said := ready(); return code == http.StatusOK && said == "ready\n" })
	p.end()
	until(t, func() bool {
		code, said := ready()
		return code == http.StatusOK && strings.Contains(said, "last state")
	})
	// While it lingers it says that it is not ready, and serves on.
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Stop(ctx, time.Hour) }()
	until(t, func() bool {
		code, said := ready()
		return code == http.StatusServiceUnavailable && strings.Contains(said, "being stopped")
	})
	if _, err := http.Get("http://" + f.ListenerAddress("blue")); err != nil {
		t.Errorf("while it lingers: %v", err)
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("it does not end")
	}
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("waited in vain")
}

func answers(t *testing.T, url string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s answers %s %v", url, res.Status, err)
	}
}

// TestReplicasOfTheControlPlane has a proxy follow one server while another one, on the same store, owns the deployment.
func TestReplicasOfTheControlPlane(t *testing.T) {
	t.Parallel()
	p := newPlane(t, builtin.Rules{Look: 10 * time.Millisecond})
	owner := p.router()
	other, err := builtin.NewProxies(t.Context(), p.c, p.store, p.rules, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Stop)
	p.proxies.Store(other) // whom proxies reach
	f, _ := p.open(t, "edge-1", t.TempDir())
	until(t, func() bool { return f.Ready() == nil })
	p.proxies.Store(owner)
	t.Cleanup(func() { p.proxies.Store(owner) })
	p.proxies.Store(other)
	w := wishAt(t, owner, "i-1", application(t), true, 1)
	until(t, func() bool {
		select {
		case <-owner.Changes():
			done, _ := settled(t, owner, w)
			return done
		default:
			return false
		}
	})
	answers(t, "http://"+f.ListenerAddress("blue"))
	out := wishAt(t, other, "i-1", "", false, 2)
	until(t, func() bool { done, _ := settled(t, owner, out); return done })
}
