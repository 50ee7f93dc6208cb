package s3store_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/revision"
	"crossfade/internal/revision/s3store"
)

var epoch = time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)

func options(dir string) s3store.Options {
	var n atomic.Int64
	return s3store.Options{
		Dir: dir, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return epoch },
		NewID: func() string { return fmt.Sprintf("upload-%d", n.Add(1)) },
		Free:  func(string) (int64, error) { return 1 << 40, nil },
	}
}

func open(t *testing.T, o s3store.Options) *s3store.Store {
	t.Helper()
	s, err := s3store.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func withBucket(t *testing.T) *s3store.Store {
	t.Helper()
	s := open(t, options(t.TempDir()))
	if err := s.EnsureBucket("1", "bundles"); err != nil {
		t.Fatal(err)
	}
	return s
}

func text(s string) s3store.Content {
	return s3store.Content{Body: strings.NewReader(s), Length: int64(len(s))}
}

func put(t *testing.T, s *s3store.Store, key, content string) s3store.Object {
	t.Helper()
	o, err := s.Put(t.Context(), "bundles", key, nil, s3store.Condition{}, text(content))
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return o
}

func get(s *s3store.Store, key string) (string, error) {
	r, _, err := s.Open(context.Background(), revision.Location{Bucket: "bundles", Key: key})
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	return string(b), errors.Join(err, r.Close())
}

func code(err error) s3store.Code {
	var e *s3store.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return s3store.Code(fmt.Sprint(err))
}

// hostile are keys that a file system would mistake for something else.
var hostile = []string{
	"a", "A", "a/b", "a/", "/a", "//", ".", "..", "../../../etc/passwd", "../bucket.json", "bucket.json", "objects/x", "a\x00b", "a\nb", "C:\\x", "con", "ä", "a\u0308",
	strings.Repeat("k", 1024), " ", "%2e%2e%2f",
}

// TestKeysNeverLeaveTheirBucket holds that every key is an object of its own, inside the directory, also after the store is opened again.
func TestKeysNeverLeaveTheirBucket(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir := filepath.Join(root, "store")
	s := open(t, options(dir))
	if err := s.EnsureBucket("1", "bundles"); err != nil {
		t.Fatal(err)
	}
	for _, key := range hostile {
		put(t, s, key, "content of "+key)
	}
	for range 2 {
		for _, key := range hostile {
			if got, err := get(s, key); err != nil || got != "content of "+key {
				t.Errorf("%q: %q %v", key, got, err)
			}
		}
		s = open(t, options(dir))
	}
	l, err := s.List("bundles", s3store.ListQuery{Max: 1000})
	if err != nil || len(l.Objects) != len(hostile) {
		t.Errorf("listed %d of %d: %v", len(l.Objects), len(hostile), err)
	}
	outside, err := os.ReadDir(root)
	if err != nil || len(outside) != 1 {
		t.Errorf("beside the store: %v %v", outside, err)
	}
	for _, key := range []string{"", strings.Repeat("k", 1025), "\xff"} {
		if _, err := s.Put(t.Context(), "bundles", key, nil, s3store.Condition{}, text("x")); err == nil {
			t.Errorf("the key %q was accepted", key)
		}
	}
	for _, name := range []string{"", "ab", "..", "a..b", "-ab", "ab-", "A-b", "a/b", "192.168.0.1", strings.Repeat("b", 64)} {
		if err := s.CreateBucket("1", name); code(err) != s3store.InvalidBucketName {
			t.Errorf("the bucket %q: %v", name, err)
		}
	}
}

func TestObjectsAreReplacedWhole(t *testing.T) {
	t.Parallel()
	s := withBucket(t)
	first := put(t, s, "k", "first")
	if want := fmt.Sprintf("%x", md5.Sum([]byte("first"))); first.ETag != want {
		t.Errorf("ETag %s, want %s", first.ETag, want)
	}
	r, err := s.Get("bundles", "k")
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "k", "second")
	section, err := r.Section(1, 3)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(section); err != nil || string(b) != "irs" {
		t.Errorf("a reader of the first got %q %v", b, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := s.Delete("bundles", "k"); err != nil {
			t.Error(err)
		}
	}
	if _, err := get(s, "k"); !errors.Is(err, revision.ErrNotFound) {
		t.Errorf("after its deletion: %v", err)
	}
}

type failing struct{ after io.Reader }

var errBroken = errors.New("broken")

func (f failing) Read(p []byte) (int, error) {
	n, err := f.after.Read(p)
	if errors.Is(err, io.EOF) {
		err = errBroken
	}
	return n, err
}

// TestWhatFailsLeavesNothing holds that an upload that is refused or breaks changes nothing and leaves no file.
func TestWhatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := options(dir)
	o.MaxObject = 1000
	s := open(t, o)
	if err := s.EnsureBucket("1", "bundles"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "k", "what was there")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name string
		ctx  context.Context
		c    s3store.Content
		want func(error) bool
	}{
		{"too short", t.Context(), s3store.Content{Body: strings.NewReader("abc"), Length: 4}, func(err error) bool { return code(err) == s3store.IncompleteBody }},
		{"too long", t.Context(), s3store.Content{Body: strings.NewReader("abcde"), Length: 4}, func(err error) bool { return code(err) == s3store.IncompleteBody }},
		{"empty but not", t.Context(), s3store.Content{Body: strings.NewReader("a"), Length: 0}, func(err error) bool { return code(err) == s3store.IncompleteBody }},
		{"broken off", t.Context(), s3store.Content{Body: failing{strings.NewReader("abcd")}, Length: 4}, func(err error) bool { return errors.Is(err, errBroken) }},
		{"refused by the check", t.Context(), s3store.Content{Body: strings.NewReader("abcd"), Length: 4, Check: func(s3store.Sums) error { return errBroken }}, func(err error) bool { return errors.Is(err, errBroken) }},
		{"cancelled", cancelled, s3store.Content{Body: strings.NewReader("abcd"), Length: 4}, func(err error) bool { return errors.Is(err, context.Canceled) }},
		{"too large", t.Context(), s3store.Content{Body: strings.NewReader(""), Length: 1001}, func(err error) bool { return code(err) == s3store.EntityTooLarge }},
		{"of no length", t.Context(), s3store.Content{Body: strings.NewReader(""), Length: -1}, func(err error) bool { return code(err) == s3store.InvalidArgument }},
	}
	for _, tt := range tests {
		if _, err := s.Put(tt.ctx, "bundles", "k", nil, s3store.Condition{}, tt.c); err == nil || !tt.want(err) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if got, err := get(s, "k"); err != nil || got != "what was there" {
		t.Errorf("afterwards: %q %v", got, err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v %v", left, err)
	}
}

func TestKeepsRoomOnTheDisk(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	o.KeepFree = 100
	free := int64(1000)
	o.Free = func(string) (int64, error) { return free, nil }
	s := open(t, o)
	if err := s.EnsureBucket("1", "bundles"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "fits", strings.Repeat("x", 900))
	free = 999
	if _, err := s.Put(t.Context(), "bundles", "k", nil, s3store.Condition{}, text(strings.Repeat("x", 900))); code(err) != s3store.InsufficientCapacity {
		t.Errorf("one byte too many: %v", err)
	}
	// What was refused does not stay reserved.
	put(t, s, "fits", strings.Repeat("x", 899))
}

// TestOpensWhatACrashLeft holds that half files and spoilt ones neither show nor keep the store from opening.
func TestOpensWhatACrashLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, options(dir))
	if err := s.EnsureBucket("1", "bundles"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "good", "good")
	objects := filepath.Join(dir, "buckets", "bundles", "objects")
	files, err := os.ReadDir(objects)
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	whole, err := os.ReadFile(filepath.Join(objects, files[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"tmp/object-1": whole[:3], "buckets/bundles/objects/" + strings.Repeat("0", 64): whole,
		"buckets/bundles/objects/cut": whole[:len(whole)-1], "buckets/bundles/objects/empty": nil,
		"buckets/bundles/objects/longer": append([]byte("x"), whole...),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "buckets", "no-bucket"), 0o700), os.Mkdir(filepath.Join(dir, "uploads", "none"), 0o700)); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	o := options(dir)
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	s = open(t, o)
	l, err := s.List("bundles", s3store.ListQuery{Max: 10})
	if err != nil || len(l.Objects) != 1 || l.Objects[0].Key != "good" {
		t.Errorf("listed %+v %v", l, err)
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 4 {
		t.Errorf("%d of 4 spoilt files were named:\n%s", n, log.String())
	}
	if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v %v", left, err)
	}
}

// TestOneOfManyWinsACondition holds that a condition and its write are one step.
func TestOneOfManyWinsACondition(t *testing.T) {
	t.Parallel()
	s := withBucket(t)
	var won atomic.Int64
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			_, err := s.Put(t.Context(), "bundles", "k", nil, s3store.Condition{NoneMatch: s3store.ETags{"*"}}, text(strings.Repeat(string(rune('a'+i)), 5000)))
			switch {
			case err == nil:
				won.Add(1)
			case code(err) != s3store.PreconditionFailed:
				t.Error(err)
			}
		})
	}
	all.Wait()
	got, err := get(s, "k")
	if won.Load() != 1 || err != nil || strings.Trim(got, got[:1]) != "" || len(got) != 5000 {
		t.Errorf("%d won; %.10q… %v", won.Load(), got, err)
	}
	if _, err := s.Put(t.Context(), "bundles", "none", nil, s3store.Condition{Match: s3store.ETags{"*"}}, text("x")); code(err) != s3store.NoSuchKey {
		t.Errorf("If-Match without an object: %v", err)
	}
	if _, err := s.Put(t.Context(), "bundles", "k", nil, s3store.Condition{Match: s3store.ETags{`"nothing"`}}, text("x")); code(err) != s3store.PreconditionFailed {
		t.Errorf("If-Match with another object: %v", err)
	}
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, options(dir))
	for i, want := range []s3store.Code{"<nil>", s3store.BucketOwned} {
		if err := s.CreateBucket("1", "one"); code(err) != want {
			t.Errorf("%d: %v, want %v", i, err, want)
		}
	}
	if err := s.CreateBucket("2", "one"); code(err) != s3store.BucketExists {
		t.Errorf("another account's: %v", err)
	}
	if err := s.EnsureBucket("2", "one"); err == nil {
		t.Error("another account's bucket was taken for one's own")
	}
	if err := s.CreateBucket("2", "two"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), "two", "k", nil, s3store.Condition{}, text("x")); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteBucket("two"); code(err) != s3store.BucketNotEmpty {
		t.Errorf("a full bucket: %v", err)
	}
	if err := errors.Join(s.Delete("two", "k"), s.DeleteBucket("two")); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteBucket("two"); code(err) != s3store.NoSuchBucket {
		t.Errorf("deleted twice: %v", err)
	}
	s = open(t, options(dir))
	if b := s.Buckets("1"); len(b) != 1 || b[0].Name != "one" || !b[0].Created.Equal(epoch) {
		t.Errorf("after opening again: %+v", b)
	}
	if b := s.Buckets("2"); len(b) != 0 {
		t.Errorf("of the other account: %+v", b)
	}
}

func TestSource(t *testing.T) {
	t.Parallel()
	s := withBucket(t)
	o := put(t, s, "app.zip", "bundle")
	tests := []struct {
		l    revision.Location
		want error
	}{
		{revision.Location{Bucket: "bundles", Key: "app.zip"}, nil},
		{revision.Location{Bucket: "bundles", Key: "app.zip", ETag: o.ETag, Version: "null"}, nil},
		{revision.Location{Bucket: "bundles", Key: "app.zip", ETag: `"` + o.ETag + `"`}, nil},
		{revision.Location{Bucket: "bundles", Key: "app.zip", ETag: "0123"}, revision.ErrChanged},
		{revision.Location{Bucket: "bundles", Key: "app.zip", Version: "3"}, revision.ErrNotFound},
		{revision.Location{Bucket: "bundles", Key: "none"}, revision.ErrNotFound},
		{revision.Location{Bucket: "none", Key: "app.zip"}, revision.ErrNotFound},
	}
	for _, tt := range tests {
		info, err := s.Stat(t.Context(), tt.l)
		if !errors.Is(err, tt.want) || err == nil && (info.Size != 6 || info.ETag != o.ETag) {
			t.Errorf("%+v: %+v %v, want %v", tt.l, info, err, tt.want)
		}
	}
}

func TestWhatWasWrittenSinceIsNotDeleted(t *testing.T) {
	t.Parallel()
	s := withBucket(t)
	o := put(t, s, "app.zip", "bundle")
	if size, gone, err := s.DeleteUnwritten("bundles", "app.zip", o.Modified); gone || err != nil || size != 6 {
		t.Errorf("written at the time: %d, %t, %v", size, gone, err)
	}
	if size, gone, err := s.DeleteUnwritten("bundles", "app.zip", o.Modified.Add(time.Nanosecond)); !gone || err != nil || size != 6 {
		t.Errorf("written before: %d, %t, %v", size, gone, err)
	}
	if _, gone, err := s.DeleteUnwritten("bundles", "app.zip", o.Modified.Add(time.Hour)); gone || err != nil {
		t.Errorf("gone already: %t, %v", gone, err)
	}
	if _, _, err := s.DeleteUnwritten("nope", "app.zip", time.Time{}); code(err) != s3store.NoSuchBucket {
		t.Errorf("no bucket: %v", err)
	}
}
