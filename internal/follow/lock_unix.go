//go:build unix

package follow

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockExclusively takes the file's lock or fails at once. The kernel releases it when the process ends, however it ends.
func lockExclusively(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
