//go:build unix

package hostlock

import (
	"errors"
	"os"
	"syscall"
)

func tryLock(f *os.File) (free bool, err error) {
	return flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
}

// unlock does not rely on closing: a script that is just being started holds a copy of the file for a moment.
func unlock(f *os.File) error {
	_, err := flock(f, syscall.LOCK_UN)
	return err
}

// isLocked takes a shared lock for a moment, which others that look don't mind and those who try try again.
func isLocked(f *os.File) (bool, error) {
	free, err := flock(f, syscall.LOCK_SH|syscall.LOCK_NB)
	if err != nil || !free {
		return !free, err
	}
	return false, unlock(f)
}

func flock(f *os.File, how int) (done bool, err error) {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, syscall.EINTR):
			return false, err
		}
	}
}
