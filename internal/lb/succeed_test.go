package lb

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// TestSucceedLosesNothing puts one balancer in the place of another again and again, under load over kept and fresh connections.
func TestSucceedLosesNothing(t *testing.T) {
	t.Parallel()
	// Another listener with a free port, before a group without targets, which must not be taken for the first.
	c := webConfig()
	c.TargetGroups = append(c.TargetGroups, TargetGroupConfig{Name: "empty"})
	c.Listeners = append([]ListenerConfig{{Name: "empty", Address: c.Listeners[0].Address, Forward: []Forward{{TargetGroup: "empty"}}}}, c.Listeners...)
	old := start(t, c)
	a := newApp(t, "v1", nil)
	old.serve(a)
	running, end := context.WithCancel(t.Context())
	var asked atomic.Int64
	ended := make(chan error, 4)
	for i := range cap(ended) {
		go func() {
			tr := &http.Transport{DisableKeepAlives: i%2 == 0}
			defer tr.CloseIdleConnections()
			client := &http.Client{Transport: tr, Timeout: patience}
			for running.Err() == nil {
				r, err := client.Get(old.url)
				if err == nil {
					_, err = io.Copy(io.Discard, r.Body)
					err = errors.Join(err, r.Body.Close())
				}
				if err == nil && r.StatusCode != http.StatusOK {
					err = errors.New(r.Status)
				}
				if err != nil {
					ended <- err
					return
				}
				asked.Add(1)
			}
			ended <- nil
		}()
	}
	current := old.Balancer
	for range 5 {
		before := asked.Load()
		next, err := New(c, quietLog())
		if err != nil {
			t.Fatal(err)
		}
		if err := next.Register(web, Target{ID: "v1", Address: a.address()}); err != nil {
			t.Fatal(err)
		}
		if err := next.Succeed(t.Context(), current); err != nil {
			t.Fatal(err)
		}
		if next.ListenerAddress(edge) != current.ListenerAddress(edge) {
			t.Fatalf("moved from %s to %s", current.ListenerAddress(edge), next.ListenerAddress(edge))
		}
		if err := current.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		current = next
		eventually(t, "requests go on", func() bool { return asked.Load() > before+50 || len(ended) > 0 })
	}
	end()
	for range cap(ended) {
		if err := await(t, "the last request", ended); err != nil {
			t.Errorf("a request was lost: %v", err)
		}
	}
	if err := current.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := http.Get(old.url); err == nil {
		t.Error("a socket is open after all have stopped")
	}
}

// TestSucceedThatFailsChangesNothing holds that the other one goes on.
func TestSucceedThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	old := start(t, webConfig())
	old.serve(newApp(t, "v1", nil))
	c := webConfig()
	c.Listeners = append(c.Listeners, ListenerConfig{Name: "taken", Address: strings.TrimPrefix(old.url, "http://"), Forward: c.Listeners[0].Forward})
	next, err := New(c, quietLog())
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Succeed(t.Context(), old.Balancer); err == nil || !strings.Contains(err.Error(), `listener "taken"`) {
		t.Errorf("got %v", err)
	}
	for range 5 {
		if status, body := old.get("/"); status != http.StatusOK || body != "v1" {
			t.Errorf("got %d %s", status, body)
		}
	}
	idle, err := New(webConfig(), quietLog())
	if err != nil {
		t.Fatal(err)
	}
	if err := idle.Succeed(t.Context(), next); err == nil || !strings.Contains(err.Error(), "does not run") {
		t.Errorf("got %v", err)
	}
}
