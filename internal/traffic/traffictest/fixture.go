// Package traffictest is the suite that every traffic driver passes: it holds the contract of traffic.Router against a real load balancer with
// real requests, and counts the lost ones.
//
// A driver's test calls Run with a function that makes a Fixture. The suite starts its own applications on 127.0.0.1; they answer
// GET /health with 200 while they are well, and everything else with their name in the header App.
package traffictest

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/traffic"
)

// Fixture is a running load balancer behind a driver.
type Fixture struct {
	Router traffic.Router
	// TargetGroups are two or more empty target groups with a listener each. Their health check is GET /health, 200, at an interval of at most
	// 200 ms with thresholds of 2. The deregistration delay of the first is long beside what the suite does, some minutes; that of the second is a
	// second or two, and waited for. No other time limit ends within a minute what a slow machine only delays.
	TargetGroups []string
	// URL returns where requests for a target group go in, now.
	URL func(targetGroup string) string
	// Restart kills driver and load balancer without a farewell and starts them again on what they have saved. It sets Router.
	Restart func(f *Fixture)
}

// patience bounds each wait of the suite; it is no expectation.
const patience = time.Minute

// app is an application under deployment.
type app struct {
	*httptest.Server
	name    string
	sick    atomic.Bool
	handled atomic.Int64
	last    atomic.Int64 // when the last request began, in Unix nanoseconds
}

func newApp(t testing.TB, name string, handle http.HandlerFunc) *app {
	t.Helper()
	a := &app{name: name}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("App", name)
		if r.URL.Path == "/health" {
			if a.sick.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return
		}
		a.handled.Add(1)
		a.last.Store(time.Now().UnixNano())
		if handle != nil {
			handle(w, r)
		} else if _, err := io.Copy(w, r.Body); err != nil {
			t.Log("application:", err)
		}
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *app) address() string { return a.Listener.Addr().String() }

// in and out make wishes.
func (a *app) in(generation int64, groups ...string) traffic.Want {
	return traffic.Want{TargetGroups: groups, Instance: a.name, Address: a.address(), In: true, Generation: generation}
}

func (a *app) out(generation int64, groups ...string) traffic.Want {
	return traffic.Want{TargetGroups: groups, Instance: a.name, Generation: generation}
}

// must makes a wish so and waits until it is settled.
func (f *Fixture) must(t testing.TB, w traffic.Want) {
	t.Helper()
	f.wish(t, w)
	f.settle(t, w)
}

func (f *Fixture) wish(t testing.TB, w traffic.Want) {
	t.Helper()
	if err := f.Router.MakeSo(t.Context(), w); err != nil {
		t.Fatalf("make so: %v", err)
	}
}

// settle waits as a caller should: by wake-up where there is one, and by polling.
func (f *Fixture) settle(t testing.TB, w traffic.Want) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		done, why := traffic.Settled(w, f.see(t, w))
		if done {
			return
		}
		select {
		case <-f.Router.Changes():
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("not settled: %s", why)
		}
	}
}

func (f *Fixture) see(t testing.TB, w traffic.Want) []traffic.Observed {
	t.Helper()
	observed, err := f.Router.WhatIsSo(t.Context(), w.TargetGroups, w.Instance)
	if err != nil {
		t.Fatalf("what is so: %v", err)
	}
	if len(observed) != len(w.TargetGroups) {
		t.Fatalf("%d target groups, but %d observations", len(w.TargetGroups), len(observed))
	}
	return observed
}

// state is the only target group's state of the application.
func (f *Fixture) state(t testing.TB, a *app, group string) traffic.State {
	t.Helper()
	return f.see(t, a.out(0, group))[0].State
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// await takes what a channel brings.
func await[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("never: %s", what)
		panic("unreachable")
	}
}

// ask sends one request and returns who answered; it is empty when nobody did.
func (f *Fixture) ask(t testing.TB, group string) string {
	t.Helper()
	r, err := (&http.Client{Timeout: patience}).Get(f.URL(group))
	if err != nil {
		t.Fatalf("ask: %v", err)
	}
	if err := r.Body.Close(); err != nil {
		t.Fatalf("ask: %v", err)
	}
	if r.StatusCode != http.StatusOK {
		return ""
	}
	return r.Header.Get("App")
}
