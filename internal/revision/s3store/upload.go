package s3store

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits of uploads in parts, as S3 has them.
const (
	MaxPartNumber = 10_000
	MinPart       = 5 << 20 // but for the last
	// keepUploads is how long an upload that nobody ends is kept.
	keepUploads = 7 * 24 * time.Hour
)

// Upload is an upload in parts that has not ended.
type Upload struct {
	ID        string            `json:"-"`
	Bucket    string            `json:"bucket"`
	Key       string            `json:"key"`
	Headers   map[string]string `json:"headers,omitempty"` // of the object to be
	Initiated time.Time         `json:"initiated"`
	// Algorithm is of the checksum that the client keeps of parts; empty: none was named.
	Algorithm Algorithm `json:"algorithm,omitempty"`
}

// upload is an upload and what orders its changes. mu is taken before Store.writing.
type upload struct {
	Upload
	mu    sync.Mutex
	ended bool
}

// Part is a part of an upload.
type Part struct {
	Number int
	Object
}

// Named is a part as the client names it to complete an upload. ETag is required; a zero Checksum is not compared.
type Named struct {
	Number   int
	ETag     string
	Checksum Checksum
}

// Completion is how an upload ends well.
type Completion struct {
	Parts []Named
	When  Condition
	// Algorithm is of the checksum to keep of the whole; empty: the one that the upload was begun with.
	Algorithm Algorithm
	// Check judges the whole before it counts; nil: nothing to check.
	Check func(Checksum) error
}

// CreateUpload begins an upload in parts, durably.
func (s *Store) CreateUpload(u Upload) (_ Upload, err error) {
	if err := checkKey(u.Key); err != nil {
		return Upload{}, err
	}
	if err := s.dropOldUploads(); err != nil {
		return Upload{}, err
	}
	done, err := s.write()
	if err != nil {
		return Upload{}, err
	}
	var changed []change
	defer func() { err = errors.Join(err, done(changed...)) }()
	if _, err := s.bucketNow(u.Bucket); err != nil {
		return Upload{}, err
	}
	u.ID, u.Initiated = s.o.NewID(), s.o.Now().UTC()
	dir, err := os.MkdirTemp(s.tmp(), "upload-*")
	if err != nil {
		return Upload{}, diskError("begin an upload", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if err := errors.Join(writeJSON(filepath.Join(dir, "upload.json"), u), syncDir(dir)); err != nil {
		return Upload{}, diskError("begin an upload", err)
	}
	if err := os.Rename(dir, s.uploadDir(u.ID)); err != nil {
		return Upload{}, diskError("begin an upload", err)
	}
	s.mu.Lock()
	s.uploads[u.ID] = &upload{Upload: u}
	s.mu.Unlock()
	changed = append(changed, change{Upload: u.ID})
	return u, syncDir(s.uploadDir(""))
}

// Upload looks at an upload.
func (s *Store) Upload(bucketName, key, id string) (Upload, error) {
	u, err := s.upload(bucketName, key, id)
	if err != nil {
		return Upload{}, err
	}
	return u.Upload, nil
}

func (s *Store) upload(bucketName, key, id string) (*upload, error) {
	if err := s.catchUp(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if _, err := s.bucket(bucketName); err != nil {
		return nil, err
	}
	u, ok := s.uploads[id]
	if !ok || u.Bucket != bucketName || u.Key != key {
		return nil, errNoUpload()
	}
	return u, nil
}

func errNoUpload() error {
	return refuse(NoSuchUpload, "The specified upload does not exist: it was completed, aborted, or given up after %d days.", int(keepUploads.Hours()/24))
}

func (s *Store) partPath(id string, number int) string {
	return filepath.Join(s.uploadDir(id), fmt.Sprintf("part-%05d", number))
}

// PutPart stores a part, durably, in place of one with the same number.
func (s *Store) PutPart(ctx context.Context, bucketName, key, id string, number int, c Content) (Part, error) {
	u, err := s.upload(bucketName, key, id)
	if err != nil {
		return Part{}, err
	}
	if number < 1 || number > MaxPartNumber {
		return Part{}, refuse(InvalidArgument, "Part number must be an integer between 1 and %d, inclusive.", MaxPartNumber)
	}
	if c.Algorithm == "" {
		c.Algorithm = u.Algorithm
	}
	st, err := s.stage(ctx, c, Object{Modified: s.o.Now().UTC()})
	if err != nil {
		return Part{}, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended {
		return Part{}, errors.Join(errNoUpload(), remove(st.path))
	}
	if err := os.Rename(st.path, s.partPath(id, number)); err != nil {
		if s.o.Shared && errors.Is(err, fs.ErrNotExist) {
			return Part{}, errors.Join(errNoUpload(), remove(st.path)) // it ended at another server
		}
		return Part{}, errors.Join(diskError("name a part", err), remove(st.path))
	}
	return Part{Number: number, Object: st.object}, syncDir(s.uploadDir(id))
}

// Parts are the parts of an upload that are there, by number.
func (s *Store) Parts(bucketName, key, id string) ([]Part, error) {
	u, err := s.upload(bucketName, key, id)
	if err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended {
		return nil, errNoUpload()
	}
	files, err := os.ReadDir(s.uploadDir(id))
	if s.o.Shared && errors.Is(err, fs.ErrNotExist) {
		return nil, errNoUpload() // it ended at another server
	}
	if err != nil {
		return nil, fmt.Errorf("read upload %s: %w", id, err)
	}
	var out []Part
	for _, f := range files {
		var number int
		if _, err := fmt.Sscanf(f.Name(), "part-%05d", &number); err != nil {
			continue
		}
		r, err := openObject(filepath.Join(s.uploadDir(id), f.Name()))
		if err != nil {
			return nil, fmt.Errorf("read a part of upload %s: %w", id, err)
		}
		out = append(out, Part{Number: number, Object: r.Object})
		if err := r.Close(); err != nil {
			return nil, fmt.Errorf("read a part of upload %s: %w", id, err)
		}
	}
	return out, nil
}

// CompleteUpload joins the named parts to the object, durably, and ends the upload. Completing once more what was completed answers the same
// object, as long as that is there.
func (s *Store) CompleteUpload(ctx context.Context, bucketName, key, id string, c Completion) (Object, error) {
	u, err := s.upload(bucketName, key, id)
	if err != nil {
		return s.completed(bucketName, key, id, err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended {
		return s.completed(bucketName, key, id, errNoUpload())
	}
	parts, etag, size, err := s.openParts(id, c.Parts)
	defer func() {
		for _, p := range parts {
			if err := p.Close(); err != nil {
				s.o.Log.Warn("close a part", "upload", id, "error", err)
			}
		}
	}()
	if err != nil {
		return Object{}, err
	}
	if err := s.mayPut(bucketName, key, c.When); err != nil {
		return Object{}, err
	}
	readers, sizes := make([]io.Reader, len(parts)), make([]int64, len(parts))
	for i, p := range parts {
		readers[i], sizes[i] = io.LimitReader(p.file, p.Size), p.Size
	}
	if c.Algorithm == "" {
		c.Algorithm = u.Algorithm
	}
	st, err := s.stage(ctx, Content{Body: io.MultiReader(readers...), Length: size, Algorithm: c.Algorithm, Check: func(sums Sums) error {
		if c.Check == nil {
			return nil
		}
		return c.Check(sums.Checksum)
	}}, Object{Key: key, Headers: u.Headers, Modified: s.o.Now().UTC(), ETag: etag, Upload: id, Parts: sizes})
	if err != nil {
		return Object{}, err
	}
	if err := s.commit(st, bucketName, c.When); err != nil {
		return Object{}, err
	}
	// The object is there and acknowledged, whatever becomes of the parts.
	if err := s.end(u); err != nil {
		s.o.Log.Warn("the parts of a complete upload could not be taken away", "upload", id, "error", err)
	}
	return st.object, nil
}

// completed answers for an upload that is gone: its object, if that is what it became.
func (s *Store) completed(bucketName, key, id string, gone error) (Object, error) {
	r, err := s.Get(bucketName, key)
	if err != nil || id == "" {
		return Object{}, gone
	}
	if err := r.Close(); err != nil {
		return Object{}, fmt.Errorf("close object %s: %w", key, err)
	}
	if r.Upload != id {
		return Object{}, gone
	}
	return r.Object, nil
}

// openParts opens the named parts and holds them against their names.
func (s *Store) openParts(id string, named []Named) (parts []*Reader, etag string, size int64, err error) {
	if len(named) == 0 || len(named) > MaxPartNumber {
		return nil, "", 0, refuse(InvalidArgument, "An upload is completed with 1 to %d parts.", MaxPartNumber)
	}
	for i := 1; i < len(named); i++ {
		if named[i].Number <= named[i-1].Number {
			return nil, "", 0, refuse(InvalidPartOrder, "The list of parts was not in ascending order: part %d follows part %d.", named[i].Number, named[i-1].Number)
		}
	}
	sums := md5.New()
	for i, n := range named {
		r, err := openObject(s.partPath(id, n.Number))
		if errors.Is(err, fs.ErrNotExist) {
			return parts, "", 0, refuse(InvalidPart, "Part %d was not uploaded.", n.Number)
		}
		if err != nil {
			return parts, "", 0, fmt.Errorf("open part %d of upload %s: %w", n.Number, id, err)
		}
		parts = append(parts, r)
		sum, err := hex.DecodeString(r.ETag)
		switch {
		case err != nil:
			return parts, "", 0, fmt.Errorf("read part %d of upload %s: %w", n.Number, id, err)
		case strings.Trim(n.ETag, `"`) != r.ETag:
			return parts, "", 0, refuse(InvalidPart, "Part %d has the ETag %s, not %s.", n.Number, r.ETag, clip(n.ETag))
		case n.Checksum.Value != "" && n.Checksum.Algorithm == r.Checksum.Algorithm && n.Checksum.Value != r.Checksum.Value:
			return parts, "", 0, refuse(InvalidPart, "Part %d has another %s checksum than the one given.", n.Number, n.Checksum.Algorithm)
		case r.Size < MinPart && i < len(named)-1:
			return parts, "", 0, refuse(EntityTooSmall, "Part %d has %d bytes; all parts but the last need %d.", n.Number, r.Size, MinPart)
		}
		sums.Write(sum)
		size += r.Size
		if size > s.o.MaxObject {
			return parts, "", 0, refuse(EntityTooLarge, "The parts have more than %d bytes, which is what an object may have.", s.o.MaxObject)
		}
	}
	return parts, fmt.Sprintf("%x-%d", sums.Sum(nil), len(named)), size, nil
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// AbortUpload ends an upload and takes its parts away.
func (s *Store) AbortUpload(bucketName, key, id string) error {
	u, err := s.upload(bucketName, key, id)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended {
		return errNoUpload()
	}
	return s.end(u)
}

// end takes an upload away. The caller holds u.mu, and not writing.
func (s *Store) end(u *upload) error {
	u.ended = true
	if err := s.discard(s.uploadDir(u.ID), func() { delete(s.uploads, u.ID) }); err != nil || !s.o.Shared {
		return err
	}
	done, err := s.write()
	if err != nil {
		return err
	}
	return done(change{Upload: u.ID})
}

// Uploads are the uploads to a bucket that have not ended, by key and then by age.
func (s *Store) Uploads(bucketName string) ([]Upload, error) {
	if err := s.catchUp(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if _, err := s.bucket(bucketName); err != nil {
		return nil, err
	}
	var out []Upload
	for _, u := range s.uploads {
		if u.Bucket == bucketName {
			out = append(out, u.Upload)
		}
	}
	slices.SortFunc(out, func(a, b Upload) int {
		if c := strings.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		if c := a.Initiated.Compare(b.Initiated); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out, nil
}

func (s *Store) loadUploads() error {
	dirs, err := os.ReadDir(s.uploadDir(""))
	if err != nil {
		return fmt.Errorf("read the revision store's uploads: %w", err)
	}
	for _, d := range dirs {
		u := &upload{}
		if err := readJSON(filepath.Join(s.uploadDir(d.Name()), "upload.json"), &u.Upload); err != nil {
			s.o.Log.Warn("not an upload; left as it is", "path", s.uploadDir(d.Name()), "error", err)
			continue
		}
		u.ID = d.Name()
		s.uploads[u.ID] = u
	}
	return nil
}

// dropOldUploads takes away what nobody ended in time.
func (s *Store) dropOldUploads() error {
	before := s.o.Now().Add(-keepUploads)
	return s.dropUploads(func(u *upload) bool { return u.Initiated.Before(before) })
}

func (s *Store) dropUploads(which func(*upload) bool) error {
	s.mu.RLock()
	var drop []*upload
	for _, u := range s.uploads {
		if which(u) {
			drop = append(drop, u)
		}
	}
	s.mu.RUnlock()
	for _, u := range drop {
		// One that is being completed is in use.
		if !u.mu.TryLock() {
			continue
		}
		var err error
		if !u.ended {
			err = s.end(u)
		}
		u.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}
