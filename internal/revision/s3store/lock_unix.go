//go:build unix

package s3store

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockFile waits for the file's lock, which ends with the file.
func lockFile(f *os.File) error {
	for {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != unix.EINTR {
			return err
		}
	}
}
