package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// streamPart is how much of a stream is held in memory at a time.
const streamPart = 8 << 20

// PutStream stores what write writes, of a length that nobody knows beforehand, durably, in place of the object with the same key. On an error
// of write nothing is stored and the error is returned as it is. The object is made of parts, so its ETag is not its MD5.
func (s *Store) PutStream(ctx context.Context, bucketName, key string, write func(io.Writer) error) (_ Object, err error) {
	u, err := s.CreateUpload(Upload{Bucket: bucketName, Key: key})
	if err != nil {
		return Object{}, err
	}
	defer func() {
		if err != nil {
			if abortErr := s.AbortUpload(bucketName, key, u.ID); abortErr != nil {
				err = errors.Join(err, fmt.Errorf("take back what was stored of %s: %w", key, abortErr))
			}
		}
	}()
	w := &partWriter{ctx: ctx, store: s, upload: u, buffer: make([]byte, 0, streamPart)}
	if err := write(w); err != nil {
		return Object{}, err
	}
	if err := w.flush(); err != nil {
		return Object{}, err
	}
	return s.CompleteUpload(ctx, bucketName, key, u.ID, Completion{Parts: w.parts})
}

// partWriter makes parts of what is written to it.
type partWriter struct {
	ctx    context.Context
	store  *Store
	upload Upload
	buffer []byte
	parts  []Named
	size   int64
}

func (w *partWriter) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		n := min(len(p), cap(w.buffer)-len(w.buffer))
		w.buffer = append(w.buffer, p[:n]...)
		p, written = p[n:], written+n
		if len(w.buffer) < cap(w.buffer) {
			continue
		}
		if err := w.flush(); err != nil {
			return written, err
		}
	}
	return written, nil
}

// flush stores what is held. An object of no bytes is one empty part.
func (w *partWriter) flush() error {
	if len(w.buffer) == 0 && len(w.parts) > 0 {
		return nil
	}
	if w.size += int64(len(w.buffer)); w.size > w.store.o.MaxObject {
		return refuse(EntityTooLarge, "The content has more than %d bytes, which is what an object may have.", w.store.o.MaxObject)
	}
	part, err := w.store.PutPart(w.ctx, w.upload.Bucket, w.upload.Key, w.upload.ID, len(w.parts)+1, Content{Body: bytes.NewReader(w.buffer), Length: int64(len(w.buffer))})
	if err != nil {
		return err
	}
	w.parts = append(w.parts, Named{Number: part.Number, ETag: part.ETag})
	w.buffer = w.buffer[:0]
	return nil
}
