//go:build unix

package s3store

import (
	"math"

	"golang.org/x/sys/unix"
)

// freeBytes is how much a process without privileges may still write beside the directory.
func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	free := uint64(st.Bavail) * uint64(st.Bsize)
	return int64(min(free, math.MaxInt64)), nil
}
