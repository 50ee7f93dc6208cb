package retention_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/retention"
	"crossfade/internal/store/sqlite"
)

// benchDeployments is how many deployments are cleaned up beside the writes, each with copiedTargets targets and copiedLines lines of journal.
const (
	benchDeployments = 100_000
	copiedTargets    = 4
	copiedLines      = 40
)

// BenchmarkWriteBesideCleaning measures how long a write takes to be durable, four callers at a time: at rest, and while a hundred thousand deployments
// are cleaned up. The ratios are of one run on one machine.
func BenchmarkWriteBesideCleaning(b *testing.B) {
	dir := b.TempDir()
	fill(b, dir)
	s, err := sqlite.Open(b.Context(), dir, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}()
	n := 0
	write := func(into *[]time.Duration) {
		const callers, each = 4, 250
		var mu sync.Mutex
		var done sync.WaitGroup
		for range callers {
			n++
			caller := n
			done.Go(func() {
				for i := range each {
					name := fmt.Sprintf("w-%d-%d", caller, i)
					a := deploy.Application{ID: name, Account: "9", Name: name, Platform: deploy.PlatformServer, CreatedAt: now}
					began := time.Now()
					if err := s.CreateApplication(b.Context(), a, 1<<30); err != nil {
						b.Error(err)
						return
					}
					took := time.Since(began)
					mu.Lock()
					*into = append(*into, took)
					mu.Unlock()
					time.Sleep(2 * time.Millisecond) // a busy client, not a flood
				}
			})
		}
		done.Wait()
	}
	var rest, busy []time.Duration
	var removed retention.Summary
	var cleaning time.Duration
	for b.Loop() {
		// In turns, so that whatever else the machine does falls on both.
		for range 8 {
			write(&rest)
			stop := clean(b, s)
			began := time.Now()
			write(&busy)
			cleaning += time.Since(began)
			sum := stop()
			removed.Rows, removed.Deployments = removed.Rows+sum.Rows, removed.Deployments+sum.Deployments
		}
		stop := clean(b, s)
		time.Sleep(3 * time.Second)
		alone := stop()
		b.ReportMetric(float64(alone.Rows)/3, "alone-rows/s")
	}
	at := func(all []time.Duration, percent int) float64 {
		slices.Sort(all)
		return float64(all[len(all)*percent/100].Microseconds())
	}
	for _, percent := range []int{50, 90, 99} {
		b.ReportMetric(at(rest, percent), fmt.Sprintf("rest-p%d-us", percent))
		b.ReportMetric(at(busy, percent), fmt.Sprintf("cleaning-p%d-us", percent))
		b.ReportMetric(at(busy, percent)/at(rest, percent), fmt.Sprintf("p%d-ratio", percent))
	}
	b.ReportMetric(float64(removed.Rows)/cleaning.Seconds(), "beside-rows/s")
}

// clean cleans up until the function that it returns is called.
func clean(b *testing.B, s *sqlite.Store) (stop func() retention.Summary) {
	ctx, cancel := context.WithCancel(b.Context())
	r := retention.New(retention.Config{
		Store: s, Policy: retention.Policy{Deployments: retention.Limit{Age: 400 * day, Count: 10}}, Interval: time.Hour, Clock: system{}, Log: slog.New(slog.DiscardHandler),
	})
	ended := make(chan retention.Summary, 1)
	go func() {
		sum, err := r.RunOnce(ctx)
		if err == nil {
			b.Errorf("the cleaning was over too soon: %+v", sum)
		}
		ended <- sum
	}()
	return func() retention.Summary {
		cancel()
		return <-ended
	}
}

type system struct{}

func (system) Now() time.Time { return time.Now() }

// fill makes a history of copies of one deployment, in SQL: making each by its events would take longer than the benchmark.
func fill(b *testing.B, dir string) {
	b.Helper()
	s, err := sqlite.Open(b.Context(), dir, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	w := &world{t: b, s: s, told: map[string]int64{}, group: deploy.Group{ID: "g", Account: account, ApplicationID: "a", Application: "shop", Name: "web"}}
	if err := s.CreateApplication(b.Context(), deploy.Application{ID: "a", Account: account, Name: "shop", Platform: deploy.PlatformServer, CreatedAt: now}, 10); err != nil {
		b.Fatal(err)
	}
	if err := s.CreateGroup(b.Context(), w.group, 10); err != nil {
		b.Fatal(err)
	}
	w.deployment(day, false)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "crossfade.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	}()
	db.SetMaxOpenConns(1)
	const numbers = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) `
	copies := fmt.Sprintf(numbers, benchDeployments)
	for _, statement := range []string{
		`PRAGMA synchronous = OFF`,
		copies + `INSERT INTO deployment (id, account, application_id, group_id, external_id, config, created_at, status, version, wake_at, state, standing, root)
			SELECT printf('d-%09d', i), account, application_id, 'g-' || (i % 20), external_id, config, created_at + i, status, version, wake_at, state, standing, root FROM deployment, n WHERE id = 'd-0001'`,
		copies + `INSERT INTO deployment_spec (deployment_id, spec) SELECT printf('d-%09d', i), spec FROM deployment_spec, n WHERE deployment_id = 'd-0001'`,
		copies + fmt.Sprintf(`, k (j) AS (SELECT 1 UNION ALL SELECT j + 1 FROM k WHERE j < %d) `, copiedTargets) + `INSERT INTO target (deployment_id, id, lane, rank, turn, status, due_at, doc)
			SELECT printf('d-%09d', i), 'web-' || j, 'original', 0, 9, 'Succeeded', NULL, printf('%.500c', 'x') FROM n, k`,
		copies + fmt.Sprintf(`, k (j) AS (SELECT 1 UNION ALL SELECT j + 1 FROM k WHERE j < %d) `, copiedLines) + `INSERT INTO journal (deployment_id, number, at, target_id, event, from_status, to_status, text)
			SELECT printf('d-%09d', i), j, 1767225600000000000 + j, 'web-1', 'AfterInstall', 'Pending', 'InProgress', 'the event is sent to the host' FROM n, k`,
	} {
		if _, err := db.ExecContext(b.Context(), statement); err != nil {
			b.Fatalf("%s: %v", statement, err)
		}
	}
}
