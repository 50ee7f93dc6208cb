package postgres_test

import (
	"log/slog"
	"testing"

	"crossfade/internal/counterpart"
	"crossfade/internal/store"
	"crossfade/internal/store/postgres"
	"crossfade/internal/store/storetest"
)

func open(t testing.TB, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, slog.New(slog.DiscardHandler))
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

// fresh is the URL of a database with the schema and nothing in it.
func fresh(t testing.TB) string {
	t.Helper()
	return counterpart.PostgresLike(t, "schema", func(url string) {
		if _, _, err := postgres.Migrate(t.Context(), url, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
	})
}

// TestDurability reopens what was written.
func TestDurability(t *testing.T) {
	t.Parallel()

	t.Run("suite", func(t *testing.T) {
		storetest.RunDurability(t, func(t *testing.T) func() store.Store {
			url := fresh(t)
			return func() store.Store { return open(t, url) }
		})
	})
}

// TestTogether has three servers move one deployment.
func TestTogether(t *testing.T) {
	t.Parallel()
	at := fresh(t)
	storetest.RunTogether(t, open(t, at), open(t, at), open(t, at))
}

// TestChangesOfKeysAreCounted holds that whoever remembers keys can tell when to forget them.
func TestChangesOfKeysAreCounted(t *testing.T) {
	t.Parallel()
	storetest.RunKeys(t, open(t, fresh(t)).Keys())
}
