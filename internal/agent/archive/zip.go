package archive

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

const (
	zipEncrypted = 0x1
	// zipMadeByUnix and zipMadeByMac are the values of a creator that stores modes.
	zipMadeByUnix = 3
	zipMadeByMac  = 19
	// maxLinkTarget bounds a symbolic link's target, in bytes.
	maxLinkTarget = 4096
)

func readZip(ctx context.Context, r io.ReaderAt, size int64, w *writer) error {
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return fmt.Errorf("%w: the zip content is damaged or no zip at all: %w", ErrRefused, err)
	}
	if len(z.File) == 0 {
		return fmt.Errorf("%w: it has no entries", ErrRefused)
	}
	if len(z.File) > w.limits.Entries {
		return fmt.Errorf("%w: it has %d entries, the limit is %d", ErrRefused, len(z.File), w.limits.Entries)
	}
	for _, f := range z.File {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := zipEntry(ctx, f, w); err != nil {
			return err
		}
	}
	return nil
}

func zipEntry(ctx context.Context, f *zip.File, w *writer) error {
	name := zipName(f)
	mode := f.Mode()
	if !storesModes(f) {
		mode &^= 0o022 // as a usual umask would
	}
	switch {
	case f.Flags&zipEncrypted != 0:
		return refuse(f.Name, "is encrypted")
	case mode.IsDir() || strings.HasSuffix(name, "/"):
		return w.directory(name, mode, f.Modified)
	case mode&fs.ModeSymlink != 0:
		target, err := zipLinkTarget(f)
		if err != nil {
			return err
		}
		return w.symlink(name, target)
	case !mode.IsRegular():
		return refuse(f.Name, "is a device, pipe or socket")
	}
	content, err := f.Open()
	if err != nil {
		return refuse(f.Name, "can't be read: %v", err)
	}
	defer content.Close()
	return w.file(ctx, name, mode, f.Modified, content, false)
}

func storesModes(f *zip.File) bool {
	creator := f.CreatorVersion >> 8
	return creator == zipMadeByUnix || creator == zipMadeByMac
}

// zipName is the entry's name with the separators that some Windows tools write put right.
func zipName(f *zip.File) string {
	if !storesModes(f) && !strings.Contains(f.Name, "/") {
		return strings.ReplaceAll(f.Name, `\`, "/")
	}
	return f.Name
}

func zipLinkTarget(f *zip.File) (string, error) {
	content, err := f.Open()
	if err != nil {
		return "", refuse(f.Name, "can't be read: %v", err)
	}
	defer content.Close()
	target, err := io.ReadAll(io.LimitReader(content, maxLinkTarget+1))
	if err != nil {
		return "", refuse(f.Name, "is damaged: %v", err)
	}
	return string(target), nil
}
