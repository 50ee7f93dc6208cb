package follow_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/lb"
	"crossfade/internal/traffic"
	"crossfade/internal/traffic/builtin"
)

// load sends requests until its end, which waits for 50 at least, and returns the first of those that were lost. It counts them in asked.
func load(t *testing.T, asked *atomic.Int64, url func() string) (end func() (lost []error)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	var lost []error
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: patience}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				r, err := client.Get(url())
				if err == nil {
					var body []byte
					body, err = io.ReadAll(io.LimitReader(r.Body, 1000))
					err = errors.Join(err, r.Body.Close())
					if r.StatusCode != http.StatusOK {
						err = errors.Join(err, fmt.Errorf("%s: %s", r.Status, body))
					}
				}
				asked.Add(1)
				if err != nil {
					mu.Lock()
					lost = append(lost, err)
					mu.Unlock()
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	stop := sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	t.Cleanup(stop)
	return func() []error {
		until(t, func() bool { return asked.Load() >= 50 })
		stop()
		return lost[:min(len(lost), 5)]
	}
}

func application(t *testing.T) string {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(app.Close)
	return app.Listener.Addr().String()
}

func wishAt(t *testing.T, r *builtin.Proxies, instance, address string, in bool, generation int64) traffic.Want {
	t.Helper()
	w := traffic.Want{TargetGroups: []string{"blue"}, Instance: instance, Address: address, In: in, Generation: generation}
	if err := r.MakeSo(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestControlPlaneAway takes the control plane away under load, kills a proxy and starts it again meanwhile, and has everything go on when the control
// plane is back.
func TestControlPlaneAway(t *testing.T) {
	t.Parallel()
	p := newPlane(t, builtin.Rules{})
	steady, _ := p.open(t, "edge-1", t.TempDir())
	dir := t.TempDir()
	mortal, line := p.open(t, "edge-2", dir)
	one := wishAt(t, p.router(), "i-1", application(t), true, 1)
	until(t, func() bool { done, _ := settled(t, p.router(), one); return done })
	var asked atomic.Int64
	end := load(t, &asked, func() string { return "http://" + steady.ListenerAddress("blue") })

	p.end()
	kill(t, mortal, line)
	mortal, _ = p.open(t, "edge-2", dir)
	answers(t, "http://"+mortal.ListenerAddress("blue"))
	if s := mortal.Status(); s.Following || !s.Ready || len(s.Targets) != 1 {
		t.Errorf("a proxy on its own: %+v", s)
	}
	alone := asked.Load()
	until(t, func() bool { return asked.Load() >= alone+50 })
	p.begin()
	two := wishAt(t, p.router(), "i-2", application(t), true, 2)
	until(t, func() bool { done, _ := settled(t, p.router(), two); return done })
	out := wishAt(t, p.router(), "i-1", "", false, 3)
	until(t, func() bool { done, _ := settled(t, p.router(), out); return done })
	answers(t, "http://"+mortal.ListenerAddress("blue"))
	if lost := end(); len(lost) > 0 {
		t.Errorf("of %d requests were lost, among others: %v", asked.Load(), lost)
	}
}

// TestNewConfigurationUnderLoad starts the control plane with another configuration: the proxies take it over without losing a request, and nothing
// counts as in traffic before they have.
func TestNewConfigurationUnderLoad(t *testing.T) {
	t.Parallel()
	p := newPlane(t, builtin.Rules{})
	f, _ := p.open(t, "edge-1", t.TempDir())
	one := wishAt(t, p.router(), "i-1", application(t), true, 1)
	until(t, func() bool { done, _ := settled(t, p.router(), one); return done })
	url := "http://" + f.ListenerAddress("blue")
	var asked atomic.Int64
	end := load(t, &asked, func() string { return url })
	for i := range 4 {
		before := f.Status().Configuration
		p.end()
		p.c.TargetGroups = append(slices.Clone(p.c.TargetGroups), lb.TargetGroupConfig{Name: fmt.Sprint("more-", i), Port: 80})
		p.begin()
		until(t, func() bool {
			s := f.Status()
			return s.Configuration != before && s.Configuration == s.Newest && s.Following
		})
		until(t, func() bool { done, _ := settled(t, p.router(), one); return done })
	}
	if "http://"+f.ListenerAddress("blue") != url {
		t.Error("the listener has moved")
	}
	if lost := end(); len(lost) > 0 {
		t.Errorf("of %d requests were lost, among others: %v", asked.Load(), lost)
	}
}
