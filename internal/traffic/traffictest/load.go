package traffictest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/traffic"
)

func draining(t *testing.T, f *Fixture) {
	g := f.TargetGroups[0]
	entered, leave := make(chan struct{}, 1), make(chan struct{})
	old := newApp(t, "v1", first(entered, leave))
	f.must(t, old.in(1, g))
	answer := make(chan string, 1)
	go func() { answer <- f.ask(t, g) }()
	await(t, "a request is under way", entered)
	next := newApp(t, "v2", nil)
	f.must(t, next.in(1, g))
	f.wish(t, old.out(2, g))
	if s := f.state(t, old, g); s != traffic.StateDraining {
		t.Errorf("with a request under way the instance is %s", s)
	}
	inARow := 0 // where several balancers take the wish over, each does it in its own time
	eventually(t, "v2 answers alone", func() bool {
		if inARow++; f.ask(t, g) != "v2" {
			inARow = 0
		}
		return inARow == 20
	})
	for range 5 {
		if got := f.ask(t, g); got != "v2" {
			t.Errorf("while v1 is draining, %q answered", got)
		}
	}
	if s := f.state(t, old, g); s != traffic.StateDraining {
		t.Errorf("with a request under way the instance is %s", s)
	}
	close(leave)
	if got := await(t, "the request under way ends", answer); got != "v1" {
		t.Errorf("the request under way was answered by %q", got)
	}
	f.settle(t, old.out(2, g))
}

// first holds the first request until leave, and answers each later one at once.
func first(entered chan<- struct{}, leave <-chan struct{}) http.HandlerFunc {
	var some atomic.Bool
	return func(http.ResponseWriter, *http.Request) {
		if !some.Swap(true) {
			entered <- struct{}{}
			<-leave
		}
	}
}

func stuck(t *testing.T, f *Fixture) {
	g := f.TargetGroups[1] // whose delay is short
	entered, leave := make(chan struct{}, 1), make(chan struct{})
	old := newApp(t, "v1", first(entered, leave))
	t.Cleanup(func() { close(leave) }) // before the application's own clean-up, which waits for its requests
	f.must(t, old.in(1, g))
	ended := make(chan error, 1)
	go func() { ended <- send(&http.Client{Timeout: 2 * patience}, http.MethodPost, f.URL(g)) }()
	await(t, "a request is under way", entered)
	f.must(t, old.out(2, g))
	if err := await(t, "the request under way ends", ended); err == nil {
		t.Error("the request that never ended was answered")
	}
}

func comeBack(t *testing.T, f *Fixture) {
	g := f.TargetGroups[0]
	entered, leave := make(chan struct{}, 1), make(chan struct{})
	a := newApp(t, "v1", first(entered, leave))
	f.must(t, a.in(1, g))
	answer := make(chan string, 1)
	go func() { answer <- f.ask(t, g) }()
	await(t, "a request is under way", entered)
	f.wish(t, a.out(2, g))
	f.must(t, a.in(3, g))
	if got := f.ask(t, g); got != "v1" {
		t.Errorf("%q answered", got)
	}
	close(leave)
	if got := await(t, "the request under way ends", answer); got != "v1" {
		t.Errorf("the request under way was answered by %q", got)
	}
}

const connections = 40

// load is requests that go on over so many connections until they are stopped.
type load struct {
	total    atomic.Int64
	answered [connections]atomic.Int64 // by connection
	wg       sync.WaitGroup
	end      chan struct{}
	mu       sync.Mutex
	failures []string
}

// pressure sends requests at about the given rate until the load is stopped.
func pressure(t testing.TB, url func() string, method string, perSecond int) *load {
	t.Helper()
	l := &load{end: make(chan struct{})}
	for i := range connections {
		l.wg.Go(func() {
			time.Sleep(time.Duration(i) * time.Second / time.Duration(perSecond)) // not all at the same time
			transport := &http.Transport{MaxIdleConnsPerHost: 1}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: patience}
			tick := time.NewTicker(time.Second * connections / time.Duration(perSecond))
			defer tick.Stop()
			for {
				select {
				case <-l.end:
					return
				case <-tick.C:
				}
				l.total.Add(1)
				if err := send(client, method, url()); err != nil {
					l.mu.Lock()
					l.failures = append(l.failures, err.Error())
					l.mu.Unlock()
				}
				l.answered[i].Add(1)
			}
		})
	}
	return l
}

// stop ends the load and returns how many requests there were and what went wrong.
func (l *load) stop() (total int64, failures []string) {
	close(l.end)
	l.wg.Wait()
	return l.total.Load(), l.failures
}

// pass waits until each request has ended that is under way now.
func (l *load) pass(t testing.TB) {
	t.Helper()
	for i := range l.answered {
		before := l.answered[i].Load()
		eventually(t, "requests under way have ended", func() bool { return l.answered[i].Load() > before })
	}
}

func send(client *http.Client, method, url string) error {
	body := ""
	if method == http.MethodPost {
		body = "an order that must arrive once"
	}
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	r, err := client.Do(req)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(r.Body)
	if e := r.Body.Close(); err == nil {
		err = e
	}
	if err == nil && (r.StatusCode != http.StatusOK || string(got) != body) {
		err = fmt.Errorf("%s: %q", r.Status, got)
	}
	return err
}

// echo answers with the request's body after so much work.
func echo(t testing.TB, work time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(work)
		if _, err := io.Copy(w, r.Body); err != nil {
			t.Log("application:", err)
		}
	}
}

// swapUnderLoad reroutes back and forth, and stops each original, connections and all, in the moment in which it is out.
func swapUnderLoad(t *testing.T, f *Fixture, method string) {
	const swaps, rate = 8, 1000
	g := f.TargetGroups[0]
	handle := echo(t, 0)
	if method == http.MethodPost {
		handle = echo(t, 50*time.Millisecond)
	}
	old := newApp(t, "v0", handle)
	f.must(t, old.in(1, g))
	requests := pressure(t, func() string { return f.URL(g) }, method, rate)
	for i := range swaps {
		next := newApp(t, fmt.Sprintf("v%d", i+1), handle)
		f.must(t, next.in(1, g))
		eventually(t, "requests arrive at the replacement", func() bool { return next.handled.Load() > 100 })
		f.must(t, old.out(2, g))
		handled := old.handled.Load()
		old.CloseClientConnections()
		if err := old.Listener.Close(); err != nil {
			t.Error(err)
		}
		if n := old.handled.Load(); n != handled {
			t.Errorf("%s got %d requests after it was out", old.name, n-handled)
		}
		old = next
	}
	lost(t, requests)
}
