package s3store_test

import (
	"crypto/md5"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/revision/s3store"
)

func begin(t *testing.T, s *s3store.Store, key string) string {
	t.Helper()
	u, err := s.CreateUpload(s3store.Upload{Bucket: "bundles", Key: key, Headers: map[string]string{"Content-Type": "application/zip"}})
	if err != nil {
		t.Fatal(err)
	}
	return u.ID
}

func part(t *testing.T, s *s3store.Store, key, id string, number int, content string) s3store.Named {
	t.Helper()
	p, err := s.PutPart(t.Context(), "bundles", key, id, number, text(content))
	if err != nil {
		t.Fatal(err)
	}
	return s3store.Named{Number: number, ETag: p.ETag}
}

// TestUploadSurvivesARestart holds that parts that were acknowledged are there after the store was opened again, and that completing twice
// answers the same object.
func TestUploadSurvivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, options(dir))
	if err := s.EnsureBucket("1", "bundles"); err != nil {
		t.Fatal(err)
	}
	id := begin(t, s, "k")
	large := strings.Repeat("x", s3store.MinPart)
	named := []s3store.Named{part(t, s, "k", id, 2, large)}
	s = open(t, options(dir))
	named = append(named, part(t, s, "k", id, 7, "the end"))
	if parts, err := s.Parts("bundles", "k", id); err != nil || len(parts) != 2 || parts[0].Number != 2 || parts[1].Size != 7 {
		t.Errorf("parts %+v %v", parts, err)
	}
	one, two := md5.Sum([]byte(large)), md5.Sum([]byte("the end"))
	want := fmt.Sprintf("%x-2", md5.Sum(append(one[:], two[:]...)))
	for range 2 {
		o, err := s.CompleteUpload(t.Context(), "bundles", "k", id, s3store.Completion{Parts: named})
		if err != nil || o.ETag != want || o.Headers["Content-Type"] != "application/zip" {
			t.Errorf("%+v %v, want the ETag %s", o, err, want)
		}
	}
	s = open(t, options(dir))
	if got, err := get(s, "k"); err != nil || got != large+"the end" {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "uploads")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v %v", left, err)
	}
	put(t, s, "k", "another")
	if _, err := s.CompleteUpload(t.Context(), "bundles", "k", id, s3store.Completion{Parts: named}); code(err) != s3store.NoSuchUpload {
		t.Errorf("completing again what was replaced: %v", err)
	}
}

func TestUploadRefusals(t *testing.T) {
	t.Parallel()
	s := withBucket(t)
	id := begin(t, s, "k")
	small, end := part(t, s, "k", id, 1, "small"), part(t, s, "k", id, 2, "end")
	wrong := end
	wrong.ETag = small.ETag
	tests := []struct {
		name  string
		parts []s3store.Named
		want  s3store.Code
	}{
		{"no part", nil, s3store.InvalidArgument},
		{"out of order", []s3store.Named{end, small}, s3store.InvalidPartOrder},
		{"one part twice", []s3store.Named{end, end}, s3store.InvalidPartOrder},
		{"a part that is not there", []s3store.Named{{Number: 9, ETag: end.ETag}}, s3store.InvalidPart},
		{"another ETag", []s3store.Named{wrong}, s3store.InvalidPart},
		{"a small part before the last", []s3store.Named{small, end}, s3store.EntityTooSmall},
	}
	for _, tt := range tests {
		if _, err := s.CompleteUpload(t.Context(), "bundles", "k", id, s3store.Completion{Parts: tt.parts}); code(err) != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
	refused := s3store.Completion{Parts: []s3store.Named{end}, Check: func(s3store.Checksum) error { return errBroken }}
	if _, err := s.CompleteUpload(t.Context(), "bundles", "k", id, refused); !errors.Is(err, errBroken) {
		t.Errorf("refused by the check: %v", err)
	}
	for _, other := range [][3]string{{"bundles", "other", id}, {"bundles", "k", "../" + id}, {"bundles", "k", ""}} {
		if err := s.AbortUpload(other[0], other[1], other[2]); code(err) != s3store.NoSuchUpload {
			t.Errorf("%v: %v", other, err)
		}
	}
	for _, number := range []int{0, -1, s3store.MaxPartNumber + 1} {
		if _, err := s.PutPart(t.Context(), "bundles", "k", id, number, text("x")); code(err) != s3store.InvalidArgument {
			t.Errorf("part %d: %v", number, err)
		}
	}
	// After all these refusals the upload is as it was.
	if _, err := s.CompleteUpload(t.Context(), "bundles", "k", id, s3store.Completion{Parts: []s3store.Named{end}}); err != nil {
		t.Error(err)
	}
}

func TestUploadsEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := options(dir)
	now := epoch
	o.Now = func() time.Time { return now }
	s := open(t, o)
	if err := s.EnsureBucket("1", "bundles"); err != nil {
		t.Fatal(err)
	}
	aborted, kept := begin(t, s, "a"), begin(t, s, "b")
	part(t, s, "a", aborted, 1, "x")
	if err := s.AbortUpload("bundles", "a", aborted); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutPart(t.Context(), "bundles", "a", aborted, 1, text("x")); code(err) != s3store.NoSuchUpload {
		t.Errorf("a part after the abort: %v", err)
	}
	now = now.Add(6 * 24 * time.Hour)
	young := begin(t, s, "c")
	now = now.Add(2 * 24 * time.Hour)
	begin(t, s, "d")
	list, err := s.Uploads("bundles")
	if err != nil || len(list) != 2 || list[0].ID != young {
		t.Errorf("a week later: %+v %v, without %s", list, err, kept)
	}
	// Uploads don't keep a bucket.
	if err := s.DeleteBucket("bundles"); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "uploads")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v %v", left, err)
	}
}

// TestUploadRaces holds that parts, completion and abort at the same time leave either the object or nothing.
func TestUploadRaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, options(dir))
	if err := s.EnsureBucket("1", "bundles"); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		key := fmt.Sprint("k", i)
		id := begin(t, s, key)
		named := part(t, s, key, id, 1, "part")
		var all sync.WaitGroup
		var completed, aborted error
		all.Go(func() {
			_, completed = s.CompleteUpload(t.Context(), "bundles", key, id, s3store.Completion{Parts: []s3store.Named{named}})
		})
		all.Go(func() { aborted = s.AbortUpload("bundles", key, id) })
		all.Go(func() {
			if _, err := s.PutPart(t.Context(), "bundles", key, id, 2, text("late")); err != nil && code(err) != s3store.NoSuchUpload {
				t.Error(err)
			}
		})
		all.Wait()
		if (completed == nil) == (aborted == nil) {
			t.Errorf("completed: %v, aborted: %v", completed, aborted)
		}
		if got, err := get(s, key); (err == nil) != (completed == nil) || err == nil && got != "part" {
			t.Errorf("%q %v after %v", got, err, completed)
		}
	}
	for _, sub := range []string{"tmp", "uploads"} {
		if left, err := os.ReadDir(filepath.Join(dir, sub)); err != nil || len(left) > 0 {
			t.Errorf("left over in %s: %v %v", sub, left, err)
		}
	}
}
