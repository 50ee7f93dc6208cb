//go:build unix

package app

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// alive reports whether there is a process that can still do something. One that has ended and whom nobody has waited for can't.
func alive(pid int) bool {
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

func terminate(pid int) error { return gone(syscall.Kill(pid, syscall.SIGTERM)) }
func kill(pid int) error      { return gone(syscall.Kill(pid, syscall.SIGKILL)) }

// gone takes a process that ended meanwhile for a success.
func gone(err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}
