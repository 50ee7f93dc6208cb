package bundle

import (
	"context"
	"errors"
	"fmt"
	"os"
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

// CopyDirectory copies a local directory to dest, which appears only when it is whole.
func (f *Fetcher) CopyDirectory(location, dest string) error {
	partial := dest + ".partial"
	for _, old := range []string{partial, dest} {
		if err := os.RemoveAll(old); err != nil {
			return fmt.Errorf("clear %s: %w", old, err)
		}
	}
	if err := os.CopyFS(partial, os.DirFS(location)); err != nil {
		return errors.Join(fmt.Errorf("copy local directory: %w", err), os.RemoveAll(partial))
	}
	if err := os.Rename(partial, dest); err != nil {
		return fmt.Errorf("copy local directory: %w", err)
	}
	return nil
}
