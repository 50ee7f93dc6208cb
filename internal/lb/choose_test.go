package lb

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestWeightsOfTargets(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	v1, v2 := newApp(t, "v1", nil), newApp(t, "v2", nil)
	b.serve(v1, v2)
	if err := b.Register(web, Target{ID: "v2", Address: v2.address(), Weight: 3}); err != nil {
		t.Fatal(err)
	}
	for range 40 {
		b.get("/")
	}
	if v1.handled.Load() != 10 || v2.handled.Load() != 30 {
		t.Errorf("got %d and %d, want 10 and 30", v1.handled.Load(), v2.handled.Load())
	}
}

func TestWeightsOfTargetGroups(t *testing.T) {
	t.Parallel()
	c := webConfig()
	c.TargetGroups = append(c.TargetGroups, TargetGroupConfig{Name: "green"}, TargetGroupConfig{Name: "dark"})
	for i := range c.TargetGroups {
		c.TargetGroups[i].HealthCheck.Timeout = patience
	}
	c.Listeners[0].Forward = []Forward{{web, 1}, {"green", 4}, {"dark", 0}}
	b := start(t, c)
	apps := map[string]*app{}
	for _, g := range []string{web, "green", "dark"} {
		apps[g] = newApp(t, g, nil)
		if err := b.Register(g, Target{ID: g, Address: apps[g].address()}); err != nil {
			t.Fatal(err)
		}
		eventually(t, g+" healthy", func() bool { s, _ := b.Status(g, g); return s.State == StateHealthy })
	}
	seen := map[string]int{}
	for range 50 {
		_, body := b.get("/")
		seen[body]++
	}
	if seen[web] != 10 || seen["green"] != 40 || seen["dark"] != 0 {
		t.Errorf("got %v", seen)
	}
	if err := b.Deregister("green", "green"); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, body := b.get("/"); body != web {
			t.Errorf("with green empty, %q answered", body)
		}
	}
	if err := b.Deregister(web, web); err != nil {
		t.Fatal(err)
	}
	if status, body := b.get("/"); status != 503 || !strings.Contains(body, "web") || !strings.Contains(body, "green") {
		t.Errorf("a group without weight must get nothing: %d %s", status, body)
	}
}

func TestSmoothDistribution(t *testing.T) {
	t.Parallel()
	type item struct {
		name       string
		w, current int
	}
	items := []*item{{"a", 5, 0}, {"b", 1, 0}, {"c", 1, 0}}
	var got strings.Builder
	for range 14 {
		got.WriteString(smooth(items, func(i *item) (*int, int) { return &i.current, i.w }).name)
	}
	if got.String() != "aabacaaaabacaa" {
		t.Errorf("got %s", got.String())
	}
}

func TestUnhealthyTargetGetsNothingWhileAnotherIsHealthy(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	v1, v2 := newApp(t, "v1", nil), newApp(t, "v2", nil)
	b.serve(v1, v2)
	v1.sick.Store(true)
	b.await("v1", StateUnhealthy)
	s, err := b.Status(web, "v1")
	if err != nil || !strings.Contains(s.Reason, "answered 500, wanted 200") {
		t.Errorf("got %+v %v", s, err)
	}
	before := v1.handled.Load()
	for range 10 {
		b.get("/")
	}
	if v1.handled.Load() != before {
		t.Error("an unhealthy target got requests")
	}
	v2.sick.Store(true)
	b.await("v2", StateUnhealthy)
	if status, _ := b.get("/"); status != 200 {
		t.Errorf("with all targets unhealthy, those that were healthy once serve; got %d", status)
	}
	v1.sick.Store(false)
	b.await("v1", StateHealthy)
}

func TestTargetThatWasNeverHealthyGetsNothing(t *testing.T) {
	t.Parallel()
	c := webConfig()
	c.Limits.FirstVerdictWait = time.Millisecond
	c.TargetGroups[0].HealthCheck.Interval = 10 * time.Millisecond
	b := start(t, c)
	a := newApp(t, "v1", nil)
	a.sick.Store(true)
	if err := b.Register(web, Target{ID: "v1", Address: a.address()}); err != nil {
		t.Fatal(err)
	}
	b.await("v1", StateUnhealthy)
	if status, body := b.get("/"); status != 503 || !strings.Contains(body, "1 registered, 0 initial, 1 unhealthy") || a.handled.Load() != 0 {
		t.Errorf("got %d %s", status, body)
	}
}

func TestRequestsWaitForTheFirstVerdict(t *testing.T) {
	t.Parallel()
	c := webConfig()
	c.TargetGroups[0].HealthCheck.Interval = patience // so that the sick one gets no verdict in the test's time
	b, err := New(c, quietLog())
	if err != nil {
		t.Fatal(err)
	}
	a := newApp(t, "v1", nil)
	a.sick.Store(true)
	if err := b.Register(web, Target{ID: "v1", Address: a.address()}); err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	h := &bench{Balancer: b, t: t, url: "http://" + b.ListenerAddress(edge)}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if status, body := h.get("/"); status != 200 {
				t.Errorf("got %d %s", status, body)
			}
		})
	}
	eventually(t, "requests arrived", func() bool { return h.Metrics().Listeners[0].Requests == 4 })
	a.sick.Store(false)
	wg.Wait()
}

func TestAnotherTargetIsTriedWhenOneDoesNotAccept(t *testing.T) {
	t.Parallel()
	c := webConfig()
	c.TargetGroups[0].HealthCheck.Interval = time.Minute // nobody but the failing requests notices
	b := start(t, c)
	v1, v2 := newApp(t, "v1", nil), newApp(t, "v2", nil)
	b.serve(v1, v2)
	v1.Close()
	for range 10 {
		req, err := http.Post(b.url, "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		if req.StatusCode != 200 || req.Header.Get("App") != "v2" {
			t.Errorf("got %v", req)
		}
		if err := req.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.Status(web, "v1")
	if err != nil || s.Reason == "" {
		t.Errorf("got %+v %v", s, err)
	}
	if err := b.Deregister(web, "v2"); err != nil {
		t.Fatal(err)
	}
	if status, body := b.get("/"); status != 502 || !strings.Contains(body, "target v1 of target group web does not accept connections") {
		t.Errorf("got %d %s", status, body)
	}
}

// TestStaleConnection: the target closes a kept connection in the moment in which the next request is sent on it.
func TestStaleConnection(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	for method, want := range map[string]int{"GET": 200, "PUT": 200, "POST": 502} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			b := start(t, webConfig())
			address := script(t, func(c net.Conn, nth int) {
				say(t, c, ok)
				if nth == 1 {
					nextRequest(c) // read, and not answered: it may have been processed
				}
			})
			b.serveAddress("v1", address)
			c := b.dial()
			r := bufio.NewReader(c)
			say(t, c, get)
			if resp := readResponse(t, r, "GET"); resp.StatusCode != 200 {
				t.Fatal(resp)
			}
			say(t, c, method+" / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
			if resp := readResponse(t, r, method); resp.StatusCode != want {
				t.Errorf("got %d %s, want %d", resp.StatusCode, text(t, resp), want)
			}
		})
	}
}

// TestClosedIdleConnectionIsNotUsedForAPost: when the end has arrived before the request, nothing is lost.
func TestClosedIdleConnectionIsNotUsedForAPost(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	a := newApp(t, "v1", nil)
	b.serve(a)
	for range 20 {
		c := b.dial()
		say(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")
		if resp := readResponse(t, bufio.NewReader(c), "POST"); resp.StatusCode != 200 {
			t.Fatalf("%v %s", resp, text(t, resp))
		}
		a.CloseClientConnections()
	}
}

func TestBadAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer string
		status int
	}{
		"nothing":        {"", 502},
		"half a head":    {"HTTP/1.1 200 OK\r\nContent", 502},
		"not HTTP":       {"SSH-2.0-OpenSSH\r\n\r\n", 502},
		"two framings":   {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 502},
		"unasked switch": {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 502},
		"bare LF":        {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", 502},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t, webConfig())
			b.serveAddress("v1", script(t, func(conn net.Conn, _ int) { say(t, conn, c.answer) }))
			if r := b.raw("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"); r.StatusCode != c.status {
				t.Errorf("got %v %s", r, text(t, r))
			}
		})
	}
}

func TestSlowTargetGets504(t *testing.T) {
	t.Parallel()
	c := webConfig()
	c.Limits.ResponseTimeout = 30 * time.Millisecond
	b := start(t, c)
	leave := make(chan struct{})
	b.serve(newApp(t, "v1", func(w http.ResponseWriter, r *http.Request) { <-leave }))
	defer close(leave)
	if status, body := b.get("/"); status != 504 || !strings.Contains(body, "did not answer within 30ms") {
		t.Errorf("got %d %s", status, body)
	}
}

func TestBrokenAnswerIsNotMadeToLookWhole(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"length":  "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t, webConfig())
			b.serveAddress("v1", script(t, func(c net.Conn, _ int) { say(t, c, head) }))
			c := b.dial()
			say(t, c, get)
			r, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(r.Body); err == nil {
				t.Errorf("the client took %q for the whole answer", body)
			}
		})
	}
}

func TestConfigErrorsSayWhatAndWhere(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Config){
		`target group number 1 has no name`: func(c *Config) { c.TargetGroups[0].Name = "" },
		`target group "web" is there twice`: func(c *Config) { c.TargetGroups = append(c.TargetGroups, c.TargetGroups[0]) },
		`port 70000 is not between`:         func(c *Config) { c.TargetGroups[0].Port = 70000 },
		`does not start with a slash`:       func(c *Config) { c.TargetGroups[0].HealthCheck.Path = "x" },
		`has a space or control character`:  func(c *Config) { c.TargetGroups[0].HealthCheck.Path = "/a b" },
		`"2xx" is not a status code`:        func(c *Config) { c.TargetGroups[0].HealthCheck.Matcher = "2xx" },
		`must not be negative`:              func(c *Config) { c.TargetGroups[0].HealthCheck.Interval = -1 },
		`listener "edge" is there twice`:    func(c *Config) { c.Listeners = append(c.Listeners, c.Listeners[0]) },
		`is not host:port`:                  func(c *Config) { c.Listeners[0].Address = "8080" },
		`forwards to no target group`:       func(c *Config) { c.Listeners[0].Forward = nil },
		`"blue", which is not configured`:   func(c *Config) { c.Listeners[0].Forward[0].TargetGroup = "blue" },
		`weight 1000 of target group "web"`: func(c *Config) { c.Listeners[0].Forward[0].Weight = 1000 },
		`names target group "web" twice`:    func(c *Config) { c.Listeners[0].Forward = append(c.Listeners[0].Forward, Forward{web, 1}) },
	} {
		c := webConfig()
		change(&c)
		if _, err := New(c, quietLog()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestRegistrationErrors(t *testing.T) {
	t.Parallel()
	b, err := New(webConfig(), quietLog())
	if err != nil {
		t.Fatal(err)
	}
	for want, target := range map[string]Target{
		"has no id":                    {Address: "127.0.0.1:80"},
		"weight -1":                    {ID: "a", Address: "127.0.0.1:80", Weight: -1},
		"has no port and target group": {ID: "a", Address: "127.0.0.1"},
		"neither an IP address":        {ID: "a", Address: "example.com:80"},
		`address "127.0.0.1:0"`:        {ID: "a", Address: "127.0.0.1:0"},
	} {
		if err := b.Register(web, target); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := b.Register("nope", Target{}); err == nil || !strings.Contains(err.Error(), `unknown target group "nope"`) {
		t.Errorf("got %v", err)
	}
}
