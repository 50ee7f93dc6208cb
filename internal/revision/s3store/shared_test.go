package s3store_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"crossfade/internal/revision/s3store"
)

// sharing opens a directory several times, as servers that share it do.
func sharing(t *testing.T, dir string, n int) []*s3store.Store {
	t.Helper()
	var out []*s3store.Store
	for i := range n {
		o := options(dir)
		o.Shared = true
		o.NewID = func() string { return fmt.Sprintf("upload-%d-%d", i, len(out)) }
		out = append(out, open(t, o))
	}
	return out
}

func keys(t *testing.T, s *s3store.Store) string {
	t.Helper()
	l, err := s.List("bundles", s3store.ListQuery{Max: 100})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, o := range l.Objects {
		out = append(out, fmt.Sprintf("%s %d", o.Key, o.Size))
	}
	return strings.Join(out, ", ")
}

// TestServersShareADirectory holds that what one of them does counts for the others at once.
func TestServersShareADirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	all := sharing(t, dir, 2)
	a, b := all[0], all[1]
	if err := a.EnsureBucket("1", "bundles"); err != nil {
		t.Fatal(err)
	}
	if err := b.EnsureBucket("1", "bundles"); err != nil {
		t.Errorf("the same bucket at the other server: %v", err)
	}
	put(t, a, "one", "1")
	r, err := b.Get("bundles", "one")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	put(t, b, "two", "22")
	put(t, b, "one", "three")
	for i, s := range all {
		if got := keys(t, s); got != "one 5, two 2" {
			t.Errorf("server %d lists %s", i, got)
		}
	}
	var refused *s3store.Error
	_, err = a.Put(t.Context(), "bundles", "two", nil, s3store.Condition{NoneMatch: s3store.ETags{"*"}}, text("x"))
	if !errors.As(err, &refused) || refused.Code != s3store.PreconditionFailed {
		t.Errorf("a condition on what the other server has put: %v", err)
	}
	if err := a.Delete("bundles", "two"); err != nil {
		t.Fatal(err)
	}
	if got := keys(t, b); got != "one 5" {
		t.Errorf("after it was deleted at the other: %s", got)
	}
	// One that comes later sees the same.
	c := sharing(t, dir, 1)[0]
	if got := keys(t, c); got != "one 5" {
		t.Errorf("a third server lists %s", got)
	}
	if err := c.Delete("bundles", "one"); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteBucket("bundles"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Bucket("bundles"); !errors.As(err, &refused) || refused.Code != s3store.NoSuchBucket {
		t.Errorf("a bucket that the other has deleted: %v", err)
	}
}

// TestAnUploadComesToSeveralServers holds that the parts of an upload may come to any of them.
func TestAnUploadComesToSeveralServers(t *testing.T) {
	t.Parallel()
	all := sharing(t, t.TempDir(), 3)
	if err := all[2].EnsureBucket("1", "bundles"); err != nil {
		t.Fatal(err)
	}
	id := begin(t, all[0], "k")
	large := strings.Repeat("x", s3store.MinPart)
	named := []s3store.Named{part(t, all[1], "k", id, 1, large), part(t, all[2], "k", id, 2, "the end")}
	if parts, err := all[0].Parts("bundles", "k", id); err != nil || len(parts) != 2 {
		t.Errorf("parts %+v %v", parts, err)
	}
	if _, err := all[1].CompleteUpload(t.Context(), "bundles", "k", id, s3store.Completion{Parts: named}); err != nil {
		t.Fatal(err)
	}
	if o, err := all[2].CompleteUpload(t.Context(), "bundles", "k", id, s3store.Completion{Parts: named}); err != nil || o.Upload != id {
		t.Errorf("completed again at another server: %+v %v", o, err)
	}
	var refused *s3store.Error
	if _, err := all[0].PutPart(t.Context(), "bundles", "k", id, 3, text("late")); !errors.As(err, &refused) || refused.Code != s3store.NoSuchUpload {
		t.Errorf("a part that comes too late: %v", err)
	}
	if left, err := all[0].Uploads("bundles"); err != nil || len(left) != 0 {
		t.Errorf("uploads %+v %v", left, err)
	}
	if got := keys(t, all[0]); got != fmt.Sprintf("k %d", s3store.MinPart+7) {
		t.Errorf("listed are %s", got)
	}
}

// TestWritersOfASharedDirectoryTakeTurns holds that of several that write on condition that there is nothing, one does, and that a line that
// somebody left unfinished spoils none of the others.
func TestWritersOfASharedDirectoryTakeTurns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	all := sharing(t, dir, 4)
	if err := all[0].EnsureBucket("1", "bundles"); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "changes"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, `{"bucket":"bund`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := map[string]int{}
	for i, s := range all {
		wg.Go(func() {
			for n := range 10 {
				key := fmt.Sprint("k", n)
				_, err := s.Put(t.Context(), "bundles", key, nil, s3store.Condition{NoneMatch: s3store.ETags{"*"}}, text(fmt.Sprint(i)))
				var refused *s3store.Error
				if err != nil && (!errors.As(err, &refused) || refused.Code != s3store.PreconditionFailed) {
					t.Errorf("put %s: %v", key, err)
				}
				if err == nil {
					mu.Lock()
					won[key]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for n := range 10 {
		if key := fmt.Sprint("k", n); won[key] != 1 {
			t.Errorf("%d writers put %s", won[key], key)
		}
	}
	want := keys(t, all[0])
	for i, s := range all {
		if got := keys(t, s); got != want || strings.Count(got, ",") != 9 {
			t.Errorf("server %d lists %s", i, got)
		}
	}
}
