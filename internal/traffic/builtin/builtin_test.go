package builtin_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/lb"
	"crossfade/internal/traffic"
	"crossfade/internal/traffic/builtin"
	"crossfade/internal/traffic/traffictest"
)

// memory is a Registry that outlives the router, as a database would.
type memory struct {
	mu     sync.Mutex
	saved  map[[2]string]builtin.Registration
	splits map[string]traffic.SplitObserved
	fail   error
	saves  int

	failSplits error // of loading
}

func (m *memory) Load(context.Context) ([]builtin.Registration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.saved)), m.fail
}

func (m *memory) Save(_ context.Context, registrations []builtin.Registration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.saves++
	for _, r := range registrations {
		m.saved[[2]string{r.TargetGroup, r.Instance}] = r
	}
	return nil
}

func (m *memory) LoadSplits(context.Context) ([]traffic.SplitObserved, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.splits)), m.failSplits
}

func (m *memory) SaveSplits(_ context.Context, splits []traffic.SplitObserved) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.saves++
	for _, s := range splits {
		m.splits[s.TargetGroup] = s
	}
	return nil
}

func newMemory() *memory {
	return &memory{saved: make(map[[2]string]builtin.Registration), splits: make(map[string]traffic.SplitObserved)}
}

// patience is long enough for whatever a slow machine only delays.
const patience = time.Minute

func config() lb.Config {
	c := lb.Config{Limits: lb.Limits{DialTimeout: patience, HeaderTimeout: patience, FirstVerdictWait: patience}}
	for _, name := range []string{"blue", "green"} {
		delay := 10 * patience
		if name == "green" {
			delay = time.Second // waited for
		}
		c.TargetGroups = append(c.TargetGroups, lb.TargetGroupConfig{
			Name: name, HealthCheck: lb.HealthCheck{Path: "/health", Interval: 100 * time.Millisecond, Timeout: patience}, DeregistrationDelay: delay,
		})
		c.Listeners = append(c.Listeners, lb.ListenerConfig{Name: name, Address: "127.0.0.1:0", Forward: []lb.Forward{{TargetGroup: name}}})
	}
	return c
}

// boot starts a balancer with its driver, as a server does.
func boot(t testing.TB, m *memory) (*lb.Balancer, *builtin.Router) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	b, err := lb.New(config(), log)
	if err != nil {
		t.Fatal(err)
	}
	r, err := builtin.New(t.Context(), b, m, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(t, b) })
	return b, r
}

// kill ends a balancer without a farewell.
func kill(t testing.TB, b *lb.Balancer) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func fixture(t testing.TB) *traffictest.Fixture {
	m := newMemory()
	b, r := boot(t, m)
	return &traffictest.Fixture{
		Router: r, TargetGroups: []string{"blue", "green"},
		URL: func(g string) string { return "http://" + b.ListenerAddress(g) },
		Restart: func(f *traffictest.Fixture) {
			kill(t, b)
			b, f.Router = boot(t, m)
		},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	traffictest.Run(t, func(t *testing.T) *traffictest.Fixture { return fixture(t) })
}

// BenchmarkReroute: go test -run - -bench Reroute -benchtime 50x ./internal/traffic/builtin
func BenchmarkReroute(b *testing.B) {
	b.Run("GET", func(b *testing.B) { traffictest.BenchmarkReroute(b, fixture(b), http.MethodGet, 0) })
	b.Run("POST-50ms", func(b *testing.B) { traffictest.BenchmarkReroute(b, fixture(b), http.MethodPost, 50*time.Millisecond) })
}

func TestNothingIsDoneThatIsNotSaved(t *testing.T) {
	t.Parallel()
	m := newMemory()
	_, r := boot(t, m)
	m.fail = errors.New("disk full")
	want := traffic.Want{TargetGroups: []string{"blue"}, Instance: "i-1", Address: "127.0.0.1:9", In: true, Generation: 1}
	if err := r.MakeSo(t.Context(), want); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("got %v", err)
	}
	observed, err := r.WhatIsSo(t.Context(), []string{"blue"}, "i-1")
	if err != nil || observed[0].State != traffic.StateAbsent || observed[0].Generation != 0 {
		t.Errorf("got %+v %v", observed, err)
	}
	split := traffic.Split{TargetGroups: []string{"blue", "green"}, Environment: "d-1", Percent: 10, Generation: 1}
	if err := r.Split(t.Context(), split); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("got %v", err)
	}
	shares, err := r.SplitOf(t.Context(), split.TargetGroups)
	if err != nil || shares[0] != (traffic.SplitObserved{TargetGroup: "blue"}) {
		t.Errorf("got %+v %v", shares, err)
	}
	m.fail = nil
	if err := errors.Join(r.MakeSo(t.Context(), want), r.Split(t.Context(), split)); err != nil {
		t.Error(err)
	}
}

func TestKnownWishIsNotSavedAgain(t *testing.T) {
	t.Parallel()
	m := newMemory()
	_, r := boot(t, m)
	want := traffic.Want{TargetGroups: []string{"blue", "green"}, Instance: "i-1", Address: "127.0.0.1:9", In: true, Generation: 1}
	for range 3 {
		if err := r.MakeSo(t.Context(), want); err != nil {
			t.Fatal(err)
		}
	}
	if m.saves != 1 {
		t.Errorf("saved %d times", m.saves)
	}
	split := traffic.Split{TargetGroups: []string{"blue", "green"}, Environment: "d-1", Percent: 10, Generation: 1}
	for range 3 {
		if err := r.Split(t.Context(), split); err != nil {
			t.Fatal(err)
		}
	}
	if m.saves != 2 {
		t.Errorf("saved %d times", m.saves)
	}
}

func TestImpossibleWishesAreRefused(t *testing.T) {
	t.Parallel()
	_, r := boot(t, newMemory())
	for want, w := range map[string]traffic.Want{
		"names no instance":        {TargetGroups: []string{"blue"}},
		"its address is not known": {TargetGroups: []string{"blue"}, Instance: "i-1", In: true},
		"no default port":          {TargetGroups: []string{"blue"}, Instance: "i-1", In: true, Address: "10.0.0.1"},
		"neither an IP address":    {TargetGroups: []string{"blue"}, Instance: "i-1", In: true, Address: "nonsense"},
	} {
		if err := r.MakeSo(t.Context(), w); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestRegistrationsOfVanishedTargetGroupsAreKept(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.saved[[2]string{"old", "i-1"}] = builtin.Registration{TargetGroup: "old", Instance: "i-1", Address: "127.0.0.1:9", In: true, Generation: 1}
	m.splits["old"] = traffic.SplitObserved{TargetGroup: "old", Environment: "d-1", Percent: 10, Generation: 1}
	boot(t, m)
	if len(m.saved) != 1 || len(m.splits) != 1 {
		t.Errorf("got %v %v", m.saved, m.splits)
	}
}

func TestLoadError(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]*memory{"registrations": {fail: errors.New("disk gone")}, "splits": {failSplits: errors.New("disk gone")}} {
		b, err := lb.New(config(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := builtin.New(t.Context(), b, broken, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
