package follow

import (
	"os"

	"golang.org/x/sys/windows"
)

// lockExclusively takes the file's lock or fails at once.
func lockExclusively(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
}
