package sqlite_test

import (
	"log/slog"
	"testing"

	"crossfade/internal/store"
	"crossfade/internal/store/sqlite"
	"crossfade/internal/store/storetest"
)

func TestFleets(t *testing.T) {
	t.Parallel()
	storetest.RunFleets(t, func(t *testing.T) func() (store.Fleets, func()) {
		dir := t.TempDir()
		return func() (store.Fleets, func()) {
			s, err := sqlite.Open(t.Context(), dir, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			return s, func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	})
}
