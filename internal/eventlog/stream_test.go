package eventlog_test

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/eventlog"
	"crossfade/internal/store"
)

// shelf is one deployment of account 1 with its logs.
type shelf struct {
	mu     sync.Mutex
	status deploy.Status
	ended  time.Time
	chunks []store.LogChunk
	reads  int
	err    error
}

func (s *shelf) Deployment(_ context.Context, account, id string) (d deploy.Deployment, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if account != "1" || id != "d-1" {
		return d, store.ErrNotFound
	}
	d.State.Status, d.State.CompletedAt = s.status, s.ended
	return d, s.err
}

func (s *shelf) EventLog(_ context.Context, q store.EventLogQuery) (found []store.LogChunk, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	for _, c := range s.chunks {
		if c.Position > q.After && (q.Target == "" || q.Target == c.Target) && (q.Event == "" || q.Event == c.Event) && len(found) < q.Limit {
			found = append(found, c)
		}
	}
	return found, s.err
}

// add adds a chunk of one line.
func (s *shelf) add(target string, event deploy.EventName, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chunks = append(s.chunks, store.LogChunk{
		EventLogKey: store.EventLogKey{DeploymentID: "d-1", Target: target, Attempt: 1, Event: event}, Position: int64(len(s.chunks)) + 1,
		Lines: []store.LogLine{{Stream: store.LogStdout, Text: text}},
	})
}

func (s *shelf) set(status deploy.Status, ended time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.ended = status, ended
}

// serve serves the logs for the account that the request names.
func serve(t *testing.T, s *shelf, c eventlog.Config) (*eventlog.Handler, *httptest.Server) {
	t.Helper()
	type key struct{}
	c.Logs, c.Logger = s, slog.New(slog.DiscardHandler)
	c.Account = func(ctx context.Context) string { account, _ := ctx.Value(key{}).(string); return account }
	if c.Now == nil {
		c.Now = time.Now
	}
	h := eventlog.New(c)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, r.Header.Get("Account"))))
	}))
	t.Cleanup(srv.Close)
	return h, srv
}

func ask(t *testing.T, ctx context.Context, srv *httptest.Server, account, query, last string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/logs?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Account", account)
	r.Header.Set("Last-Event-ID", last)
	a, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Body.Close() })
	return a
}

// lines reads a stream until it has seen so many ids, data and ends, or to its end.
func lines(t *testing.T, a *http.Response, n int) (all []string) {
	t.Helper()
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("the answer is %s %v", a.Status, a.Header)
	}
	for s := bufio.NewScanner(a.Body); (n == 0 || len(all) < n) && s.Scan(); {
		if l := s.Text(); l != "" && !strings.HasPrefix(l, ":") {
			all = append(all, l)
		}
	}
	return all
}

const quick = time.Millisecond

// TestWhatThereIs holds that the stream without follow has all that is kept, as asked for, and says how the deployment stands.
func TestWhatThereIs(t *testing.T) {
	t.Parallel()
	s := &shelf{status: deploy.StatusInProgress}
	for range 150 { // more than is read at a time
		s.add("web-1", deploy.BeforeInstall, "a")
	}
	s.add("web-2", deploy.BeforeInstall, "b")
	s.add("web-2", deploy.AfterInstall, "c")
	_, srv := serve(t, s, eventlog.Config{})
	all := lines(t, ask(t, t.Context(), srv, "1", "deploymentId=d-1", ""), 0)
	if len(all) != 2*152+2 || all[len(all)-2] != "event: end" || all[len(all)-1] != `data: {"status":"InProgress"}` {
		t.Errorf("%d lines end with %q", len(all), all[len(all)-2:])
	}
	want := []string{
		"id: 152",
		`data: {"targetId":"web-2","lifecycleEventName":"AfterInstall","attempt":1,"position":152,"firstLine":0,"lines":[{"time":"0001-01-01T00:00:00Z","stream":"stdout","text":"c"}]}`,
		"event: end", `data: {"status":"InProgress"}`,
	}
	for _, query := range []string{"deploymentId=d-1&targetId=web-2&lifecycleEventName=AfterInstall", "deploymentId=d-1&after=151&follow=false", "deploymentId=d-1&lifecycleEventName=AfterInstall&after=9"} {
		if got := lines(t, ask(t, t.Context(), srv, "1", query, ""), 0); !slices.Equal(got, want) {
			t.Errorf("%s is answered with %q", query, got)
		}
	}
	if got := lines(t, ask(t, t.Context(), srv, "1", "deploymentId=d-1&after=9", "151"), 0); !slices.Equal(got, want) {
		t.Errorf("one that was cut off gets %q", got)
	}
}

// TestFollowing holds that lines come when they are written, also when nobody wakes the handler, and that the stream ends with the deployment.
func TestFollowing(t *testing.T) {
	t.Parallel()
	for name, wakes := range map[string]bool{"woken": true, "of its own accord": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{status: deploy.StatusInProgress}
			c := eventlog.Config{Look: time.Hour, Settle: quick}
			if !wakes {
				c.Look = quick
			}
			h, srv := serve(t, s, c)
			a := ask(t, t.Context(), srv, "1", "deploymentId=d-1&follow", "")
			for _, text := range []string{"one", "two"} {
				s.add("web-1", deploy.AfterInstall, text)
				if wakes {
					h.Wake("d-2")
					h.Wake("d-1")
				}
				if got := lines(t, a, 2); len(got) != 2 || !strings.Contains(got[1], text) {
					t.Fatalf("after %s it says %q", text, got)
				}
			}
			if wakes {
				return
			}
			s.set(deploy.StatusFailed, time.Now())
			if got := lines(t, a, 0); !slices.Equal(got, []string{"event: end", `data: {"status":"Failed"}`}) {
				t.Errorf("it ends with %q", got)
			}
		})
	}
}

// TestLinesAfterTheEnd holds that what comes right after a deployment's end is still told.
func TestLinesAfterTheEnd(t *testing.T) {
	t.Parallel()
	ended := time.Now()
	var mu sync.Mutex
	now := ended
	s := &shelf{status: deploy.StatusSucceeded, ended: ended}
	_, srv := serve(t, s, eventlog.Config{Look: quick, Settle: time.Minute, Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}})
	a := ask(t, t.Context(), srv, "1", "deploymentId=d-1&follow=true", "")
	s.add("web-1", deploy.AfterInstall, "late")
	if got := lines(t, a, 2); len(got) != 2 || !strings.Contains(got[1], "late") {
		t.Fatalf("it says %q", got)
	}
	mu.Lock()
	now = ended.Add(time.Minute)
	mu.Unlock()
	if got := lines(t, a, 0); len(got) != 2 || got[0] != "event: end" {
		t.Errorf("it ends with %q", got)
	}
}

// TestHeartbeat holds that a quiet connection shows that it lives.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	_, srv := serve(t, &shelf{status: deploy.StatusInProgress}, eventlog.Config{Heartbeat: quick, Look: time.Hour})
	a := ask(t, t.Context(), srv, "1", "deploymentId=d-1&follow", "")
	for seen, l := 0, bufio.NewScanner(a.Body); seen < 3; {
		if !l.Scan() {
			t.Fatalf("the stream ended: %v", l.Err())
		}
		if l.Text() == ": alive" {
			seen++
		}
	}
}

// TestEnds holds that the stream ends when its request does, and makes room for another.
func TestEnds(t *testing.T) {
	t.Parallel()
	_, srv := serve(t, &shelf{status: deploy.StatusInProgress}, eventlog.Config{Listeners: 1})
	ctx, cancel := context.WithCancel(t.Context())
	if a := ask(t, ctx, srv, "1", "deploymentId=d-1&follow", ""); a.StatusCode != http.StatusOK {
		t.Fatal(a.Status)
	}
	if a := ask(t, t.Context(), srv, "1", "deploymentId=d-1", ""); a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("one too many gets %s", a.Status)
	}
	cancel()
	late := time.After(time.Minute)
	for ask(t, t.Context(), srv, "1", "deploymentId=d-1", "").StatusCode != http.StatusOK {
		select {
		case <-late:
			t.Fatal("there is no room")
		default:
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := &shelf{status: deploy.StatusInProgress}
	_, srv := serve(t, s, eventlog.Config{})
	for _, c := range []struct {
		account, query, last string
		status               int
	}{
		{"", "deploymentId=d-1", "", http.StatusForbidden},
		{"1", "", "", http.StatusBadRequest},
		{"1", "deploymentId=d-1&instance=web-1", "", http.StatusBadRequest},
		{"1", "deploymentId=d-1&deploymentId=d-2", "", http.StatusBadRequest},
		{"1", "deploymentId=d-1&follow=maybe", "", http.StatusBadRequest},
		{"1", "deploymentId=d-1&after=-1", "", http.StatusBadRequest},
		{"1", "deploymentId=d-1", "x", http.StatusBadRequest},
		{"1", "deploymentId=d-2", "", http.StatusNotFound},
		{"2", "deploymentId=d-1", "", http.StatusNotFound},
	} {
		if a := ask(t, t.Context(), srv, c.account, c.query, c.last); a.StatusCode != c.status {
			t.Errorf("%+v is answered with %s", c, a.Status)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/logs", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Account", "1")
	if a, err := srv.Client().Do(r); err != nil || a.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a POST is answered with %v, %v", a, err)
	}
	s.mu.Lock()
	s.err = errors.New("disk on fire")
	s.mu.Unlock()
	if a := ask(t, t.Context(), srv, "1", "deploymentId=d-1", ""); a.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a store in trouble is answered with %s", a.Status)
	}
}

func TestLastLines(t *testing.T) {
	t.Parallel()
	chunks := func() []eventlog.Chunk {
		return []eventlog.Chunk{{First: 0, Lines: make([]eventlog.Line, 3)}, {First: 7, Lost: 4, LeftOut: 1, Lines: make([]eventlog.Line, 2)}, {First: 9, Lines: make([]eventlog.Line, 1)}}
	}
	for n, want := range map[int][3]int64{ // chunks, first line, lost
		0: {0, 0, 0}, 1: {1, 9, 0}, 2: {2, 8, 0}, 3: {2, 7, 4}, 4: {3, 2, 0}, 6: {3, 0, 0}, 9: {3, 0, 0},
	} {
		got := eventlog.LastLines(chunks(), n)
		if int64(len(got)) != want[0] || len(got) > 0 && (got[0].First != want[1] || got[0].Lost != want[2]) {
			t.Errorf("the last %d are %+v", n, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("deploymentId=d-1&after=7&follow", "9")
	f.Add("deploymentId=d-1&after=-1", "")
	f.Fuzz(func(t *testing.T, query, last string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		if q, err := eventlog.Parse(last, values); err == nil && (q.After < 0 || q.DeploymentID == "") {
			t.Errorf("%q, %q is read as %+v", query, last, q)
		}
	})
}
