package hostlock

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// beyond is where the lock lies: a locked part of a file can't be read by others here, and the holder's name is to be read.
func beyond() *windows.Overlapped { return &windows.Overlapped{OffsetHigh: 1} }

func tryLock(f *os.File) (free bool, err error) {
	return lock(f, windows.LOCKFILE_EXCLUSIVE_LOCK)
}

func unlock(f *os.File) error {
	return windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, beyond())
}

func isLocked(f *os.File) (bool, error) {
	free, err := lock(f, 0)
	if err != nil || !free {
		return !free, err
	}
	return false, unlock(f)
}

func lock(f *os.File, how uint32) (done bool, err error) {
	err = windows.LockFileEx(windows.Handle(f.Fd()), how|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, beyond())
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return false, nil
	}
	return err == nil, err
}
