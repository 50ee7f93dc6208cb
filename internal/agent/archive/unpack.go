package archive

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Unpack makes the directory dest out of the bundle file. A dest that is there is replaced. When the bundle has one single directory at
// its top with an AppSpec inside, as the archives of source hosts do, that directory becomes dest.
func Unpack(ctx context.Context, bundle string, kind Kind, dest string, limits Limits) error {
	staging := dest + ".partial"
	for _, old := range []string{staging, dest} {
		if err := removeAll(old); err != nil {
			return fmt.Errorf("clear %s: %w", old, err)
		}
	}
	if err := unpackInto(ctx, bundle, kind, staging, limits.withDefaults()); err != nil {
		if cleanErr := removeAll(staging); cleanErr != nil {
			err = errors.Join(err, fmt.Errorf("remove the half-unpacked bundle: %w", cleanErr))
		}
		return fmt.Errorf("unpack %s bundle: %w", kind, err)
	}
	if err := moveInPlace(staging, dest); err != nil {
		return fmt.Errorf("unpack %s bundle: %w", kind, err)
	}
	return nil
}

func unpackInto(ctx context.Context, bundle string, kind Kind, staging string, limits Limits) error {
	f, err := os.Open(bundle)
	if err != nil {
		return fmt.Errorf("open bundle: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("look at bundle: %w", err)
	}
	if err := os.Mkdir(staging, 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	root, err := os.OpenRoot(staging)
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	defer root.Close()
	if size := info.Size(); limits.RatioFrom < size*limits.Ratio {
		limits.RatioFrom = size * limits.Ratio
	}
	w := newWriter(root, limits)
	if err := read(ctx, f, info.Size(), kind, w); err != nil {
		return err
	}
	return w.finish()
}

func read(ctx context.Context, f *os.File, size int64, kind Kind, w *writer) error {
	buffered := bufio.NewReaderSize(f, 64<<10)
	head, err := buffered.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read bundle: %w", err)
	}
	if size == 0 {
		return fmt.Errorf("%w: the file is empty", ErrRefused)
	}
	looksZip, looksGzip := bytes.HasPrefix(head, []byte("PK")), bytes.HasPrefix(head, []byte{0x1f, 0x8b})
	switch {
	case kind == Zip && looksGzip, kind == Tgz && !looksGzip, kind == Tar && looksZip:
		return fmt.Errorf("%w: the content is not %s: register the revision with the bundle type that it has, or pack it anew", ErrRefused, kind)
	case kind == Zip:
		return readZip(ctx, f, size, w)
	case looksGzip:
		return readTgz(ctx, buffered, w)
	default:
		return readTar(ctx, buffered, w)
	}
}

// moveInPlace gives the unpacked tree its name; with one rename, so that a crash leaves either all of it or none.
func moveInPlace(staging, dest string) error {
	top, err := singleTop(staging)
	if err != nil {
		return err
	}
	if top == "" {
		if err := os.Rename(staging, dest); err != nil {
			return fmt.Errorf("move into place: %w", err)
		}
		return nil
	}
	if err := checkLinks(filepath.Join(staging, top)); err != nil {
		return errors.Join(err, removeAll(staging))
	}
	if err := os.Rename(filepath.Join(staging, top), dest); err != nil {
		return fmt.Errorf("move into place: %w", err)
	}
	if err := os.Remove(staging); err != nil {
		return fmt.Errorf("remove emptied directory: %w", err)
	}
	return nil
}

// singleTop names the only entry of the directory if it is a directory with something like an AppSpec directly inside.
func singleTop(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("read directory: %w", err)
	}
	if len(entries) != 1 || !entries[0].IsDir() {
		return "", nil
	}
	top := entries[0].Name()
	inside, err := os.ReadDir(filepath.Join(dir, top))
	if err != nil {
		return "", fmt.Errorf("read directory: %w", err)
	}
	for _, e := range inside {
		if strings.Contains(strings.ToLower(e.Name()), "appspec") {
			return top, nil
		}
	}
	return "", nil
}

// checkLinks holds that no symbolic link below dir leads out of it, whatever other links it goes through. Dangling ones may stay.
func checkLinks(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("check links: %w", err)
		}
		if d.Type()&fs.ModeSymlink == 0 {
			return nil
		}
		return checkLink(root, name)
	})
}

func checkLink(root *os.Root, name string) error {
	target, err := root.Readlink(name)
	if err != nil {
		return fmt.Errorf("read link %q: %w", name, err)
	}
	if !linkStaysInside(name, target) {
		return refuse(name, "is a link to %.200q, which leads out of the bundle", target)
	}
	if _, err := root.Stat(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return refuse(name, "is a link to %.200q, which leads out of the bundle or in a circle", target)
	}
	return nil
}

// removeAll also removes directories whose mode in the bundle forbids it.
func removeAll(dir string) error {
	if err := os.RemoveAll(dir); err == nil {
		return nil
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if d == nil || !d.IsDir() {
			return nil
		}
		if chmodErr := os.Chmod(path, 0o700); chmodErr != nil {
			return chmodErr
		}
		return nil
	})
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}
