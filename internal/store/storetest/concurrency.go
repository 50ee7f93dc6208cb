package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// lostUpdates: functions that change a row see each other's work, whoever calls.
func lostUpdates(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, g := seeded(t, s)
	must(t, s.RegisterInstance(ctx, instance("web-1")))
	count := func(tags map[string]string) map[string]string {
		n, err := strconv.Atoi("0" + tags["n"])
		if err != nil {
			t.Error(err)
		}
		return map[string]string{"n": strconv.Itoa(n + 1)}
	}
	refusal := errors.New("no")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 10 {
				err := s.UpdateGroup(ctx, account, g.ID, func(g *deploy.Group) error {
					g.Tags = count(g.Tags)
					if i%5 == 4 {
						return refusal // takes back its own and nobody else's
					}
					return nil
				})
				if i%5 == 4 != errors.Is(err, refusal) {
					t.Errorf("update: %v", err)
				}
				err = s.ChangeInstances(ctx, account, []string{"web-1"}, func(i *deploy.Instance) error { i.Tags = count(i.Tags); return nil })
				if err != nil {
					t.Errorf("change: %v", err)
				}
			}
		})
	}
	all.Wait()
	equal(t, "the group's count", must1[deploy.Group](t)(s.GroupByID(ctx, g.ID)).Tags["n"], "64")
	equal(t, "the instance's count", must1[deploy.Instance](t)(s.Instance(ctx, account, "web-1")).Tags["n"], "80")
}

// readersAndWriters: deployments run beside each other, resources come and go, and a reader never sees half a transition.
func readersAndWriters(t *testing.T, s store.Store) {
	a, _ := seeded(t, s)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var writers, readers sync.WaitGroup
	ids := make([]string, 4)
	for n := range ids {
		g := group(a, fmt.Sprintf("g-%d", n))
		must(t, s.CreateGroup(ctx, g, 100))
		w := newWorld(t, s, func(deploy.Group) {})
		w.ids = 1000 * (n + 1)
		id := w.create(g, deploy.KindInPlace)
		ids[n] = id
		writers.Go(func() {
			if err := w.run(id, 3); err != nil {
				t.Error(err)
			}
		})
		writers.Go(func() {
			for i := range 20 {
				name := fmt.Sprintf("app-%d-%d", n, i)
				if err := s.CreateApplication(ctx, application(name), 1000); err != nil {
					t.Error(err)
				}
				if _, err := s.DeleteApplication(ctx, account, name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, id := range ids {
		readers.Go(func() {
			for version := int64(0); ctx.Err() == nil; {
				d, err := s.Deployment(ctx, account, id)
				if err != nil {
					if ctx.Err() == nil {
						t.Error(err)
					}
					return
				}
				if d.State.Version < version {
					t.Errorf("the version went back from %d to %d", version, d.State.Version)
				}
				version = d.State.Version
				lines, err := s.Journal(ctx, id, d.State.Journal-1, 0)
				if err == nil && (len(lines) == 0 || lines[0].Number != d.State.Journal) {
					t.Errorf("line %d of the deployment that was read is not there: %+v", d.State.Journal, lines)
				}
			}
		})
	}
	writers.Wait()
	stop()
	readers.Wait()
	for _, id := range ids {
		d := must1[deploy.Deployment](t)(s.Deployment(t.Context(), account, id))
		if d.State.Status != deploy.StatusSucceeded {
			t.Errorf("%s is %s: %+v", id, d.State.Status, d.State.Error)
		}
	}
}

// run drives a deployment without failing the test, which only the test's own goroutine may do.
func (w *world) run(id string, targets int) error {
	ctx := context.Background()
	do := func(what deploy.What) error {
		return w.s.Batch(ctx, func(b store.Batch) error {
			t, err := decide(b, id, deploy.Event{At: w.now(), What: what})
			if err != nil {
				return err
			}
			return b.Apply(ctx, t)
		})
	}
	err := do(deploy.Resolved{Originals: selected("old", targets)})
	for err == nil {
		var d deploy.Deployment
		if d, err = w.s.Deployment(ctx, "", id); err != nil || d.State.Status.Terminal() {
			return err
		}
		if d.State.Pump {
			err = do(deploy.Wake{})
			continue
		}
		running, readErr := w.s.Targets(ctx, id, store.TargetFilter{Statuses: []deploy.TargetStatus{deploy.TargetInProgress}}, store.Page{})
		if err = readErr; err == nil && len(running) == 0 {
			err = fmt.Errorf("nothing of %s runs", id)
		}
		for _, x := range running {
			if err == nil {
				err = do(deploy.Completed{Target: x.ID, Attempt: x.Attempt, Succeeded: true})
			}
		}
	}
	return err
}

func pingAndClose(t *testing.T, s store.Store) {
	ctx := t.Context()
	must(t, s.Ping(ctx))
	must(t, s.Ping(ctx))
	must(t, s.CreateApplication(ctx, application("shop"), 10))
	must(t, s.Close())
	must(t, s.Close())
	for name, err := range map[string]error{
		"ping":  s.Ping(ctx),
		"write": s.CreateApplication(ctx, application("late"), 10),
		"batch": s.Batch(ctx, func(store.Batch) error { return nil }),
		"read":  func() error { _, err := s.Application(ctx, account, "shop"); return err }(),
	} {
		if err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s of a closed store: %v", name, err)
		}
	}
}

func endedContext(t *testing.T, s store.Store) {
	ended, end := context.WithCancel(t.Context())
	end()
	want(t, s.CreateApplication(ended, application("shop"), 10), context.Canceled)
	want(t, s.Batch(ended, func(store.Batch) error { t.Error("the batch ran"); return nil }), context.Canceled)
	if _, err := s.Application(t.Context(), account, "shop"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("the application is there: %v", err)
	}
}
