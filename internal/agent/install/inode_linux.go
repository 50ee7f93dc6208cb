package install

import (
	"errors"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// inode is a file, directory or link itself, whatever its name comes to mean. What is installed may be in a directory that the application's own user can
// write to, who must not have the agent, which is root, change another file by exchanging it.
type inode struct {
	fd   int
	path string
	stat unix.Stat_t
}

// openInode opens what was installed at a path. A plain file that has other names is refused: the agent gave it one.
func openInode(path string) (*inode, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	n := &inode{fd: fd, path: path}
	if err := unix.Fstat(fd, &n.stat); err != nil {
		return nil, errors.Join(&fs.PathError{Op: "stat", Path: path, Err: err}, n.Close())
	}
	if n.is(unix.S_IFREG) && n.stat.Nlink > 1 {
		return nil, errors.Join(exchanged(path), n.Close())
	}
	return n, nil
}

func (n *inode) is(kind uint32) bool { return n.stat.Mode&unix.S_IFMT == kind }

// Close implements io.Closer.
func (n *inode) Close() error { return unix.Close(n.fd) }

// modeNow is the mode of what was installed at a path.
func modeNow(path string) (mode fs.FileMode, err error) {
	n, err := openInode(path)
	if err != nil {
		return 0, err
	}
	if err := n.Close(); err != nil {
		return 0, err
	}
	if n.is(unix.S_IFLNK) {
		return 0, exchanged(path)
	}
	return modeOf(uint64(n.stat.Mode)), nil
}

func (n *inode) chmod(mode fs.FileMode) error {
	if n.is(unix.S_IFLNK) {
		return exchanged(n.path)
	}
	return os.Chmod("/proc/self/fd/"+strconv.Itoa(n.fd), mode)
}

// setMode sets the mode of what was installed at a path.
func setMode(path string, mode fs.FileMode) (err error) {
	n, err := openInode(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	return n.chmod(mode)
}

// setOwner sets the owner of what was installed at a path; -1 leaves it. It keeps setuid and setgid, which the system takes away from a file that is
// given to another: the AppSpec's mode asked for them.
func setOwner(path string, uid, gid int) (err error) {
	n, err := openInode(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	if err := unix.Fchownat(n.fd, "", uid, gid, unix.AT_EMPTY_PATH); err != nil {
		return &fs.PathError{Op: "chown", Path: path, Err: err}
	}
	if !n.is(unix.S_IFREG) || n.stat.Mode&(unix.S_ISUID|unix.S_ISGID) == 0 {
		return nil
	}
	return n.chmod(modeOf(uint64(n.stat.Mode)))
}
