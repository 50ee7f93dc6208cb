package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"crossfade/internal/counterpart"
	"crossfade/internal/store"
	"crossfade/internal/store/postgres"
	"crossfade/internal/store/storetest"
)

// victimURL tells the test binary to be the process that is killed.
const victimURL = "CROSSFADE_TEST_VICTIM_URL"

func TestMain(m *testing.M) {
	if url := os.Getenv(victimURL); url != "" {
		ctx := context.Background()
		s, err := postgres.Open(ctx, url, slog.New(slog.DiscardHandler))
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

// TestKilled kills servers.
func TestKilled(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	url := fresh(t)
	storetest.RunKilled(t, func() *exec.Cmd {
		c := exec.CommandContext(t.Context(), self)
		c.Env, c.Stderr = append(os.Environ(), victimURL+"="+url), os.Stderr
		return c
	}, func() store.Store { return open(t, url) })
}

// TestTheDatabaseIsKilled kills PostgreSQL under two servers that write, which go on by themselves when it is back.
func TestTheDatabaseIsKilled(t *testing.T) {
	t.Parallel()
	p := counterpart.PostgresServer(t)
	url := p.Database(t)
	var acknowledged storetest.Acknowledged
	for range 3 {
		var mu sync.Mutex
		var lines []string
		count := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(lines)
		}
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 2 {
			s := open(t, url)
			all.Go(func() {
				storetest.Victim{
					Store: s,
					Acknowledged: func(line string) {
						mu.Lock()
						defer mu.Unlock()
						lines = append(lines, line)
					},
					Failed: func(error) bool {
						time.Sleep(5 * time.Millisecond)
						return true
					},
				}.Run(ctx)
			})
		}
		until := func(n int) {
			t.Helper()
			for deadline := time.Now().Add(time.Minute); count() < n; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("only %d writes were acknowledged, want %d", count(), n)
				}
			}
		}
		until(100)
		p.Kill(t)
		p.Start(t)
		until(count() + 100)
		stop()
		all.Wait()
		acknowledged.Add(t, lines)
		acknowledged.Check(t, open(t, url))
	}
	acknowledged.Enough(t, 100, 10)
}
