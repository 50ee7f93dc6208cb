package s3store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// lockName is the file whose lock orders the writers of a shared directory.
	lockName = "lock"
	// changesName is the file that says where others have changed something. It is only added to.
	changesName = "changes"
	// keepTmp is how long what a process that died was writing into a shared directory stays.
	keepTmp = 48 * time.Hour
)

// others are the processes that have the directory open too. The files are the truth; a line of the changes only says at what to look again.
type others struct {
	mu     sync.Mutex
	offset int64 // of the changes, as far as they are read
}

// change is a line of the changes. What it names is looked at; what it was does not matter.
type change struct {
	Bucket string `json:"bucket,omitempty"`
	Object string `json:"object,omitempty"` // the name of its file; empty: the bucket itself
	Key    string `json:"key,omitempty"`
	Upload string `json:"upload,omitempty"`
}

// write begins a change of names on disk. The caller holds neither mu nor writing, and calls done with what it has changed; nothing, when it failed.
func (s *Store) write() (done func(...change) error, err error) {
	s.writing.Lock()
	if !s.o.Shared {
		return func(...change) error { s.writing.Unlock(); return nil }, nil
	}
	f, err := os.OpenFile(filepath.Join(s.o.Dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		if err = lockFile(f); err == nil {
			err = s.catchUp()
		}
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}
	if err != nil {
		s.writing.Unlock()
		return nil, diskError("wait for other servers", err)
	}
	return func(changes ...change) error {
		defer s.writing.Unlock()
		return errors.Join(s.note(changes), f.Close())
	}, nil
}

// note adds to the changes. The caller holds the lock of the directory and has read all that came before.
func (s *Store) note(changes []change) error {
	if len(changes) == 0 {
		return nil
	}
	// Whoever died in the middle of a line has left it without an end.
	lines := bytes.NewBufferString("\n")
	for _, c := range changes {
		text, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("encode a change: %w", err)
		}
		lines.Write(append(text, '\n'))
	}
	f, err := os.OpenFile(filepath.Join(s.o.Dir, changesName), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return diskError("tell other servers", err)
	}
	_, err = f.Write(lines.Bytes())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return diskError("tell other servers", err)
	}
	return nil
}

// catchUp looks at what others have changed since it was last called. It reads own changes too, which costs a look at a file.
func (s *Store) catchUp() error {
	if !s.o.Shared {
		return nil
	}
	s.others.mu.Lock()
	defer s.others.mu.Unlock()
	path := filepath.Join(s.o.Dir, changesName)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() <= s.others.offset {
		return nil
	}
	if err != nil {
		return diskError("see what other servers have changed", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return diskError("see what other servers have changed", err)
	}
	text, err := io.ReadAll(io.NewSectionReader(f, s.others.offset, info.Size()-s.others.offset))
	if err = errors.Join(err, f.Close()); err != nil {
		return diskError("see what other servers have changed", err)
	}
	for {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			return nil // somebody is writing it
		}
		var c change
		if len(line) == 0 {
			// Nothing to look at.
		} else if err := json.Unmarshal(line, &c); err != nil {
			s.o.Log.Warn("a line of the changes can't be read; it is passed over", "path", path, "error", err)
		} else if err := s.look(c); err != nil {
			return err
		}
		s.others.offset += int64(len(line)) + 1
		text = rest
	}
}

// look takes into the index what is so on disk.
func (s *Store) look(c change) error {
	switch {
	case c == change{}:
		return nil
	case c.Upload != "":
		return s.lookAtUpload(c.Upload)
	case c.Object == "":
		return s.lookAtBucket(c.Bucket)
	}
	r, err := openObject(filepath.Join(s.objectsDir(c.Bucket), c.Object))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look at object %s of bucket %s: %w", c.Key, c.Bucket, err)
	}
	if err == nil {
		defer r.Close() //nolint:errcheck // it was only read
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[c.Bucket]
	switch {
	case b == nil:
	case err != nil:
		b.delete(c.Key)
	default:
		b.put(r.Object)
	}
	return nil
}

func (s *Store) lookAtBucket(name string) error {
	if CheckBucketName(name) != nil {
		return nil
	}
	s.mu.RLock()
	_, known := s.buckets[name]
	s.mu.RUnlock()
	b := &bucket{objects: map[string]entry{}}
	err := readJSON(filepath.Join(s.bucketDir(name), "bucket.json"), &b.Bucket)
	gone := errors.Is(err, fs.ErrNotExist)
	if known && !gone || err != nil && !gone {
		return err
	}
	if !gone {
		b.Name = name
		if err := s.loadObjects(b); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if gone {
		delete(s.buckets, name)
	} else {
		s.buckets[name] = b
	}
	return nil
}

func (s *Store) lookAtUpload(id string) error {
	if id != filepath.Base(id) {
		return nil
	}
	u := &upload{}
	err := readJSON(filepath.Join(s.uploadDir(id), "upload.json"), &u.Upload)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	u.ID = id
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		delete(s.uploads, id)
	case s.uploads[id] == nil:
		s.uploads[id] = u
	}
	return nil
}

// skip passes over what the changes have told so far. It is called before the directory is read.
func (s *Store) skip() error {
	info, err := os.Stat(filepath.Join(s.o.Dir, changesName))
	switch {
	case err == nil:
		s.others.offset = info.Size()
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("read the revision store's changes: %w", err)
	}
	return nil
}

// openTmp takes away what has no name: all of it, or what processes that died have left.
func (s *Store) openTmp() error {
	all := s.tmp()
	if !s.o.Shared {
		if err := os.RemoveAll(all); err != nil {
			return fmt.Errorf("empty the revision store's tmp: %w", err)
		}
		return nil
	}
	left, err := os.ReadDir(all)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the revision store's tmp: %w", err)
	}
	for _, d := range left {
		info, err := d.Info()
		if err != nil || s.o.Now().Sub(info.ModTime()) < keepTmp {
			continue
		}
		if err := os.RemoveAll(filepath.Join(all, d.Name())); err != nil {
			return fmt.Errorf("empty the revision store's tmp: %w", err)
		}
	}
	return nil
}
