package s3store

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"
)

// Bucket is what is known of a bucket.
type Bucket struct {
	Name    string    `json:"-"`
	Account string    `json:"account"`
	Created time.Time `json:"created"`
}

// bucket is a bucket and the index of its objects. Guarded by Store.mu.
type bucket struct {
	Bucket
	keys    []string // sorted by bytes
	objects map[string]entry
}

// entry is what a listing says of an object.
type entry struct {
	size     int64
	etag     string
	modified time.Time
}

func (b *bucket) put(o Object) {
	if _, ok := b.objects[o.Key]; !ok {
		i, _ := slices.BinarySearch(b.keys, o.Key)
		b.keys = slices.Insert(b.keys, i, o.Key)
	}
	b.objects[o.Key] = entry{size: o.Size, etag: o.ETag, modified: o.Modified}
}

func (b *bucket) delete(key string) {
	if i, ok := slices.BinarySearch(b.keys, key); ok {
		b.keys = slices.Delete(b.keys, i, i+1)
	}
	delete(b.objects, key)
}

// CheckBucketName refuses what S3 would not take for a bucket's name.
func CheckBucketName(name string) error {
	ok := len(name) >= 3 && len(name) <= 63 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == ""
	for label := range strings.SplitSeq(name, ".") {
		ok = ok && label != "" && label[0] != '-' && label[len(label)-1] != '-'
	}
	if _, err := netip.ParseAddr(name); err == nil {
		ok = false
	}
	if !ok {
		return refuse(InvalidBucketName, "A bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens, begins and ends each label with a letter or digit, and is no IP address.")
	}
	return nil
}

// bucket finds a bucket. The caller holds mu.
func (s *Store) bucket(name string) (*bucket, error) {
	b, ok := s.buckets[name]
	if !ok {
		return nil, refuse(NoSuchBucket, "The specified bucket does not exist.")
	}
	return b, nil
}

// CreateBucket makes a bucket for an account, durably. One that is there already is refused, by another code when it is the account's own.
func (s *Store) CreateBucket(account, name string) (err error) {
	if err := CheckBucketName(name); err != nil {
		return err
	}
	done, err := s.write()
	if err != nil {
		return err
	}
	var changed []change
	defer func() { err = errors.Join(err, done(changed...)) }()
	if b, err := s.bucketNow(name); err == nil {
		if b.Account == account {
			return refuse(BucketOwned, "The bucket exists already, and it is yours.")
		}
		return refuse(BucketExists, "The bucket exists already; choose another name.")
	}
	b := Bucket{Name: name, Account: account, Created: s.o.Now().UTC()}
	// A rename makes the bucket appear whole or not at all.
	dir, err := os.MkdirTemp(s.tmp(), "bucket-*")
	if err != nil {
		return diskError("make a bucket", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "objects"), 0o700), writeJSON(filepath.Join(dir, "bucket.json"), b), syncDir(dir)); err != nil {
		return diskError("make a bucket", err)
	}
	if err := os.Rename(dir, s.bucketDir(name)); err != nil {
		return diskError("name a bucket", err)
	}
	s.mu.Lock()
	s.buckets[name] = &bucket{Bucket: b, objects: map[string]entry{}}
	s.mu.Unlock()
	changed = append(changed, change{Bucket: name})
	return syncDir(s.bucketDir(""))
}

// EnsureBucket makes a bucket unless it is there. One of another account is refused.
func (s *Store) EnsureBucket(account, name string) error {
	err := s.CreateBucket(account, name)
	var refused *Error
	if errors.As(err, &refused) && refused.Code == BucketOwned {
		return nil
	}
	return err
}

// DeleteBucket takes an empty bucket away, durably. Uploads that are not complete don't keep it.
func (s *Store) DeleteBucket(name string) error {
	if err := s.deleteBucket(name); err != nil {
		return err
	}
	return s.dropUploads(func(u *upload) bool { return u.Bucket == name })
}

func (s *Store) deleteBucket(name string) (err error) {
	done, err := s.write()
	if err != nil {
		return err
	}
	var changed []change
	defer func() { err = errors.Join(err, done(changed...)) }()
	s.mu.RLock()
	b, err := s.bucket(name)
	full := err == nil && len(b.keys) > 0
	s.mu.RUnlock()
	if err != nil {
		return err
	}
	if full {
		return refuse(BucketNotEmpty, "The bucket is not empty; delete its objects first.")
	}
	if err := s.discard(s.bucketDir(name), func() { delete(s.buckets, name) }); err != nil {
		return err
	}
	changed = append(changed, change{Bucket: name})
	return nil
}

// discard takes a directory away at once and durably; forget runs when it is gone by name, under mu.
func (s *Store) discard(dir string, forget func()) error {
	away, err := os.MkdirTemp(s.tmp(), "gone-*")
	if err != nil {
		return diskError("delete "+filepath.Base(dir), err)
	}
	err = os.Rename(dir, filepath.Join(away, "x"))
	if s.o.Shared && errors.Is(err, fs.ErrNotExist) {
		err = nil // another server was faster
	}
	if err != nil {
		return errors.Join(diskError("delete "+filepath.Base(dir), err), os.RemoveAll(away))
	}
	s.mu.Lock()
	forget()
	s.mu.Unlock()
	return errors.Join(syncDir(filepath.Dir(dir)), os.RemoveAll(away))
}

// Bucket looks at a bucket.
func (s *Store) Bucket(name string) (Bucket, error) {
	if err := s.catchUp(); err != nil {
		return Bucket{}, err
	}
	return s.bucketNow(name)
}

func (s *Store) bucketNow(name string) (Bucket, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucket(name)
	if err != nil {
		return Bucket{}, err
	}
	return b.Bucket, nil
}

// Buckets are an account's buckets, by name.
func (s *Store) Buckets(account string) []Bucket {
	if err := s.catchUp(); err != nil {
		s.o.Log.Warn("buckets of other servers may be missing from the list", "error", err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Bucket
	for _, b := range s.buckets {
		if b.Account == account {
			out = append(out, b.Bucket)
		}
	}
	slices.SortFunc(out, func(a, b Bucket) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// loadBuckets reads the index from the disk.
func (s *Store) loadBuckets() error {
	dirs, err := os.ReadDir(s.bucketDir(""))
	if err != nil {
		return fmt.Errorf("read the revision store's buckets: %w", err)
	}
	for _, d := range dirs {
		b := &bucket{objects: map[string]entry{}}
		if err := readJSON(filepath.Join(s.bucketDir(d.Name()), "bucket.json"), &b.Bucket); err != nil {
			if errors.Is(err, fs.ErrNotExist) || CheckBucketName(d.Name()) != nil {
				s.o.Log.Warn("not a bucket; left as it is", "path", s.bucketDir(d.Name()))
				continue
			}
			return err
		}
		b.Name = d.Name()
		if err := s.loadObjects(b); err != nil {
			return err
		}
		s.buckets[b.Name] = b
	}
	return nil
}

func (s *Store) loadObjects(b *bucket) error {
	files, err := os.ReadDir(s.objectsDir(b.Name))
	if err != nil {
		return fmt.Errorf("read bucket %s: %w", b.Name, err)
	}
	for _, f := range files {
		path := filepath.Join(s.objectsDir(b.Name), f.Name())
		r, err := openObject(path)
		if err != nil {
			// One spoilt file must not keep the others from being deployed.
			s.o.Log.Error("an object can't be read; it is left as it is and not listed", "bucket", b.Name, "path", path, "error", err)
			continue
		}
		if err := r.Close(); err != nil {
			return fmt.Errorf("read bucket %s: %w", b.Name, err)
		}
		if fileName(r.Key) != f.Name() {
			s.o.Log.Error("an object's file has another object's name; it is left as it is and not listed", "bucket", b.Name, "path", path)
			continue
		}
		b.objects[r.Key] = entry{size: r.Size, etag: r.ETag, modified: r.Modified}
		b.keys = append(b.keys, r.Key)
	}
	sort.Strings(b.keys)
	return nil
}
