package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"
)

const (
	databaseFile = "crossfade.db"
	lockFile     = "crossfade.lock"
)

// prepareDirectory makes the directory and an empty database file that only the server's user can read. The other files of the database get
// the mode of the first.
func prepareDirectory(dir string, log *slog.Logger) error {
	if err := makeDirectory(dir); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		log.Warn("the data directory is open to other users of this machine; chmod 700 closes it", "directory", dir, "mode", info.Mode().Perm().String())
	}
	f, err := os.OpenFile(filepath.Join(dir, databaseFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("make the database in %s: %w", dir, err)
	}
	return errors.Join(f.Close(), syncDirectory(dir))
}

// makeDirectory makes the directory and the missing ones above it, durably.
func makeDirectory(dir string) error {
	_, err := os.Stat(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	above := filepath.Dir(dir)
	if err := makeDirectory(above); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDirectory(above)
}

// syncDirectory makes the names in a directory survive a power cut. Windows does so by itself and can't be asked.
func syncDirectory(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// lockPatience is how long a start waits for the one before it: the lock of a process that has just ended, or of a file that was just closed, is
// still held for a moment by a child that is on its way from fork to exec.
const lockPatience = 500 * time.Millisecond

func lockSoon(f *os.File) error {
	for until := time.Now().Add(lockPatience); ; time.Sleep(10 * time.Millisecond) {
		if err := lockExclusively(f); err == nil || time.Now().After(until) {
			return err
		}
	}
}

// lockDirectory holds the directory for this process until the file is closed, by the process's end at the latest.
func lockDirectory(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if err := lockSoon(f); err != nil {
		owner := "another server"
		if pid, err := os.ReadFile(path); err == nil && len(pid) > 0 {
			owner = "the server with process id " + string(pid)
		}
		return nil, errors.Join(fmt.Errorf("the data directory %s is in use by %s: stop that one, or give this one a directory of its own with --data (%w)", dir, owner, err), f.Close())
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write the lock file of the data directory: %w", err), f.Close())
	}
	return f, nil
}
