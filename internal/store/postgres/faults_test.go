package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/counterpart"
	"crossfade/internal/deploy"
	"crossfade/internal/store"
	"crossfade/internal/store/postgres"
	"crossfade/internal/store/storetest"
)

func application(name string) deploy.Application {
	return deploy.Application{ID: name, Account: "1", Name: name, Platform: deploy.PlatformServer}
}

// TestAServerThatStalls stops in the middle of a write. The others go on without it, and it begins anew when it comes back.
func TestAServerThatStalls(t *testing.T) {
	t.Parallel()
	ctx, at := t.Context(), fresh(t)
	stalls, other := open(t, at), open(t, at)
	if err := stalls.CreateApplication(ctx, application("shop"), 10); err != nil {
		t.Fatal(err)
	}
	g := deploy.Group{ID: "g", Account: "1", ApplicationID: "shop", Application: "shop", Name: "web"}
	if err := stalls.CreateGroup(ctx, g, 10); err != nil {
		t.Fatal(err)
	}
	runs := 0
	err := stalls.UpdateGroup(ctx, "1", "g", func(g *deploy.Group) error {
		if runs++; runs == 1 {
			if err := other.CreateApplication(ctx, application("other"), 10); err != nil {
				t.Errorf("beside a server that stalls: %v", err)
			}
		}
		g.Tags = map[string]string{"runs": fmt.Sprint(runs)}
		return nil
	})
	if err != nil || runs < 2 { // on a slow machine it may stall again
		t.Errorf("the write that stalled ran %d times, %v", runs, err)
	}
	got, err := other.GroupByID(ctx, "g")
	if err != nil || got.Tags["runs"] != fmt.Sprint(runs) {
		t.Errorf("the group is %+v, %v; want that of run %d", got, err, runs)
	}
}

// TestConnectionsAreCut cuts every connection again and again under two servers that write.
func TestConnectionsAreCut(t *testing.T) {
	t.Parallel()
	p := counterpart.PostgresServer(t, "fsync=off")
	at := p.Database(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	var lines []string
	var failed atomic.Int32
	var all sync.WaitGroup
	for range 2 {
		v := storetest.Victim{
			Store: open(t, at),
			Acknowledged: func(line string) {
				mu.Lock()
				defer mu.Unlock()
				lines = append(lines, line)
			},
			Failed: func(error) bool { failed.Add(1); return true },
		}
		all.Go(func() { v.Run(ctx) })
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(lines)
	}
	written := func() int {
		mu.Lock()
		defer mu.Unlock()
		ids := map[string]bool{}
		for _, line := range lines {
			if f := strings.Fields(line); f[0] == "deployment" {
				ids[f[1]] = true
			}
		}
		return len(ids)
	}
	for cuts := 0; cuts < 12 || written() < 5; cuts++ {
		before := count()
		p.SQL(t, "postgres", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'crossfade'`)
		for deadline := time.Now().Add(time.Minute); count() < before+20; time.Sleep(2 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the servers don't write any more")
			}
		}
	}
	stop()
	all.Wait()
	var acknowledged storetest.Acknowledged
	acknowledged.Add(t, lines)
	acknowledged.Check(t, open(t, at))
	acknowledged.Enough(t, 50, 5)
	t.Logf("%d writes failed, most of them in the middle of a commit or at the end of the test", failed.Load())
}

// TestChangesComeInOrder reads the feed while two servers write to it: whoever has read an entry never finds an earlier one afterwards.
func TestChangesComeInOrder(t *testing.T) {
	t.Parallel()
	at := fresh(t)
	var writers sync.WaitGroup
	for n := range 2 {
		s := open(t, at)
		writers.Go(func() {
			for i := range 40 {
				replica := fmt.Sprintf("r-%d", n)
				_, err := s.Attend(t.Context(), store.Attendance{Replica: replica, For: time.Minute, Sole: []string{fmt.Sprintf("sole-%d-%d", n, i)}})
				if err == nil {
					err = s.Leave(t.Context(), replica)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		writers.Wait()
	}()
	s := open(t, at)
	read := func(position int64) (positions []int64) {
		for {
			c, err := s.Changes(t.Context(), position, "", 1)
			if err != nil {
				t.Fatal(err)
			}
			if c.Position == position {
				return positions
			}
			position = c.Position
			positions = append(positions, position)
		}
	}
	seen := []int64{1}
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		seen = append(seen, read(seen[len(seen)-1])...)
	}
	if all := read(1); fmt.Sprint(seen[1:]) != fmt.Sprint(all) || len(all) < 80 {
		t.Errorf("seen one after the other: %v\nat the end: %v", seen[1:], all)
	}
}

// TestOthersAreTold holds that a server hears of another one's changes.
func TestOthersAreTold(t *testing.T) {
	t.Parallel()
	at := fresh(t)
	writes, watches := open(t, at), open(t, at)
	ctx, stop := context.WithCancel(t.Context())
	told := make(chan struct{}, 100)
	var watcher sync.WaitGroup
	watcher.Go(func() { watches.Watch(ctx, func() { told <- struct{}{} }) })
	hears := func(what string) {
		t.Helper()
		select {
		case <-told:
		case <-time.After(time.Minute):
			t.Fatalf("never: %s", what)
		}
	}
	hears("it listens")
	if _, err := writes.Attend(ctx, store.Attendance{Replica: "a", For: time.Minute, Sole: []string{"x"}}); err != nil {
		t.Fatal(err)
	}
	if err := writes.Leave(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	hears("it is told")
	stop()
	watcher.Wait()
}

func TestDatabasesThatDoNotSuit(t *testing.T) {
	t.Parallel()
	silent := slog.New(slog.DiscardHandler)
	p := counterpart.PostgresServer(t, "fsync=off")
	p.SQL(t, "postgres", `CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0`)
	newer := p.Database(t)
	if _, _, err := postgres.Migrate(t.Context(), newer, silent); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(newer)
	if err != nil {
		t.Fatal(err)
	}
	p.SQL(t, path.Base(u.Path), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)`)
	for at, want := range map[string]string{
		newer:          "a newer Crossfade wrote it (schema 99999",
		p.URL("ascii"): "its encoding is SQL_ASCII",
		p.URL("none"):  `database "none" does not exist`,
		"postgres://crossfade:geheim@/x?host=/nowhere":               "/nowhere",
		"postgres://crossfade:geheim@127.0.0.1:1/x?sslmode=disable":  "127.0.0.1",
		"postgres://crossfade:geheim@127.0.0.1:1/x?sslmode=verified": "sslmode",
		"mysql://crossfade:geheim@h/d":                               "no URL of a PostgreSQL",
	} {
		s, err := postgres.Open(t.Context(), at, silent)
		if err == nil {
			err = s.Close()
			t.Errorf("%s was opened, %v", at, err)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v, want %q", at, err, want)
		}
	}
}

// TestServersStartAtOnce has several make the tables of the same database.
func TestServersStartAtOnce(t *testing.T) {
	t.Parallel()
	at := counterpart.Postgres(t)
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			s, err := postgres.Open(t.Context(), at, slog.New(slog.DiscardHandler))
			if err == nil {
				err = s.CreateApplication(t.Context(), application(fmt.Sprint(n)), 10)
			}
			if err == nil {
				err = s.Close()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if names, err := open(t, at).Applications(t.Context(), "1", store.Page{}); err != nil || len(names) != 4 {
		t.Errorf("there are %v, %v", names, err)
	}
}

// TestADatabaseThatTakesNoWrites is not one to send calls to, standby or not.
func TestADatabaseThatTakesNoWrites(t *testing.T) {
	t.Parallel()
	p := counterpart.PostgresServer(t, "fsync=off")
	at := p.Database(t)
	s := open(t, at)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	// As providers do when the disk is full.
	p.SQL(t, "postgres", `ALTER DATABASE `+databaseOf(at)+` SET default_transaction_read_only = on`)
	p.SQL(t, "postgres", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'crossfade'`)
	for late := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := s.Ping(t.Context())
		if err != nil && strings.Contains(err.Error(), "writes") {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("it takes no writes, and counts as ready: %v", err)
		}
	}
}

// TestTheDatabasesClockIsPutBack leaves leases that seem to hold for an hour. Nobody waits for them longer than for others.
func TestTheDatabasesClockIsPutBack(t *testing.T) {
	t.Parallel()
	p := counterpart.PostgresServer(t, "fsync=off")
	at := p.Database(t)
	gone, lives := open(t, at), open(t, at)
	attend := func(s store.Replicas, name string) store.Attended {
		t.Helper()
		got, err := s.Attend(t.Context(), store.Attendance{Replica: name, For: 200 * time.Millisecond, Sole: []string{"duty"}})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := attend(gone, "gone"); len(got.Held) != 1 {
		t.Fatalf("holds %v", got.Held)
	}
	const hour = `3600000000000`
	p.SQL(t, databaseOf(at), `UPDATE lease SET until = until + `+hour+` WHERE owner = 'gone'; UPDATE replica SET until = until + `+hour+` WHERE name = 'gone'`)
	for late := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got := attend(lives, "lives")
		if len(got.Held) == 1 && len(got.Live) == 1 {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("a replica that is gone still counts: live are %v, held is %v", got.Live, got.Held)
		}
	}
}
