package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
	"crossfade/internal/store/sqlite"
)

// TestASnapshotIsOfOneMoment copies a database again and again while it is written, and holds that each copy has every write that was acknowledged
// before, and none without the ones before it.
func TestASnapshotIsOfOneMoment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	ctx, stop := context.WithCancel(t.Context())
	var acknowledged atomic.Int64
	done := make(chan error, 1)
	go func() {
		for n := int64(1); ctx.Err() == nil; n++ {
			name := fmt.Sprintf("app-%06d", n)
			a := deploy.Application{ID: name, Account: "1", Name: name, Platform: deploy.PlatformServer, CreatedAt: time.Now()}
			if err := s.CreateApplication(context.Background(), a, 1<<30); err != nil {
				done <- err
				return
			}
			acknowledged.Store(n)
		}
		done <- nil
	}()
	for round := range 3 {
		for acknowledged.Load() < int64(50*(round+1)) {
			select {
			case err := <-done:
				t.Fatal(err)
			case <-time.After(time.Millisecond):
			}
		}
		before := acknowledged.Load()
		copied, restored := filepath.Join(t.TempDir(), "copy"), t.TempDir()
		if err := (sqlite.Snapshots{Dir: dir}).Copy(t.Context(), copied); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(copied); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the copy is %v, %v", info, err)
		}
		if err := (sqlite.Snapshots{Dir: restored}).Restore(t.Context(), copied); err != nil {
			t.Fatal(err)
		}
		names, err := open(t, restored).Applications(t.Context(), "1", store.Page{})
		if err != nil || int64(len(names)) < before {
			t.Errorf("the copy has %d of %d writes, %v", len(names), before, err)
		}
		for n, name := range names {
			if name != fmt.Sprintf("app-%06d", n+1) {
				t.Fatalf("the copy lacks write %d", n+1)
			}
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	// The server goes on with its database, and has its lock.
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestASnapshotOverwritesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, dir)
	copied := filepath.Join(t.TempDir(), "copy")
	shot := sqlite.Snapshots{Dir: dir}
	if err := shot.Copy(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	if err := shot.Copy(t.Context(), copied); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a copy over a copy: %v", err)
	}
	if err := shot.Restore(t.Context(), copied); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("a restore over a database: %v", err)
	}
	empty := t.TempDir()
	if err := (sqlite.Snapshots{Dir: empty}).Copy(t.Context(), filepath.Join(empty, "copy")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a copy of nothing: %v", err)
	}
	if err := os.WriteFile(copied, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (sqlite.Snapshots{Dir: empty}).Restore(t.Context(), copied); err == nil {
		t.Error("something else was restored")
	}
}
