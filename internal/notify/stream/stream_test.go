package stream_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/notify"
	"crossfade/internal/notify/stream"
	"crossfade/internal/store"
	"crossfade/internal/store/sqlite"

	"github.com/google/uuid"
)

// world is a log in a real store, and a server that takes the account from a header.
type world struct {
	t       *testing.T
	store   *sqlite.Store
	handler *stream.Handler
	srv     *httptest.Server
	groups  map[string]deploy.Group
	n       int
}

func newWorld(t *testing.T, c stream.Config) *world {
	t.Helper()
	s, err := sqlite.Open(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	type key struct{}
	c.Log, c.Logger = s, slog.New(slog.DiscardHandler)
	c.Words = notify.Words{Region: "eu-central-1", Server: uuid.MustParse("6ba7b810-9dad-41d1-80b4-00c04fd430c8")}
	c.Account = func(ctx context.Context) string {
		account, _ := ctx.Value(key{}).(string)
		return account
	}
	w := &world{t: t, store: s, handler: stream.New(c), groups: map[string]deploy.Group{}}
	w.srv = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.handler.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), key{}, r.Header.Get("Account"))))
	}))
	t.Cleanup(w.srv.Close)
	return w
}

// happen makes a deployment that begins and is stopped: three notices, of which two are changes of state.
func (w *world) happen(account, application, group string) (id string) {
	w.t.Helper()
	ctx := w.t.Context()
	name := account + "/" + application + "/" + group
	g, known := w.groups[name]
	if !known {
		a := deploy.Application{ID: uuid.NewString(), Account: account, Name: application, Platform: deploy.PlatformServer}
		for _, other := range w.groups {
			if other.Account == account && other.Application == application {
				a.ID = other.ApplicationID
			}
		}
		if err := w.store.CreateApplication(ctx, a, 100); err != nil && !strings.Contains(err.Error(), "exists") {
			w.t.Fatal(err)
		}
		g = deploy.Group{ID: uuid.NewString(), Account: account, ApplicationID: a.ID, Application: application, Name: group}
		if err := w.store.CreateGroup(ctx, g, 100); err != nil {
			w.t.Fatal(err)
		}
		w.groups[name] = g
	}
	w.n++
	id = fmt.Sprint("d-", w.n)
	at := time.Now().UTC()
	t := deploy.New(deploy.Spec{
		ID: id, Account: account, ApplicationID: g.ApplicationID, Application: application, GroupID: g.ID, Group: group, Kind: deploy.KindInPlace,
		CreatedAt: at, MinimumHealthy: deploy.HealthyHosts{Type: deploy.HostCount},
	})
	for _, what := range []deploy.What{nil, deploy.Resolved{Originals: []deploy.Selected{{ID: "web-1"}}}, deploy.Stop{By: "me"}} {
		err := w.store.Batch(ctx, func(b store.Batch) error {
			if what != nil {
				d, err := b.Deployment(ctx, id)
				if err != nil {
					return err
				}
				v, err := b.View(ctx, d, deploy.Needs(d, what))
				if err != nil {
					return err
				}
				if t, err = deploy.Step(v, deploy.Event{At: at, What: what}); err != nil {
					return err
				}
			}
			return b.Apply(ctx, t)
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	w.handler.Wake()
	return id
}

// ear is a listener.
type ear struct {
	t      *testing.T
	answer *http.Response
	lines  *bufio.Scanner
	id     string // of the last event
}

func (w *world) ask(ctx context.Context, account, query, lastEventID string) *http.Response {
	w.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.srv.URL+"/events?"+query, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Account", account)
	r.Header.Set("Last-Event-ID", lastEventID)
	a, err := w.srv.Client().Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { a.Body.Close() })
	return a
}

// listen begins to listen; it returns once the server has begun to answer.
func (w *world) listen(account, query, lastEventID string) *ear {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Minute) // so that a stream that says nothing ends
	w.t.Cleanup(cancel)
	a := w.ask(ctx, account, query, lastEventID)
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "text/event-stream" {
		w.t.Fatalf("the answer is %s %v", a.Status, a.Header)
	}
	return &ear{t: w.t, answer: a, lines: bufio.NewScanner(a.Body)}
}

// hear waits for n events and says whose states they are.
func (e *ear) hear(n int) (states []string) {
	e.t.Helper()
	for len(states) < n && e.lines.Scan() {
		name, value, _ := strings.Cut(e.lines.Text(), ": ")
		switch name {
		case "id":
			e.id = value
		case "data":
			var event struct {
				ID      string
				Account string
				Detail  struct{ Application, DeploymentGroup, DeploymentID, State string }
			}
			if err := json.Unmarshal([]byte(value), &event); err != nil {
				e.t.Fatal(err)
			}
			states = append(states, event.Detail.DeploymentID+" "+event.Detail.State)
		}
	}
	if len(states) < n {
		e.t.Fatalf("after %v the stream ended: %v", states, e.lines.Err())
	}
	return states
}

func (e *ear) hears(want ...string) {
	e.t.Helper()
	if got := e.hear(len(want)); !slices.Equal(got, want) {
		e.t.Fatalf("heard was %q, want %q", got, want)
	}
}

// TestListening holds that a listener hears what happens from then on, its own account's only, and only what it asks for.
func TestListening(t *testing.T) {
	t.Parallel()
	w := newWorld(t, stream.Config{})
	w.happen("1", "shop", "web")
	all := w.listen("1", "", "")
	other := w.listen("2", "", "")
	shop := w.listen("1", "application=shop&group=blog", "")
	one := w.listen("1", "deployment=d-5", "")
	for _, where := range [][3]string{{"1", "shop", "web"}, {"2", "shop", "blog"}, {"1", "shop", "blog"}, {"1", "news & co", "blog"}} {
		w.happen(where[0], where[1], where[2])
	}
	all.hears("d-2 START", "d-2 STOP", "d-4 START", "d-4 STOP", "d-5 START", "d-5 STOP")
	other.hears("d-3 START", "d-3 STOP")
	shop.hears("d-4 START", "d-4 STOP")
	one.hears("d-5 START", "d-5 STOP")
}

// TestGoingOn holds that whoever comes back with the last id that it has seen misses nothing and hears nothing twice.
func TestGoingOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, stream.Config{})
	w.happen("1", "shop", "web")
	e := w.listen("1", "after=0", "")
	e.hears("d-1 START")
	for range 150 { // more than is read at a time
		w.happen("1", "shop", "web")
	}
	e.answer.Body.Close()
	e = w.listen("1", "after=0", e.id)
	want := []string{"d-1 STOP"}
	for i := range 150 {
		want = append(want, fmt.Sprintf("d-%d START", i+2), fmt.Sprintf("d-%d STOP", i+2))
	}
	e.hears(want...)
	// From an id that the log has not come to: a backup was restored.
	beyond := w.listen("1", "after=1000000", "")
	w.happen("1", "shop", "web")
	beyond.hears("d-152 START")
	e.hears("d-152 START", "d-152 STOP")
}

// TestHeartbeat holds that a quiet connection shows that it lives, and that what nobody woke the handler for comes with it.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	w := newWorld(t, stream.Config{Heartbeat: time.Millisecond})
	e := w.listen("1", "", "")
	seen := 0
	for seen < 3 && e.lines.Scan() {
		if e.lines.Text() == ": alive" {
			seen++
		}
	}
	if seen < 3 {
		t.Fatalf("the stream ended: %v", e.lines.Err())
	}
}

// TestEnds holds that the stream ends when its request does, and makes room for another.
func TestEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, stream.Config{Listeners: 1})
	ctx, cancel := context.WithCancel(t.Context())
	first := w.ask(ctx, "1", "", "")
	if first.StatusCode != http.StatusOK {
		t.Fatal(first.Status)
	}
	if a := w.ask(t.Context(), "1", "", ""); a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("one too many gets %s", a.Status)
	}
	cancel()
	late := time.After(time.Minute)
	for w.ask(t.Context(), "1", "", "").StatusCode != http.StatusOK {
		select {
		case <-late:
			t.Fatal("there is no room")
		default:
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, stream.Config{})
	for _, c := range []struct {
		account, query, lastEventID string
		status                      int
	}{
		{"", "", "", http.StatusForbidden},
		{"1", "aplication=shop", "", http.StatusBadRequest},
		{"1", "group=a&group=b", "", http.StatusBadRequest},
		{"1", "after=x", "", http.StatusBadRequest},
		{"1", "after=-1", "", http.StatusBadRequest},
		{"1", "", "99999999999999999999", http.StatusBadRequest},
	} {
		if a := w.ask(t.Context(), c.account, c.query, c.lastEventID); a.StatusCode != c.status {
			t.Errorf("%+v is answered with %s", c, a.Status)
		}
	}
	a, err := w.srv.Client().Do(must(http.NewRequestWithContext(t.Context(), http.MethodPost, w.srv.URL, nil)))
	if err != nil || a.StatusCode != http.StatusForbidden {
		t.Errorf("a POST is answered with %v, %v", a, err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func FuzzParse(f *testing.F) {
	f.Add("application=shop&after=7", "9")
	f.Add("after=-1", "")
	f.Fuzz(func(t *testing.T, query, lastEventID string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		if after, err := stream.Parse(lastEventID, values); err == nil && after < -1 {
			t.Errorf("%q, %q is read as %d", query, lastEventID, after)
		}
	})
}
