package retention_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"crossfade/internal/counterpart"
	"crossfade/internal/deploy"
	"crossfade/internal/retention"
	"crossfade/internal/store"
	"crossfade/internal/store/postgres"
	"crossfade/internal/store/sqlite"
)

const account = "111122223333"

// world is a real store with one group, whose deployments end at once because there are no instances to deploy to, or run for ever.
type world struct {
	t     testing.TB
	s     database
	group deploy.Group
	n     int
	// The bundles that were removed, and what came of a pause.
	mu      sync.Mutex
	bundles []string
	pauses  int
	told    map[string]int64
}

// database is what a server has.
type database interface {
	store.Store
	store.EventLogs
	store.Retention
}

// onEveryStore runs a test on each kind of store; where there is no PostgreSQL that half of it is skipped, and says so.
func onEveryStore(t *testing.T, test func(t *testing.T, w *world)) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		s, err := sqlite.Open(t.Context(), t.TempDir(), log)
		if err != nil {
			t.Fatal(err)
		}
		test(t, newWorld(t, s))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		url := counterpart.PostgresLike(t, "schema", func(url string) {
			if _, _, err := postgres.Migrate(t.Context(), url, log); err != nil {
				t.Fatal(err)
			}
		})
		s, err := postgres.Open(t.Context(), url, log)
		if err != nil {
			t.Fatal(err)
		}
		test(t, newWorld(t, s))
	})
}

func newWorld(t testing.TB, s database) *world {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, s: s, told: map[string]int64{}}
	a := deploy.Application{ID: "a", Account: account, Name: "shop", Platform: deploy.PlatformServer, CreatedAt: now.Add(-999 * day)}
	w.group = deploy.Group{ID: "g", Account: account, ApplicationID: a.ID, Application: a.Name, Name: "web", CreatedAt: a.CreatedAt}
	if err := s.CreateApplication(t.Context(), a, 10); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateGroup(t.Context(), w.group, 10); err != nil {
		t.Fatal(err)
	}
	return w
}

func bundle(n int) deploy.Revision {
	return deploy.Revision{Type: deploy.RevisionS3, S3: &deploy.S3Location{Bucket: "releases", Key: fmt.Sprintf("v%d.zip", n), BundleType: "zip"}}
}

// deployment makes one that was created so long ago and ended a second later, or runs, with a line of log for the instance.
func (w *world) deployment(ago time.Duration, runs bool) string {
	w.t.Helper()
	w.n++
	at := now.Add(-ago)
	spec := deploy.Spec{
		ID: fmt.Sprintf("d-%04d", w.n), RollbackID: fmt.Sprintf("d-R%04d", w.n), Account: account, ApplicationID: "a", Application: "shop", GroupID: w.group.ID, Group: "web",
		Kind: deploy.KindInPlace, Creator: deploy.CreatorUser, CreatedAt: at, Revision: bundle(w.n), Config: "CodeDeployDefault.AllAtOnce",
		UpdateOutdatedOnly: !runs, MinimumHealthy: deploy.HealthyHosts{Type: deploy.HostCount}, Style: deploy.Style{Type: deploy.StyleInPlace, Option: deploy.WithoutTrafficCntrl},
	}
	err := w.s.Batch(w.t.Context(), func(b store.Batch) error { return b.Apply(w.t.Context(), deploy.New(spec)) })
	if err != nil {
		w.t.Fatal(err)
	}
	w.log(spec.ID, 3)
	if runs {
		return spec.ID
	}
	w.step(spec.ID, at.Add(time.Second), deploy.Resolved{Originals: []deploy.Selected{{ID: "i-1", Current: true}}})
	if d, err := w.s.Deployment(w.t.Context(), "", spec.ID); err != nil || d.State.Status != deploy.StatusSucceeded {
		w.t.Fatalf("%+v, %v", d.State, err)
	}
	return spec.ID
}

func (w *world) log(id string, lines int) {
	w.t.Helper()
	for n := range int64(lines) {
		_, err := w.s.AppendEventLog(w.t.Context(), store.LogChunk{
			EventLogKey: store.EventLogKey{DeploymentID: id, Target: "i-1", Attempt: 1, Event: deploy.Install}, First: n, Lines: []store.LogLine{{At: now, Stream: store.LogStdout, Text: "hello"}},
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) step(id string, at time.Time, what deploy.What) {
	w.t.Helper()
	err := w.s.Batch(w.t.Context(), func(b store.Batch) error {
		d, err := b.Deployment(w.t.Context(), id)
		if err != nil {
			return err
		}
		v, err := b.View(w.t.Context(), d, deploy.Needs(d, what))
		if err != nil {
			return err
		}
		t, err := deploy.Step(v, deploy.Event{At: at, What: what})
		if err != nil {
			return err
		}
		return b.Apply(w.t.Context(), t)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// Now implements retention.Clock: time stands still.
func (w *world) Now() time.Time { return now }

// Remove implements retention.Bundles.
func (w *world) Remove(of string, r deploy.Revision, unwrittenSince time.Time) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bundles = append(w.bundles, fmt.Sprintf("%s %s %v", of, r.S3.Key, now.Sub(unwrittenSince)))
	return 7, nil
}

func (w *world) rounds(p retention.Policy) *retention.Rounds {
	return retention.New(retention.Config{
		Store: w.s, Bundles: w, Policy: p, Interval: time.Hour, Clock: w, Log: slog.New(slog.DiscardHandler),
		Pause: func(ctx context.Context, d time.Duration) error {
			w.mu.Lock()
			w.pauses++
			w.mu.Unlock()
			return ctx.Err()
		},
		Observe: func(kind string, n int64) {
			w.mu.Lock()
			w.told[kind] += n
			w.mu.Unlock()
		},
	})
}

// left are the deployments that there are, the newest first.
func (w *world) left() (ids []string) {
	w.t.Helper()
	all, err := w.s.Deployments(w.t.Context(), account, store.DeploymentFilter{}, store.Page{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range all {
		ids = append(ids, d.ID)
	}
	return ids
}

// logged says of each deployment how many chunks of logs there are.
func (w *world) logged(ids ...string) (out []int) {
	w.t.Helper()
	for _, id := range ids {
		chunks, err := w.s.EventLog(w.t.Context(), store.EventLogQuery{DeploymentID: id})
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, len(chunks))
	}
	return out
}
