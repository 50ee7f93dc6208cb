package sqlite

import (
	"os"

	"golang.org/x/sys/windows"
)

// lockExclusively takes the file's lock or fails at once. It locks a byte far behind the text, so that others can still read the text.
func lockExclusively(f *os.File) error {
	where := windows.Overlapped{Offset: 1 << 30}
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &where)
}
