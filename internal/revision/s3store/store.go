package s3store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"crossfade/internal/revision"
)

// Options say what to open. Dir, Log, Now and NewID are required.
type Options struct {
	Dir string
	Log *slog.Logger
	Now func() time.Time
	// NewID draws the ids of uploads: unique, unguessable, and fit for a file name.
	NewID func() string
	// MaxObject is the most bytes of an object; zero: DefaultMaxObject.
	MaxObject int64
	// KeepFree is how many bytes of the disk uploads leave alone; zero: DefaultKeepFree.
	KeepFree int64
	// Shared says that other processes, also of other machines, have the directory open as well, on a file system whose locks they share.
	Shared bool
	// Free tells how many bytes the disk of a directory has left; nil: asks the system.
	Free func(dir string) (int64, error)
}

// The limits where none are given.
const (
	DefaultMaxObject = 5 << 30 // S3's own for an upload in one piece
	DefaultKeepFree  = 64 << 20
)

// Store is an open store.
type Store struct {
	o        Options
	others   others
	reserved atomic.Int64 // bytes that uploads under way may still write

	// writing orders the changes of names on disk. Taken before mu and never while mu is held; readers of the index don't wait for the disk.
	writing sync.Mutex

	mu      sync.RWMutex
	buckets map[string]*bucket
	uploads map[string]*upload
}

var _ revision.Source = (*Store)(nil)

// Open opens the store in a directory and makes the directory when it is missing.
func Open(o Options) (*Store, error) {
	if o.MaxObject == 0 {
		o.MaxObject = DefaultMaxObject
	}
	if o.KeepFree == 0 {
		o.KeepFree = DefaultKeepFree
	}
	if o.Free == nil {
		o.Free = freeBytes
	}
	s := &Store{o: o, buckets: map[string]*bucket{}, uploads: map[string]*upload{}}
	// What is in tmp has no name yet, or none any more.
	if err := s.openTmp(); err != nil {
		return nil, err
	}
	for _, dir := range []string{s.tmp(), s.bucketDir(""), s.uploadDir("")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the revision store's directory: %w", err)
		}
	}
	if err := s.skip(); err != nil {
		return nil, err
	}
	done, err := s.write()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.loadBuckets(), s.loadUploads(), done()); err != nil {
		return nil, err
	}
	return s, s.dropOldUploads()
}

func (s *Store) tmp() string                   { return filepath.Join(s.o.Dir, "tmp") }
func (s *Store) bucketDir(name string) string  { return filepath.Join(s.o.Dir, "buckets", name) }
func (s *Store) objectsDir(name string) string { return filepath.Join(s.bucketDir(name), "objects") }
func (s *Store) uploadDir(id string) string    { return filepath.Join(s.o.Dir, "uploads", id) }

// Condition is what must hold of the present object for a write to take place. The zero Condition always holds.
type Condition struct {
	// Match and NoneMatch are lists as in If-Match and If-None-Match.
	Match, NoneMatch ETags
}

func (c Condition) check(b *bucket, key string) error {
	e, exists := b.objects[key]
	switch {
	case c.Match != nil && !exists:
		return refuse(NoSuchKey, "There is no object with the key %s, and If-Match asks for one.", key)
	case c.Match != nil && !c.Match.Contains(e.etag), c.NoneMatch != nil && exists && c.NoneMatch.Contains(e.etag):
		return refuse(PreconditionFailed, "The object that is there is not the one that the condition asks for.")
	}
	return nil
}

// ETags is a list of ETags; "*" stands for any.
type ETags []string

// Contains reports whether an ETag is in the list, with or without quotes.
func (l ETags) Contains(etag string) bool {
	return slices.ContainsFunc(l, func(t string) bool { return t == "*" || revision.Unquote(t) == etag })
}

// Put stores an object, durably, in place of the one with the same key.
func (s *Store) Put(ctx context.Context, bucketName, key string, headers map[string]string, when Condition, c Content) (Object, error) {
	if err := checkKey(key); err != nil {
		return Object{}, err
	}
	// Before the body is read, so that one in vain is not; again when it is there.
	if err := errors.Join(s.catchUp(), s.mayPut(bucketName, key, when)); err != nil {
		return Object{}, err
	}
	st, err := s.stage(ctx, c, Object{Key: key, Headers: headers, Modified: s.o.Now().UTC()})
	if err != nil {
		return Object{}, err
	}
	return st.object, s.commit(st, bucketName, when)
}

func (s *Store) mayPut(bucketName, key string, when Condition) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucket(bucketName)
	if err != nil {
		return err
	}
	return when.check(b, key)
}

// commit gives a staged object its name.
func (s *Store) commit(st staged, bucketName string, when Condition) (err error) {
	done, err := s.write()
	if err != nil {
		return errors.Join(err, remove(st.path))
	}
	var changed []change
	defer func() { err = errors.Join(err, done(changed...)) }()
	o := st.object
	if err := s.mayPut(bucketName, o.Key, when); err != nil {
		return errors.Join(err, remove(st.path))
	}
	if err := os.Rename(st.path, filepath.Join(s.objectsDir(bucketName), fileName(o.Key))); err != nil {
		return errors.Join(diskError("name an object", err), remove(st.path))
	}
	s.mu.Lock()
	s.buckets[bucketName].put(o)
	s.mu.Unlock()
	changed = append(changed, change{Bucket: bucketName, Object: fileName(o.Key), Key: o.Key})
	return syncDir(s.objectsDir(bucketName))
}

// Get opens an object.
func (s *Store) Get(bucketName, key string) (*Reader, error) {
	if err := errors.Join(checkKey(key), s.catchUp()); err != nil {
		return nil, err
	}
	s.mu.RLock()
	_, err := s.bucket(bucketName)
	s.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	r, err := openObject(filepath.Join(s.objectsDir(bucketName), fileName(key)))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, refuse(NoSuchKey, "The specified key does not exist.")
	case err != nil:
		return nil, fmt.Errorf("open object %s of bucket %s: %w", key, bucketName, err)
	}
	return r, nil
}

// Delete takes an object away, durably. One that is not there is no error.
func (s *Store) Delete(bucketName, key string) error {
	_, err := s.delete(bucketName, key, func(entry) bool { return true })
	return err
}

// DeleteUnwritten takes an object away, durably, unless it was written at the time or later, and returns its size and whether it is gone.
func (s *Store) DeleteUnwritten(bucketName, key string, since time.Time) (size int64, gone bool, err error) {
	gone, err = s.delete(bucketName, key, func(e entry) bool {
		size = e.size
		return e.modified.Before(since)
	})
	return size, gone, err
}

// delete takes an object away if it is there and the function agrees.
func (s *Store) delete(bucketName, key string, agree func(entry) bool) (gone bool, err error) {
	done, err := s.write()
	if err != nil {
		return false, err
	}
	var changed []change
	defer func() { err = errors.Join(err, done(changed...)) }()
	s.mu.RLock()
	b, err := s.bucket(bucketName)
	var is entry
	there := false
	if err == nil {
		is, there = b.objects[key]
	}
	s.mu.RUnlock()
	if err != nil || !there || !agree(is) {
		return false, err
	}
	if err := remove(filepath.Join(s.objectsDir(bucketName), fileName(key))); err != nil {
		return false, diskError("delete an object", err)
	}
	s.mu.Lock()
	b.delete(key)
	s.mu.Unlock()
	changed = append(changed, change{Bucket: bucketName, Object: fileName(key), Key: key})
	return true, syncDir(s.objectsDir(bucketName))
}

// Stat implements revision.Source.
func (s *Store) Stat(ctx context.Context, l revision.Location) (revision.Info, error) {
	content, info, err := s.Open(ctx, l)
	if err != nil {
		return revision.Info{}, err
	}
	return info, content.Close()
}

// Open implements revision.Source.
func (s *Store) Open(_ context.Context, l revision.Location) (io.ReadCloser, revision.Info, error) {
	if l.Version != "" && l.Version != revision.NullVersion {
		return nil, revision.Info{}, fmt.Errorf("%s has no version %q, because the built-in store keeps no versions: %w", l, l.Version, revision.ErrNotFound)
	}
	r, err := s.Get(l.Bucket, l.Key)
	if err != nil {
		var refused *Error
		if errors.As(err, &refused) {
			err = fmt.Errorf("%s: %s: %w", l, refused.Message, revision.ErrNotFound)
		}
		return nil, revision.Info{}, err
	}
	info := revision.Info{Size: r.Size, ETag: r.ETag, Modified: r.Modified}
	if err := revision.Verify(l, info); err != nil {
		return nil, revision.Info{}, errors.Join(err, r.Close())
	}
	return content{io.LimitReader(r.file, r.Size), r}, info, nil
}

type content struct {
	io.Reader
	io.Closer
}

// writeJSON writes a small file that nobody reads yet, and syncs it.
func writeJSON(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func readJSON(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}
