//go:build unix

package counterpart

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// account is who runs what refuses to run as root; zero: whoever runs the tests.
type account struct {
	uid, gid int
}

// unprivileged finds somebody who is not root.
func unprivileged() (account, error) {
	if os.Getuid() != 0 {
		return account{}, nil
	}
	var last error
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			last = err
			continue
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil {
			return account{}, fmt.Errorf("the user %s: %w", name, err)
		}
		gid, err := strconv.Atoi(u.Gid)
		if err != nil {
			return account{}, fmt.Errorf("the user %s: %w", name, err)
		}
		return account{uid, gid}, nil
	}
	return account{}, last
}

func (a account) own(path string) error {
	if a == (account{}) {
		return nil
	}
	return os.Chown(path, a.uid, a.gid)
}

// run lets the command run as the account.
func (a account) run(cmd *exec.Cmd) {
	if a == (account{}) {
		return
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)} //nolint:gosec // ids of this machine
}
