// Package safefile writes files that are there whole or not at all, whatever ends the process meanwhile.
//
// It owns how: a new file beside the old one takes its name when it is complete. A crash may leave the new file behind, whose name begins with [Prefix]. The
// directory must exist. It knows nothing of what is written. Its functions may be called concurrently; of two writes to one path, one is left.
package safefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Prefix is how the names of files begin that are not complete. What lists a directory passes them over.
const Prefix = ".new-"

// Write makes the file hold the content, with this mode whatever the umask is. When it has returned nil, the file survives a power cut.
func Write(path string, mode fs.FileMode, content []byte) error {
	if err := write(path, mode, content, (*os.File).Sync); err != nil {
		return err
	}
	return SyncDirectory(filepath.Dir(path))
}

// WriteUnsynced is Write without waiting for the disk: the end of this process leaves the old file or the new one, a power cut perhaps neither.
func WriteUnsynced(path string, mode fs.FileMode, content []byte) error {
	return write(path, mode, content, func(*os.File) error { return nil })
}

func write(path string, mode fs.FileMode, content []byte, settle func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), Prefix+"*") // of mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = settle(f)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// SyncDirectory makes the names in a directory survive a power cut. Windows does so by itself and can't be asked.
func SyncDirectory(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
