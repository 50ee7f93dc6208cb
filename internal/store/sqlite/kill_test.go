package sqlite_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"testing"

	"crossfade/internal/store"
	"crossfade/internal/store/sqlite"
	"crossfade/internal/store/storetest"
)

// victimDir tells the test binary to be the process that is killed.
const victimDir = "CROSSFADE_TEST_VICTIM_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		ctx := context.Background()
		s, err := sqlite.Open(ctx, dir, slog.New(slog.DiscardHandler))
		if err == nil {
			storetest.Victim{
				Store: s, Acknowledged: func(line string) { fmt.Print(line) },
				Failed: func(failed error) bool { err = failed; return false },
			}.Run(ctx)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) // it should have been killed
	}
	os.Exit(m.Run())
}

func TestKilled(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	storetest.RunKilled(t, func() *exec.Cmd {
		c := exec.CommandContext(t.Context(), self)
		c.Env, c.Stderr = append(os.Environ(), victimDir+"="+dir), os.Stderr
		return c
	}, func() store.Store { return open(t, dir) })
}
