package sqlite_test

import (
	"log/slog"
	"testing"

	"crossfade/internal/store"
	"crossfade/internal/store/sqlite"
	"crossfade/internal/store/storetest"
)

func open(t testing.TB, dir string) *sqlite.Store {
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

func TestDurability(t *testing.T) {
	t.Parallel()
	storetest.RunDurability(t, func(t *testing.T) func() store.Store {
		dir := t.TempDir()
		return func() store.Store { return open(t, dir) }
	})
}

// TestTogether has two names of one server move one deployment.
func TestTogether(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	storetest.RunTogether(t, s, s)
}
