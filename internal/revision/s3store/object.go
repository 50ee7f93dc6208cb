package s3store

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"

	"crossfade/internal/safefile"
)

// Object is what is known of an object or a part, beside its content.
type Object struct {
	Key      string    `json:"key,omitempty"`
	Size     int64     `json:"size"`
	ETag     string    `json:"etag"` // without quotes: the MD5, or for an object made of N parts the MD5 of their MD5s, then -N
	Modified time.Time `json:"modified"`
	// Headers are those to send with the content, by canonical name.
	Headers  map[string]string `json:"headers,omitempty"`
	Checksum Checksum          `json:"checksum"`
	// Upload is the id of the upload that made the object, and Parts are the sizes of its parts; both are empty for an object sent in one piece.
	Upload string  `json:"upload,omitempty"`
	Parts  []int64 `json:"parts,omitempty"`
}

// The end of an object's file, after the content and the JSON: the JSON's length, and a mark that says what the file is.
const (
	mark      = "CFOBJ\x00\x00\x01"
	endSize   = 4 + len(mark)
	maxHead   = 1 << 20
	maxKey    = 1024
	copyBytes = 256 << 10
)

func checkKey(key string) error {
	switch {
	case key == "":
		return refuse(InvalidArgument, "The key is empty.")
	case len(key) > maxKey:
		return refuse(KeyTooLong, "The key has %d bytes; it may have %d.", len(key), maxKey)
	case !utf8.ValidString(key):
		return refuse(InvalidArgument, "The key is not valid UTF-8.")
	}
	return nil
}

// fileName is where a key's object is, inside its bucket's objects directory.
func fileName(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// Content is what to store.
type Content struct {
	Body   io.Reader
	Length int64 // of Body; what has another length is refused
	// Algorithm is of the checksum to keep; empty: CRC64NVME.
	Algorithm Algorithm
	// Check judges the content once all of it was read, and before it counts; nil: nothing to check.
	Check func(Sums) error
}

// Sums are what was computed while the content was written.
type Sums struct {
	MD5      []byte
	Checksum Checksum
}

// staged is an object's file, written and synced, that has no name yet.
type staged struct {
	path   string
	object Object
}

// stage writes content into a file in tmp. On an error nothing is left.
func (s *Store) stage(ctx context.Context, c Content, o Object) (_ staged, err error) {
	release, err := s.reserve(c.Length)
	if err != nil {
		return staged{}, err
	}
	defer release()
	f, err := os.CreateTemp(s.tmp(), "object-*")
	if err != nil {
		return staged{}, diskError("make a file for an object", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), remove(f.Name()))
		}
	}()
	sums, err := copyContent(ctx, f, c)
	if err != nil {
		return staged{}, err
	}
	if c.Check != nil {
		if err := c.Check(sums); err != nil {
			return staged{}, err
		}
	}
	o.Size, o.Checksum = c.Length, sums.Checksum
	if o.ETag == "" {
		o.ETag = hex.EncodeToString(sums.MD5)
	}
	if err := writeEnd(f, o); err != nil {
		return staged{}, diskError("write an object", err)
	}
	if err := f.Sync(); err != nil {
		return staged{}, diskError("sync an object", err)
	}
	if err := f.Close(); err != nil {
		return staged{}, diskError("close an object", err)
	}
	return staged{path: f.Name(), object: o}, nil
}

// body remembers what went wrong in reading, to tell it from what went wrong in writing, and ends when nobody waits any more.
type body struct {
	ctx context.Context
	io.Reader
	err error
}

func (b *body) Read(p []byte) (int, error) {
	if b.err = b.ctx.Err(); b.err != nil {
		return 0, b.err
	}
	n, err := b.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

func copyContent(ctx context.Context, f *os.File, c Content) (Sums, error) {
	sum, sum5 := c.Algorithm.orDefault().hash(), md5.New()
	// One byte more than announced shows a body that is too long, and makes the reader judge the end of one that is not.
	in := &body{ctx: ctx, Reader: io.LimitReader(c.Body, c.Length+1)}
	n, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(f, sum5, sum)}, in, make([]byte, min(copyBytes, c.Length+1)))
	switch {
	case in.err != nil:
		return Sums{}, fmt.Errorf("read the body: %w", in.err)
	case err != nil:
		return Sums{}, diskError("write an object", err)
	case n > c.Length:
		return Sums{}, refuse(IncompleteBody, "The body is longer than the %d bytes that were announced.", c.Length)
	case n < c.Length:
		return Sums{}, refuse(IncompleteBody, "The body ends after %d of the %d bytes that were announced.", n, c.Length)
	}
	return Sums{MD5: sum5.Sum(nil), Checksum: checksumOf(c.Algorithm.orDefault(), sum.Sum(nil))}, nil
}

func writeEnd(f *os.File, o Object) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	text = binary.BigEndian.AppendUint32(text, uint32(len(text)))
	_, err = f.Write(append(text, mark...))
	return err
}

// Reader is an open object. The caller closes it.
type Reader struct {
	Object
	file *os.File
}

// openObject opens an object's file. The error is fs.ErrNotExist when there is none.
func openObject(path string) (_ *Reader, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	broken := func(why string) error { return fmt.Errorf("%s is not an object's file: %s", path, why) }
	end := make([]byte, endSize)
	if info.Size() < int64(endSize) {
		return nil, broken("it is too short")
	}
	if _, err := f.ReadAt(end, info.Size()-int64(endSize)); err != nil {
		return nil, err
	}
	length := int64(binary.BigEndian.Uint32(end))
	size := info.Size() - int64(endSize) - length
	if string(end[4:]) != mark || length > maxHead || size < 0 {
		return nil, broken("its end is spoilt")
	}
	text := make([]byte, length)
	if _, err := f.ReadAt(text, size); err != nil {
		return nil, err
	}
	r := &Reader{file: f}
	if err := json.Unmarshal(text, &r.Object); err != nil {
		return nil, broken(err.Error())
	}
	if r.Size != size {
		return nil, broken(fmt.Sprintf("it holds %d bytes of content and not %d", size, r.Size))
	}
	return r, nil
}

// Section is a part of the content, which must be within it. A Reader gives one section at a time.
func (r *Reader) Section(offset, length int64) (io.Reader, error) {
	if _, err := r.file.Seek(offset, io.SeekStart); err != nil {
		return nil, fmt.Errorf("find byte %d of an object: %w", offset, err)
	}
	// A limited file is what the kernel can send by itself.
	return io.LimitReader(r.file, length), nil
}

// Close ends the reading.
func (r *Reader) Close() error { return r.file.Close() }

// remove takes a file away, if it is there.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	if err := safefile.SyncDirectory(dir); err != nil {
		return diskError("sync the directory "+filepath.Base(dir), err)
	}
	return nil
}
