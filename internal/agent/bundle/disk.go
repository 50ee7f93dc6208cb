package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

const onWindows = runtime.GOOS == "windows"

func (f *Fetcher) fromDisk(ctx context.Context, location, dest string) error {
	from, err := os.Open(location)
	if err != nil {
		return fmt.Errorf("open local bundle: %w", err)
	}
	defer from.Close()
	if err := f.save(ctx, from, dest); err != nil {
		return fmt.Errorf("copy local bundle: %w", err)
	}
	return nil
}

// CopyDirectory copies a local directory to dest, which appears only when it is whole. Files keep their modes and times, links stay links; what is
// neither is refused. Dest must not be in the directory.
func (f *Fetcher) CopyDirectory(ctx context.Context, location, dest string) error {
	partial := dest + ".partial"
	for _, old := range []string{partial, dest} {
		if err := os.RemoveAll(old); err != nil {
			return fmt.Errorf("clear %s: %w", old, err)
		}
	}
	if err := copyTree(ctx, location, partial); err != nil {
		return errors.Join(fmt.Errorf("copy local directory: %w", err), os.RemoveAll(partial))
	}
	if err := os.Rename(partial, dest); err != nil {
		return fmt.Errorf("copy local directory: %w", err)
	}
	return nil
}

func copyTree(ctx context.Context, from, to string) error {
	from, err := filepath.EvalSymlinks(from)
	if err != nil {
		return err
	}
	if info, err := os.Stat(from); err != nil || !info.IsDir() {
		return errors.Join(err, fmt.Errorf("%s is no directory", from))
	}
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case info.IsDir():
			return os.MkdirAll(target, 0o755)
		case info.Mode()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		case info.Mode().IsRegular():
			return copyFile(path, target, info)
		default:
			return fmt.Errorf("%s is neither a file, nor a directory, nor a link: leave it out", path)
		}
	})
}

func copyFile(from, to string, info fs.FileInfo) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Chmod(info.Mode().Perm())
	}
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}
