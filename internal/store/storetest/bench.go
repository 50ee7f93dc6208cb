package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"

	"github.com/google/uuid"
)

// RunBenchmarks measures what all engines are measured by. open makes an empty store that lives until the benchmark ends.
func RunBenchmarks(b *testing.B, open func(testing.TB) store.Store) {
	b.Helper()
	for _, c := range []struct {
		name string
		run  func(*testing.B, func(testing.TB) store.Store)
	}{{"LifecycleEvent", lifecycleEvent}, {"ConcurrentWrites", concurrentWrites}, {"Reads", reads}, {"EventLog", eventLogWrites}} {
		b.Run(c.name, func(b *testing.B) { c.run(b, open) })
	}
}

// fleetOf is the number of targets in the benchmarks.
const fleetOf = 1000

// running makes an in-place deployment without traffic over a fleet, all of it started, and returns its id. Every event is then a completed
// command: the next one goes out, until the target's last.
func running(b *testing.B, s store.Store, id string) {
	b.Helper()
	ctx := context.Background()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	a := deploy.Application{ID: uuid.NewString(), Account: "1", Name: id, Platform: deploy.PlatformServer, CreatedAt: at}
	g := deploy.Group{ID: uuid.NewString(), Account: "1", ApplicationID: a.ID, Application: a.Name, Name: "g", CreatedAt: at}
	var fleet []deploy.Selected
	for i := range fleetOf {
		name := fmt.Sprintf("i-%05d", i)
		fleet = append(fleet, deploy.Selected{ID: name, ARN: "arn:aws:codedeploy:eu-central-1:1:instance/" + name, Host: "arn:aws:iam::1:user/" + name})
	}
	err := s.CreateApplication(ctx, a, 1<<30)
	if err == nil {
		err = s.CreateGroup(ctx, g, 1<<30)
	}
	if err == nil {
		err = s.Batch(ctx, func(batch store.Batch) error {
			err := batch.Apply(ctx, deploy.New(deploy.Spec{
				ID: id, RollbackID: id + "r", Account: "1", ApplicationID: a.ID, Application: a.Name, GroupID: g.ID, Group: g.Name,
				Kind: deploy.KindInPlace, Creator: deploy.CreatorUser, CreatedAt: at, Config: "CodeDeployDefault.AllAtOnce",
				MinimumHealthy: deploy.HealthyHosts{Type: deploy.HostCount}, Style: deploy.Style{Type: deploy.StyleInPlace, Option: deploy.WithoutTrafficCntrl},
				Revision:       deploy.Revision{Type: deploy.RevisionS3, S3: &deploy.S3Location{Bucket: "builds", Key: "shop/v1.zip", BundleType: "zip", ETag: "0123456789abcdef"}},
				GroupSelection: deploy.Selection{OnPremFilters: []deploy.TagFilter{{Key: "role", Value: "web", Type: deploy.KeyAndValue}}},
				AutoRollback:   &deploy.AutoRollback{Enabled: true, Events: []string{deploy.RollbackOnFailure}},
			}))
			what := deploy.What(deploy.Resolved{Originals: fleet})
			for more := true; more && err == nil; {
				var d deploy.Deployment
				d, err = benchEvent(ctx, batch, id, deploy.Event{At: at, What: what})
				what, more = deploy.Wake{}, d.State.Pump
			}
			return err
		})
	}
	if err != nil {
		b.Fatal(err)
	}
}

// benchEvent is the unit of the benchmarks: what the runner does for one event in a batch.
func benchEvent(ctx context.Context, b store.Batch, id string, ev deploy.Event) (deploy.Deployment, error) {
	d, err := b.Deployment(ctx, id)
	if err != nil {
		return d, err
	}
	v, err := b.View(ctx, d, deploy.Needs(d, ev.What))
	if err != nil {
		return d, err
	}
	t, err := deploy.Step(v, ev)
	if err != nil {
		return d, err
	}
	return t.Deployment(), b.Apply(ctx, t)
}

// lifecycleEvent commits completed lifecycle events in batches of several sizes: of one deployment, and of many at once.
func lifecycleEvent(b *testing.B, open func(testing.TB) store.Store) {
	for _, deployments := range []int{1, 64} {
		for _, size := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("deployments=%d/batch=%d", deployments, size), func(b *testing.B) {
				s := open(b)
				lifecycleEvents(b, s, deployments, size)
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}

func lifecycleEvents(b *testing.B, s store.Store, deployments, size int) {
	ctx := context.Background()
	at := time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)
	var ids []string
	round := 0
	fresh := func() {
		ids = ids[:0]
		round++
		for i := range deployments {
			id := fmt.Sprintf("d-%d-%d", round, i)
			running(b, s, id)
			ids = append(ids, id)
		}
	}
	fresh()
	const events = 7 // of a target
	b.ReportAllocs()
	b.ResetTimer()
	for done, next := 0, 0; done < b.N; {
		if next+size > events*fleetOf*deployments-deployments {
			b.StopTimer()
			fresh()
			next = 0
			b.StartTimer()
		}
		err := s.Batch(ctx, func(batch store.Batch) error {
			for k := range size {
				n := next + k
				id, n := ids[n%deployments], n/deployments
				target, attempt := fmt.Sprintf("i-%05d", n%fleetOf), n/fleetOf+1
				what := deploy.Completed{Target: target, Attempt: attempt, Succeeded: true, Diagnostics: deploy.Diagnostics{ErrorCode: deploy.DiagnosticsSuccess, ScriptName: "scripts/start.sh"}}
				if _, err := benchEvent(ctx, batch, id, deploy.Event{At: at, What: what}); err != nil {
					return fmt.Errorf("%s %s %d: %w", id, target, attempt, err)
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		next += size
		done += size
	}
	b.StopTimer()
}

// concurrentWrites creates applications from many goroutines, each waiting for its own to be durable.
func concurrentWrites(b *testing.B, open func(testing.TB) store.Store) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := open(b)
			var left atomic.Int64
			left.Store(int64(b.N))
			var all sync.WaitGroup
			b.ResetTimer()
			for range callers {
				all.Go(func() {
					for left.Add(-1) >= 0 {
						name := uuid.NewString()
						a := deploy.Application{ID: name, Account: name[:4], Name: name, Platform: deploy.PlatformServer}
						if err := s.CreateApplication(context.Background(), a, 1<<30); err != nil {
							b.Error(err)
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
		})
	}
}

// reads reads a deployment, and a page of a group's deployments.
func reads(b *testing.B, open func(testing.TB) store.Store) {
	s := open(b)
	running(b, s, "d-1")
	d, err := s.Deployment(b.Context(), "1", "d-1")
	if err != nil {
		b.Fatal(err)
	}
	for name, read := range map[string]func(context.Context) error{
		"deployment": func(ctx context.Context) error { _, err := s.Deployment(ctx, "1", "d-1"); return err },
		"target":     func(ctx context.Context) error { _, err := s.Target(ctx, "d-1", "i-00500"); return err },
		"group":      func(ctx context.Context) error { _, err := s.GroupByID(ctx, d.Spec.GroupID); return err },
		"due":        func(ctx context.Context) error { _, err := s.NextDue(ctx); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := read(context.Background()); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// eventLogWrites appends chunks of a live stream, five lines each, from many hosts at the same time.
func eventLogWrites(b *testing.B, open func(testing.TB) store.Store) {
	for _, hosts := range []int{1, 100} {
		b.Run(fmt.Sprintf("hosts=%d", hosts), func(b *testing.B) {
			s := open(b)
			running(b, s, "d-LOG")
			var host atomic.Int64
			b.SetParallelism(hosts)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				k := store.EventLogKey{DeploymentID: "d-LOG", Target: fmt.Sprintf("i-%05d", host.Add(1)), Attempt: 1, Event: deploy.ApplicationStop}
				for first := int64(0); pb.Next(); first += 5 {
					c := store.LogChunk{EventLogKey: k, First: first}
					for range 5 {
						c.Lines = append(c.Lines, store.LogLine{At: time.Unix(1, 0), Stream: store.LogStdout, Text: "the quick brown fox jumps over the lazy dog and writes a line"})
					}
					if _, err := s.AppendEventLog(context.Background(), c); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
