package postgres_test

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/counterpart"
	"crossfade/internal/store"
)

// databaseOf is the name of the database of a URL.
func databaseOf(at string) string { return path.Base(at[:strings.Index(at, "?")]) }

// TestACommitIsNotMadeTwice ends the connection in the middle of commits, as a database that is stopped in good order does: it says that the commit
// came to be, and then that the session is over.
func TestACommitIsNotMadeTwice(t *testing.T) {
	t.Parallel()
	// Each commit takes a tenth of a second, in which the session can't be ended.
	p := counterpart.PostgresServer(t, "commit_delay=100000", "commit_siblings=0")
	s := open(t, p.Database(t))
	over := make(chan struct{})
	go func() {
		defer close(over)
		p.SQL(t, "postgres", `DO $$ BEGIN
			FOR i IN 1..10 LOOP
				LOOP
					PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'crossfade' AND state = 'active' AND query = 'COMMIT';
					EXIT WHEN FOUND;
					PERFORM pg_sleep(0.001), pg_stat_clear_snapshot();
				END LOOP;
				PERFORM pg_sleep(0.2), pg_stat_clear_snapshot();
			END LOOP; END $$`)
	}()
	for i, running := 0, true; running; i++ {
		name := fmt.Sprintf("shop-%d", i)
		if err := s.CreateApplication(t.Context(), application(name), 1000); errors.Is(err, store.ErrExists) {
			t.Errorf("application %s was made, and then made again", name)
		}
		select {
		case <-over:
			running = false
		default:
		}
	}
}

// TestADatabaseOfAnotherIsolation has sessions see one moment, from before they waited for their turn, unless they say otherwise: a lease that was taken
// meanwhile must be seen all the same.
func TestADatabaseOfAnotherIsolation(t *testing.T) {
	t.Parallel()
	p := counterpart.PostgresServer(t, "fsync=off", "default_transaction_isolation=repeatable read")
	at := p.Database(t)
	s := open(t, at)
	got, err := s.Attend(t.Context(), store.Attendance{Replica: "a", For: time.Minute, Sole: []string{"duty"}})
	if err != nil || len(got.Held) != 1 {
		t.Fatalf("holds %v, %v", got.Held, err)
	}
	var other sync.WaitGroup
	other.Go(func() {
		p.SQL(t, databaseOf(at), `BEGIN; SELECT pg_advisory_xact_lock(7305808869229538160); UPDATE lease SET owner = 'b', epoch = epoch + 1; `+
			untilWaits+`; COMMIT`)
	})
	until(t, "the other one writes", func() bool {
		return p.SQL(t, databaseOf(at), `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted`) == "1"
	})
	_, err = s.SharedBatch(t.Context(), "a", time.Now(), func(b store.SharedBatch) error { return b.Fence(t.Context(), got.Held[0]) })
	other.Wait()
	if !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("the lease was taken before, and the write says %v", err)
	}
}

// untilWaits is a statement that ends once another session waits for the turn to write.
const untilWaits = `DO $$ BEGIN
	FOR i IN 1..60000 LOOP
		IF EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted) THEN RETURN; END IF;
		PERFORM pg_sleep(0.001);
	END LOOP; END $$`

// until waits for something to come true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for late := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
