package seed

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
	"crossfade/internal/store/sqlite"
)

func TestFill(t *testing.T) {
	t.Parallel()
	s, err := sqlite.Open(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	const account, n = "000000000000", inBatch + 500
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	told := 0
	made, err := Fill(t.Context(), s, account, n, now, func(done int) { told = done })
	if err != nil {
		t.Fatal(err)
	}
	if told != n || len(made.Groups) != groups || len(made.Deployments) != n {
		t.Errorf("told of %d, %d groups, %d ids", told, len(made.Groups), len(made.Deployments))
	}
	for status, want := range map[deploy.Status]int{deploy.StatusSucceeded: n * 9 / 10, deploy.StatusFailed: n / 10} {
		list, err := s.Deployments(t.Context(), account, store.DeploymentFilter{Statuses: []deploy.Status{status}}, store.Page{})
		if err != nil || len(list) != want {
			t.Errorf("%s: %d, %v, want %d", status, len(list), err, want)
		}
	}
	d, err := s.Deployment(t.Context(), account, made.Deployments[len(made.Deployments)-1])
	if err != nil || !d.State.Status.Terminal() || !d.State.CompletedAt.Before(now) || d.Spec.Application != made.Application {
		t.Errorf("%+v, %v", d, err)
	}
	// Nothing is left to do for a server that takes it over.
	effects, err := s.Effects(t.Context())
	if err != nil || len(effects) != 0 {
		t.Errorf("effects %v, %v", effects, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Fill(ctx, s, "111111111111", 1, now, func(int) {}); err == nil {
		t.Error("it went on after its end")
	}
}

func TestIdentifiersAreUniqueAndLookDrawn(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	ascending := 0
	last := ""
	for i := range 200_000 {
		id := identifier(i)
		if seen[id] || len(id) != len("d-ABCDEFGHI") {
			t.Fatalf("%d has %q", i, id)
		}
		seen[id] = true
		if id > last {
			ascending++
		}
		last = id
	}
	if ascending < 50_000 || ascending > 150_000 {
		t.Errorf("%d of 200000 come after the one before", ascending)
	}
}
