//go:build !linux

package install

import (
	"io/fs"
	"os"
)

// modeNow is the mode of what was installed at a path.
func modeNow(path string) (fs.FileMode, error) {
	info, err := os.Lstat(path)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		err = exchanged(path)
	}
	if err != nil {
		return 0, err
	}
	return info.Mode(), nil
}

// setMode sets the mode of what was installed at a path. Whoever can write to its directory could exchange it in the moment between the look and the
// change; only on Linux the agent holds on to the file itself.
func setMode(path string, mode fs.FileMode) error {
	if _, err := modeNow(path); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// setOwner sets the owner of what was installed at a path; -1 leaves it. It keeps setuid and setgid, which the system takes away from a file that is
// given to another: the AppSpec's mode asked for them.
func setOwner(path string, uid, gid int) error {
	before, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if err := os.Lchown(path, uid, gid); err != nil {
		return err
	}
	if !before.Mode().IsRegular() || before.Mode()&(fs.ModeSetuid|fs.ModeSetgid) == 0 {
		return nil
	}
	return setMode(path, before.Mode())
}
