//go:build unix

package enroll

import (
	"errors"
	"os"
)

// othersMatter says that a directory's mode tells who can write to it.
const othersMatter = true

// syncDirectory makes a rename in the directory durable.
func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
