package archive

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
)

func readTgz(ctx context.Context, r io.Reader, w *writer) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return fmt.Errorf("%w: the gzip content is damaged: %w", ErrRefused, err)
	}
	defer z.Close()
	return readTar(ctx, z, w)
}

func readTar(ctx context.Context, r io.Reader, w *writer) error {
	// A bomb may also be made of headers, which are read outside the files: 2 KiB each is what honest ones need.
	t := tar.NewReader(&boundedReader{ctx: ctx, from: r, left: w.limits.Bytes + int64(w.limits.Entries)*2048})
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return fmt.Errorf("%w: the tar content is damaged after %d entries: %w", ErrRefused, w.entries, err)
		}
		if err := tarEntry(ctx, t, h, w); err != nil {
			return err
		}
	}
	if w.entries == 0 {
		return fmt.Errorf("%w: it has no entries", ErrRefused)
	}
	return nil
}

func tarEntry(ctx context.Context, t *tar.Reader, h *tar.Header, w *writer) error {
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		return w.file(ctx, h.Name, h.FileInfo().Mode(), h.ModTime, t, true)
	case tar.TypeDir:
		return w.directory(h.Name, h.FileInfo().Mode(), h.ModTime)
	case tar.TypeSymlink:
		return w.symlink(h.Name, h.Linkname)
	case tar.TypeLink:
		return w.hardLink(h.Name, h.Linkname)
	case tar.TypeXGlobalHeader:
		_, err := w.admit("pax global header")
		return err
	case tar.TypeChar, tar.TypeBlock:
		return refuse(h.Name, "is a device")
	case tar.TypeFifo:
		return refuse(h.Name, "is a named pipe")
	default:
		return refuse(h.Name, "is of the unknown kind %q", h.Typeflag)
	}
}

// boundedReader ends with an error when more is read than the bound, or when its context ends.
type boundedReader struct {
	ctx  context.Context
	from io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.from.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errors.New("it unpacks to more than the limits allow")
	}
	return n, err
}

// localOnThisSystem adds what the operating system knows of paths, such as the reserved names of Windows.
func localOnThisSystem(name string) bool {
	return filepath.IsLocal(filepath.FromSlash(name))
}
