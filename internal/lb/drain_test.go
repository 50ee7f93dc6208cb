package lb

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestDrainingEndsWithTheLastRequest(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	entered, leave := make(chan struct{}, 8), make(chan struct{})
	a := newApp(t, "v1", func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-leave
	})
	b.serve(a)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if status, body := b.get("/slow"); status != 200 {
				t.Errorf("a request in flight got %d %s", status, body)
			}
		})
		await(t, "a request is under way", entered)
	}
	if err := b.Deregister(web, "v1"); err != nil {
		t.Fatal(err)
	}
	s, err := b.Status(web, "v1")
	if err != nil || s.State != StateDraining || s.Active != 2 {
		t.Fatalf("got %+v %v", s, err)
	}
	if status, body := b.get("/"); status != http.StatusServiceUnavailable || !strings.Contains(body, "target group web has no target") {
		t.Errorf("a new request got %d %s", status, body)
	}
	close(leave)
	wg.Wait()
	b.await("v1", StateAbsent)
	if n := a.handled.Load(); n != 2 {
		t.Errorf("%d requests were handled, want 2", n)
	}
}

func TestIdleTargetIsAbsentAtOnce(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	b.serve(newApp(t, "v1", nil))
	if status, _ := b.get("/"); status != 200 {
		t.Fatal(status)
	}
	b.await("v1", StateHealthy)
	eventually(t, "no request under way", func() bool { s, _ := b.Status(web, "v1"); return s.Active == 0 })
	if err := b.Deregister(web, "v1"); err != nil {
		t.Fatal(err)
	}
	if s := b.state("v1"); s != StateAbsent {
		t.Errorf("got %s", s)
	}
	if err := b.Deregister(web, "v1"); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestRequestsAreCutWhenTheDelayIsOver(t *testing.T) {
	t.Parallel()
	c := webConfig()
	c.TargetGroups[0].DeregistrationDelay = 50 * time.Millisecond
	b := start(t, c)
	entered, leave := make(chan struct{}, 8), make(chan struct{})
	defer close(leave)
	b.serve(newApp(t, "stuck", func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-leave
	}))
	answers := make(chan int, 2)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		go func() {
			req, err := http.NewRequest(method, b.url, nil)
			if err != nil {
				t.Error(err)
			}
			r, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Error(err)
				answers <- 0
				return
			}
			if method == http.MethodGet && r.StatusCode != 200 {
				t.Errorf("a GET that was cut can be repeated elsewhere, but got %d", r.StatusCode)
			}
			if method == http.MethodPost && r.StatusCode != http.StatusBadGateway {
				t.Errorf("a POST that was cut must not be repeated, but got %d", r.StatusCode)
			}
			if err := r.Body.Close(); err != nil {
				t.Error(err)
			}
			answers <- r.StatusCode
		}()
		await(t, "a request is under way", entered)
	}
	b.serve(newApp(t, "v2", nil))
	if err := b.Deregister(web, "stuck"); err != nil {
		t.Fatal(err)
	}
	b.await("stuck", StateAbsent)
	await(t, "the first answer", answers)
	await(t, "the second answer", answers)
}

func TestRegisteringAgainWhileDraining(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	entered, leave := make(chan struct{}, 8), make(chan struct{})
	a := newApp(t, "v1", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			entered <- struct{}{}
			<-leave
		}
	})
	b.serve(a)
	done := make(chan struct{})
	go func() { defer close(done); b.get("/slow") }()
	await(t, "a request is under way", entered)
	if err := b.Deregister(web, "v1"); err != nil {
		t.Fatal(err)
	}
	b.serve(a)
	if status, _ := b.get("/"); status != 200 {
		t.Errorf("got %d", status)
	}
	if err := b.Deregister(web, "v1"); err != nil {
		t.Fatal(err)
	}
	if s := b.state("v1"); s != StateDraining {
		t.Errorf("the request of the first registration is still under way, but the target is %s", s)
	}
	close(leave)
	await(t, "the request under way ends", done)
	b.await("v1", StateAbsent)
}

func TestUpgradedConnectionLivesUntilTheDelayIsOver(t *testing.T) {
	t.Parallel()
	// What the connection carries while the target drains may take longer than the delay on a slow machine: then a longer one has to show it.
	delay := 200 * time.Millisecond
	for ; !upgradedConnectionLives(t, delay); delay *= 4 {
		if delay > patience {
			t.Fatalf("nothing was carried within %s", delay)
		}
	}
}

// upgradedConnectionLives returns false when the delay was over too early to see anything.
func upgradedConnectionLives(t *testing.T, delay time.Duration) bool {
	t.Helper()
	c := webConfig()
	c.TargetGroups[0].DeregistrationDelay = delay
	b := start(t, c)
	b.serve(newApp(t, "v1", func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		for {
			kind, msg, err := ws.Read(r.Context())
			if err != nil {
				return
			}
			if err := ws.Write(r.Context(), kind, msg); err != nil {
				return
			}
		}
	}))
	ctx, cancel := context.WithTimeout(t.Context(), patience+delay)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, b.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := ws.CloseNow(); err != nil {
			t.Log(err)
		}
	}()
	echo := func() error {
		if err := ws.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
			return err
		}
		_, msg, err := ws.Read(ctx)
		if err == nil && string(msg) != "hello" {
			t.Errorf("got %q", msg)
		}
		return err
	}
	if err := echo(); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := b.Deregister(web, "v1"); err != nil {
		t.Fatal(err)
	}
	err = echo()
	if state := b.state("v1"); err != nil || state != StateDraining {
		if time.Since(begun) >= delay {
			return false
		}
		t.Fatalf("while draining: %v, %s", err, state)
	}
	if _, _, err := ws.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("after the delay the connection should be cut, got %v", err)
	}
	b.await("v1", StateAbsent)
	return true
}

func TestOrderlyEndOfAnUpgradedConnectionDrains(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	b.serve(newApp(t, "v1", func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		if _, _, err := ws.Read(r.Context()); err == nil {
			t.Error("got a message")
		}
	}))
	ws, _, err := websocket.Dial(t.Context(), b.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Deregister(web, "v1"); err != nil {
		t.Fatal(err)
	}
	if err := ws.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	b.await("v1", StateAbsent)
}

func TestStopLetsRequestsEndAndClosesIdleConnections(t *testing.T) {
	t.Parallel()
	b, err := New(webConfig(), quietLog())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := &bench{Balancer: b, t: t, url: "http://" + b.ListenerAddress(edge)}
	entered, leave := make(chan struct{}, 8), make(chan struct{})
	h.serve(newApp(t, "v1", func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-leave
	}))
	idle := h.dial()
	got := make(chan int, 1)
	go func() { s, _ := h.get("/"); got <- s }()
	await(t, "a request is under way", entered)
	stopped := make(chan error, 1)
	go func() { stopped <- b.Stop(t.Context()) }()
	if n, err := io.Copy(io.Discard, idle); n != 0 || err != nil {
		t.Errorf("idle connection: %d bytes, %v", n, err)
	}
	select {
	case err := <-stopped:
		t.Fatalf("stopped with a request in flight: %v", err)
	default:
	}
	close(leave)
	if s := await(t, "the request under way ends", got); s != 200 {
		t.Errorf("got %d", s)
	}
	if err := await(t, "the end", stopped); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://")); err == nil {
		t.Errorf("still accepts: %v", c.Close())
	}
	if err := b.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStopCutsAtItsDeadline(t *testing.T) {
	t.Parallel()
	b, err := New(webConfig(), quietLog())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := &bench{Balancer: b, t: t, url: "http://" + b.ListenerAddress(edge)}
	entered, leave := make(chan struct{}), make(chan struct{})
	defer close(leave)
	h.serve(newApp(t, "v1", func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-leave
	}))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r, err := http.Post(h.url, "text/plain", nil)
		if err == nil && (r.StatusCode != http.StatusBadGateway || r.Body.Close() != nil) {
			t.Errorf("got %v", r)
		}
	}()
	await(t, "a request is under way", entered)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Stop(ctx); err != nil {
		t.Error(err)
	}
	await(t, "the request under way ends", ended)
}

// load sends requests without pause on so many connections until stop is called, which returns how many there were and what went wrong.
func load(t *testing.T, url, method string, connections int) (stop func() (total int64, failures []string)) {
	t.Helper()
	var (
		wg       sync.WaitGroup
		total    atomic.Int64
		mu       sync.Mutex
		failures []string
		ending   atomic.Bool
	)
	for range connections {
		wg.Go(func() {
			tr := &http.Transport{MaxIdleConnsPerHost: 1, DisableCompression: true}
			defer tr.CloseIdleConnections()
			client := &http.Client{Transport: tr, Timeout: patience}
			for !ending.Load() {
				total.Add(1)
				if wrong := once(client, method, url); wrong != "" {
					mu.Lock()
					failures = append(failures, wrong)
					mu.Unlock()
				}
			}
		})
	}
	return func() (int64, []string) {
		ending.Store(true)
		wg.Wait()
		return total.Load(), failures
	}
}

func once(client *http.Client, method, url string) (wrong string) {
	req, err := http.NewRequest(method, url, strings.NewReader("body"))
	if err != nil {
		return err.Error()
	}
	r, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	body, err := io.ReadAll(r.Body)
	if err := r.Body.Close(); err != nil {
		return err.Error()
	}
	if err != nil {
		return err.Error()
	}
	if r.StatusCode != 200 {
		return r.Status + " " + string(body)
	}
	return ""
}

// TestNoRequestIsLostWhenTargetsAreSwappedAndStopped is the promise: register the new, deregister the old, and stop its server, connections
// and all, in the moment in which it is drained.
func TestNoRequestIsLostWhenTargetsAreSwappedAndStopped(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			b := start(t, webConfig())
			handle := func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					time.Sleep(20 * time.Millisecond) // the work that a POST takes
				}
				if _, err := io.Copy(w, r.Body); err != nil {
					t.Log(err)
				}
			}
			old := newApp(t, "v0", handle)
			b.serve(old)
			stop := load(t, b.url+"/work", method, 8)
			for i := range 12 {
				next := newApp(t, "v"+string(rune('a'+i)), handle)
				b.serve(next)
				eventually(t, "new target serves", func() bool { return next.handled.Load() > 10 })
				if err := b.Deregister(web, old.name); err != nil {
					t.Fatal(err)
				}
				handled := int64(-1)
				eventually(t, "drained", func() bool {
					if b.state(old.name) != StateAbsent {
						return false
					}
					handled = old.handled.Load()
					old.CloseClientConnections()
					return true
				})
				if err := old.Listener.Close(); err != nil {
					t.Error(err)
				}
				if n := old.handled.Load(); n != handled {
					t.Errorf("%s got %d requests after it was drained", old.name, n-handled)
				}
				old = next
			}
			total, failures := stop()
			t.Logf("%d requests", total)
			if len(failures) > 0 {
				t.Errorf("%d of %d requests were lost, first: %s", len(failures), total, failures[0])
			}
		})
	}
}
