package outbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"crossfade/internal/clocktest"
	"crossfade/internal/deploy"
	"crossfade/internal/notify"
	"crossfade/internal/notify/outbox"
	"crossfade/internal/store"
	"crossfade/internal/store/sqlite"

	"github.com/google/uuid"
)

const (
	account = "111122223333"
	arn     = "arn:aws:sns:us-east-1:" + account + ":"
)

var (
	start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	words = notify.Words{Region: "us-east-1", Server: uuid.MustParse("6ba7b810-9dad-41d1-80b4-00c04fd430c8")}
)

// sink takes messages, or answers as the test says.
type sink struct {
	mu     sync.Mutex
	got    []notify.Message
	answer func(notify.Message) error
}

func (s *sink) Send(ctx context.Context, m notify.Message) error {
	s.mu.Lock()
	answer := s.answer
	s.mu.Unlock()
	if answer != nil {
		if err := answer(m); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, m)
	return nil
}

func (s *sink) answers(f func(notify.Message) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

func (s *sink) taken() []notify.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]notify.Message(nil), s.got...)
}

// counts is what Observe was told.
type counts struct {
	mu sync.Mutex
	of map[string]int
}

func (c *counts) observe(sink, outcome string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]int{}
	}
	c.of[sink+" "+outcome]++
}

func (c *counts) all() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.of)
}

// world is a store with deployments, and sinks named a and b that take the topics a* and b*.
type world struct {
	t      *testing.T
	store  *sqlite.Store
	clock  *clocktest.Clock
	a, b   *sink
	counts *counts
	ids    int
	group  deploy.Group
}

func openStore(t testing.TB, dir string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newWorld(t *testing.T) *world {
	return &world{t: t, store: openStore(t, t.TempDir()), clock: clocktest.At(start), a: &sink{}, b: &sink{}, counts: &counts{}}
}

func (w *world) config(followers ...outbox.Follower) outbox.Config {
	return outbox.Config{
		Store: w.store, Clock: w.clock, Words: words, Followers: followers, Jitter: func() float64 { return 1 }, Observe: w.counts.observe,
		Routes: notify.Routes{Mapped: []notify.Route{{Name: "a", Sink: w.a, Topics: []string{arn + "a*"}}, {Name: "b", Sink: w.b, Topics: []string{arn + "b*"}, DoubleEncode: true}}},
		Log:    slog.New(slog.DiscardHandler),
	}
}

// seed makes a group in a store.
func seed(ctx context.Context, s *sqlite.Store) (deploy.Group, error) {
	a := deploy.Application{ID: uuid.NewString(), Account: account, Name: "app-" + uuid.NewString(), Platform: deploy.PlatformServer}
	g := deploy.Group{ID: uuid.NewString(), Account: account, ApplicationID: a.ID, Application: a.Name, Name: "web"}
	if err := s.CreateApplication(ctx, a, 1<<30); err != nil {
		return g, err
	}
	return g, s.CreateGroup(ctx, g, 1)
}

// run takes a deployment of one instance from its creation to its end, a commit for each step: it tells of Created, Started, InstanceStarted,
// InstanceSucceeded and Succeeded.
func run(ctx context.Context, s *sqlite.Store, g deploy.Group, id string, at time.Time, topics ...string) error {
	spec := deploy.Spec{
		ID: id, Account: g.Account, ApplicationID: g.ApplicationID, Application: g.Application, GroupID: g.ID, Group: g.Name, Kind: deploy.KindInPlace,
		CreatedAt: at, MinimumHealthy: deploy.HealthyHosts{Type: deploy.HostCount},
	}
	for i, topic := range topics {
		spec.Triggers = append(spec.Triggers, deploy.Trigger{
			Name: fmt.Sprint("t", i), Target: topic, Events: []string{"DeploymentStart", "InstanceStart", "InstanceSuccess", "DeploymentSuccess"},
		})
	}
	if err := s.Batch(ctx, func(b store.Batch) error { return b.Apply(ctx, deploy.New(spec)) }); err != nil {
		return err
	}
	what := []deploy.What{deploy.Resolved{Originals: []deploy.Selected{{ID: "web-1", ARN: "arn:web-1"}}}, deploy.Wake{}}
	for range 100 {
		var d deploy.Deployment
		err := s.Batch(ctx, func(b store.Batch) (err error) {
			if d, err = b.Deployment(ctx, id); err != nil || d.State.Status.Terminal() {
				return err
			}
			next := deploy.What(deploy.Wake{})
			if len(what) > 0 {
				next = what[0]
			} else if d.State.WakeAt.After(at) || d.State.WakeAt.IsZero() {
				v, err := b.View(ctx, d, deploy.Need{Target: "web-1"})
				if err != nil {
					return err
				}
				next = deploy.Completed{Target: "web-1", Attempt: v.Target.Attempt, Succeeded: true, Diagnostics: deploy.Diagnostics{ErrorCode: deploy.DiagnosticsSuccess}}
			}
			v, err := b.View(ctx, d, deploy.Needs(d, next))
			if err != nil {
				return err
			}
			t, err := deploy.Step(v, deploy.Event{At: at, What: next})
			if err != nil {
				return err
			}
			return b.Apply(ctx, t)
		})
		if err != nil {
			return err
		}
		if d.State.Status.Terminal() {
			return nil
		}
		if len(what) > 0 {
			what = what[1:]
		}
	}
	return fmt.Errorf("deployment %s goes on for ever", id)
}

// deployment runs one and returns its id.
func (w *world) deployment(topics ...string) string {
	w.t.Helper()
	if w.group.ID == "" {
		g, err := seed(w.t.Context(), w.store)
		if err != nil {
			w.t.Fatal(err)
		}
		w.group = g
	}
	w.ids++
	id := fmt.Sprintf("d-%09d", w.ids)
	if err := run(w.t.Context(), w.store, w.group, id, w.clock.Now(), topics...); err != nil {
		w.t.Fatal(err)
	}
	return id
}
