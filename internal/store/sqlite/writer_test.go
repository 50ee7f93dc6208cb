package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
	"crossfade/internal/store/relational"
)

func opened(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
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

func put(t relational.Tx, target string) error {
	_, err := t.Exec(`INSERT INTO registration (target_group, instance, address, registered, generation) VALUES ('g', ?, '', 1, 1)`, target)
	return err
}

func count(t *testing.T, s *Store) (n int) {
	t.Helper()
	if err := s.read.Row(t.Context(), `SELECT count(*) FROM registration`, nil, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// behind starts writes that queue up behind one that holds the connection, and returns when all have ended.
func behind(s *Store, first func(relational.Tx) error, fns ...func(relational.Tx) error) (errs []error) {
	errs = make([]error, len(fns)+1)
	var all sync.WaitGroup
	holds := make(chan struct{})
	all.Go(func() {
		errs[0] = s.write.Do(context.Background(), func(t relational.Tx) error {
			close(holds)
			for waiting := 0; waiting < len(fns); waiting, _ = s.write.Load() {
				runtime.Gosched()
			}
			return first(t)
		})
	})
	<-holds
	for i, fn := range fns {
		all.Go(func() { errs[i+1] = s.write.Do(context.Background(), fn) })
	}
	all.Wait()
	return errs
}

func TestDurabilitySettings(t *testing.T) {
	t.Parallel()
	s := opened(t)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
		var got string
		if err := s.write.Do(t.Context(), func(t relational.Tx) error { return t.Row(context.Background(), `PRAGMA `+pragma, nil, &got) }); err != nil || got != want {
			t.Errorf("%s is %q, want %q (%v)", pragma, got, want, err)
		}
	}
	if _, err := s.readDB.ExecContext(t.Context(), `DELETE FROM registration`); err == nil {
		t.Error("a read connection writes")
	}
}

func TestWritesShareACommit(t *testing.T) {
	t.Parallel()
	s := opened(t)
	no := errors.New("no")
	var number, members atomic.Int32
	group := func(t relational.Tx) error { return put(t, fmt.Sprint(number.Add(1))) }
	seen := func(t relational.Tx) error {
		_, n := s.write.Load()
		members.Store(int32(n))
		return group(t)
	}
	bad := func(t relational.Tx) error { return errors.Join(group(t), no) }
	errs := behind(s, seen, seen, bad, seen, bad, seen)
	failed := 0
	for _, err := range errs {
		if errors.Is(err, no) {
			failed++
		} else if err != nil {
			t.Error(err)
		}
	}
	if n := count(t, s); failed != 2 || n != 4 || members.Load() < 4 {
		t.Errorf("%d failed, %d rows, %d in the group; want 2, 4 and at least 4", failed, n, members.Load())
	}
}

// TestAFirstMemberThatFails gives up its transaction, and those behind it begin anew.
func TestAFirstMemberThatFails(t *testing.T) {
	t.Parallel()
	s := opened(t)
	no := errors.New("no")
	errs := behind(s, func(t relational.Tx) error { return errors.Join(put(t, "lost"), no) },
		func(t relational.Tx) error { return put(t, "a") }, func(t relational.Tx) error { return put(t, "b") })
	if !errors.Is(errs[0], no) || errs[1] != nil || errs[2] != nil || count(t, s) != 2 {
		t.Errorf("%v, %d rows", errs, count(t, s))
	}
}

func TestAPanicTakesBackItsOwn(t *testing.T) {
	t.Parallel()
	s := opened(t)
	panics := func(t relational.Tx) error {
		if err := put(t, "lost"); err != nil {
			return err
		}
		panic("oh")
	}
	caught := func(ctx context.Context) (what any) {
		defer func() { what = recover() }()
		return s.write.Do(ctx, panics)
	}
	if what := caught(t.Context()); what != "oh" {
		t.Fatalf("caught %v", what)
	}
	if err := s.write.Do(t.Context(), func(t relational.Tx) error { return put(t, "kept") }); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

// TestAFullDisk refuses what does not fit, whole, keeps what was acknowledged, and goes on when there is room again.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	s := opened(t)
	pages := func(n int) {
		t.Helper()
		var got int
		err := s.write.Do(t.Context(), func(t relational.Tx) error {
			return t.Row(context.Background(), fmt.Sprintf(`PRAGMA max_page_count = %d`, n), nil, &got)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	pages(1) // what it has already
	big := strings.Repeat("x", 100_000)
	kept := 0
	for i := range 50 {
		err := s.write.Do(t.Context(), func(t relational.Tx) error { return put(t, fmt.Sprint(i)) })
		if err == nil {
			kept++
		}
		fill := func(t relational.Tx) error { return put(t, big+fmt.Sprint(i)) }
		if err := s.write.Do(t.Context(), fill); err == nil {
			t.Fatal("what has no room was written")
		}
		for _, err := range behind(s, fill, fill, fill) {
			if err == nil {
				t.Fatal("what has no room was written")
			}
		}
	}
	if n := count(t, s); n != kept || kept == 0 {
		t.Errorf("%d rows, %d acknowledged", n, kept)
	}
	// A batch that overlooks the error is not committed either.
	a := deploy.Application{ID: "a", Account: "1", Name: "a"}
	pages(1 << 30)
	if err := errors.Join(s.CreateApplication(t.Context(), a, 9), s.CreateGroup(t.Context(), deploy.Group{ID: "g", Account: "1", ApplicationID: "a", Name: "g"}, 9)); err != nil {
		t.Fatal(err)
	}
	pages(1)
	spec := deploy.Spec{ID: "d", Account: "1", ApplicationID: "a", GroupID: "g", Kind: deploy.KindInPlace, Description: big}
	err := s.Batch(t.Context(), func(b store.Batch) error {
		if err := b.Apply(t.Context(), deploy.New(spec)); err == nil {
			t.Error("what has no room was applied")
		}
		return nil
	})
	if err == nil {
		t.Error("a batch was committed after a failure")
	}
	if _, err := s.Deployment(t.Context(), "", "d"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("half a deployment is there: %v", err)
	}
	pages(1 << 30)
	if err := s.Batch(t.Context(), func(b store.Batch) error { return b.Apply(t.Context(), deploy.New(spec)) }); err != nil {
		t.Errorf("with room again: %v", err)
	}
}
