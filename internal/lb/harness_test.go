package lb

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The names that the tests use.
const (
	web  = "web"
	edge = "edge"
)

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// patience bounds each wait of the tests; it is no expectation.
const patience = time.Minute

// webConfig is one listener before one target group with quick health checks. No limit ends what a slow machine only delays: a test that is about one
// sets its own.
func webConfig() Config {
	return Config{
		Listeners: []ListenerConfig{{Name: edge, Address: "127.0.0.1:0", Forward: []Forward{{TargetGroup: web}}}},
		TargetGroups: []TargetGroupConfig{{
			Name: web, HealthCheck: HealthCheck{Path: "/health", Interval: 100 * time.Millisecond, Timeout: patience},
			DeregistrationDelay: 10 * patience, // so that nothing which ends a wait of a test ends by it
		}},
		Limits: Limits{HeaderTimeout: patience, DialTimeout: patience, FirstVerdictWait: patience},
	}
}

// bench is a running balancer.
type bench struct {
	*Balancer
	t   *testing.T
	url string
}

func start(t *testing.T, c Config) *bench {
	t.Helper()
	b, err := New(c, quietLog())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := b.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return &bench{Balancer: b, t: t, url: "http://" + b.ListenerAddress(edge)}
}

// app is an application whose answers carry its name.
type app struct {
	*httptest.Server
	name    string
	sick    atomic.Bool
	handled atomic.Int64
}

// newApp starts an application; handle may be nil. /health answers by itself.
func newApp(t *testing.T, name string, handle http.HandlerFunc) *app {
	t.Helper()
	a := &app{name: name}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("App", name)
		if r.URL.Path == "/health" {
			if a.sick.Load() {
				w.WriteHeader(http.StatusInternalServerError)
			}
			return
		}
		a.handled.Add(1)
		if handle != nil {
			handle(w, r)
			return
		}
		if _, err := io.WriteString(w, name); err != nil {
			t.Log(err)
		}
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *app) address() string { return a.Listener.Addr().String() }

// serve registers the applications under their names and waits until they are healthy.
func (b *bench) serve(apps ...*app) {
	b.t.Helper()
	for _, a := range apps {
		if err := b.Register(web, Target{ID: a.name, Address: a.address()}); err != nil {
			b.t.Fatal(err)
		}
	}
	for _, a := range apps {
		b.await(a.name, StateHealthy)
	}
}

func (b *bench) state(id string) State {
	s, err := b.Status(web, id)
	if err != nil {
		b.t.Fatal(err)
	}
	return s.State
}

// await waits for a state; the balancer wakes us.
func (b *bench) await(id string, want State) {
	b.t.Helper()
	eventually(b.t, string(want)+" "+id, func() bool { return b.state(id) == want })
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// await takes what a channel brings.
func await[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("never: %s", what)
		panic("unreachable")
	}
}

// get asks with a fresh client and returns status and body, or no status when there was no answer. Any goroutine may call it.
func (b *bench) get(path string) (int, string) {
	b.t.Helper()
	tr := &http.Transport{DisableKeepAlives: true}
	defer tr.CloseIdleConnections()
	r, err := (&http.Client{Transport: tr, Timeout: patience}).Get(b.url + path)
	if err != nil {
		b.t.Error(err)
		return 0, ""
	}
	body, err := io.ReadAll(r.Body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		b.t.Error(err)
		return 0, ""
	}
	return r.StatusCode, string(body)
}

// raw sends bytes as they are and returns all that comes back until the connection ends or, for requests that keep it open,
// until one answer is complete.
func (b *bench) raw(request string) *http.Response {
	b.t.Helper()
	c := b.dial()
	if _, err := io.WriteString(c, request); err != nil {
		b.t.Fatal(err)
	}
	return readResponse(b.t, bufio.NewReader(c), request)
}

func (b *bench) dial() net.Conn {
	b.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		if err := c.Close(); err != nil {
			b.t.Log(err)
		}
	})
	return c
}

// readResponse reads one answer, with its body held in memory.
func readResponse(t *testing.T, r *bufio.Reader, request string) *http.Response {
	t.Helper()
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("read answer: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read answer's body: %v", err)
	}
	resp.Body = io.NopCloser(strings.NewReader(string(body)))
	return resp
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// script is a target that speaks bytes: for each connection, talk says what happens on it. /health is answered by a listener of its own,
// so a script is registered through an address that only talks.
func script(t *testing.T, talk func(c net.Conn, nth int)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Log(err)
		}
		<-done
	})
	go func() {
		defer close(done)
		nth := 0
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(c)
			req, err := http.ReadRequest(r)
			if err == nil && req.URL.Path == "/health" {
				_, err = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			} else if err == nil {
				_, err = io.Copy(io.Discard, req.Body)
				nth++
				talk(&talked{c, r}, nth)
			}
			if err != nil {
				t.Log("script:", err)
			}
			if err := c.Close(); err != nil {
				t.Log("script:", err)
			}
		}
	}()
	return l.Addr().String()
}

// talked is a connection of which a buffered reader has read ahead.
type talked struct {
	net.Conn
	r *bufio.Reader
}

func (c *talked) Read(b []byte) (int, error) { return c.r.Read(b) }

// nextRequest reads another request of the connection; ok is false at its end.
func nextRequest(c net.Conn) bool {
	req, err := http.ReadRequest(c.(*talked).r)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, req.Body)
	return err == nil
}

func say(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Log("say:", err)
	}
}
