//go:build unix

package script

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// workingDirectory is one that any user may enter. The protocol leaves it open, so scripts can't rely on it.
const workingDirectory = "/"

func isExecutable(info fs.FileInfo) bool { return info.Mode().Perm()&0o111 != 0 }

func isBusy(err error) bool      { return errors.Is(err, syscall.ETXTBSY) }
func isNoProgram(err error) bool { return errors.Is(err, syscall.ENOEXEC) }

// command decides how the script is started. Root changes the user itself, without su and sudo: they need not be installed, no login shell
// can refuse, and the process group stays ours.
func command(s Script) ([]string, *credential, error) {
	if s.RunAs == "" {
		if s.Sudo && os.Geteuid() != 0 {
			return []string{"sudo", "-n", s.Path}, nil, nil
		}
		return []string{s.Path}, nil, nil
	}
	who, err := lookUp(s.RunAs)
	if err != nil {
		return nil, nil, fail(s, CodeFailed, "Script at specified location: %s can't run as user %s: %v", s.Location, s.RunAs, err)
	}
	switch {
	case os.Geteuid() == 0:
		return []string{s.Path}, who, nil
	case int(who.uid) == os.Geteuid():
		return []string{s.Path}, nil, nil
	case s.Sudo:
		return []string{"sudo", "-n", "-u", who.name, "--", s.Path}, nil, nil
	default:
		return nil, nil, fail(s, CodeFailed, "Script at specified location: %s can't run as user %s, because the agent does not run as root: "+
			"start the agent as root, or remove runas", s.Location, s.RunAs)
	}
}

func setGroup(cmd *exec.Cmd, who *credential) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if who != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: who.uid, Gid: who.gid, Groups: who.groups}
	}
}

func terminate(cmd *exec.Cmd) error { return signalGroup(cmd, syscall.SIGTERM) }
func kill(cmd *exec.Cmd) error      { return signalGroup(cmd, syscall.SIGKILL) }

// signalGroup reaches what the script started as well. A group that is gone already is as good as ended.
func signalGroup(cmd *exec.Cmd, sig syscall.Signal) error {
	if err := syscall.Kill(-cmd.Process.Pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal process group %d: %w", cmd.Process.Pid, err)
	}
	return nil
}

// groupLives tells whether the group of a script that has ended still has members.
func groupLives(cmd *exec.Cmd) bool {
	return !errors.Is(syscall.Kill(-cmd.Process.Pid, 0), syscall.ESRCH)
}

// giveUpReading wakes the reader of a pipe that somebody still holds open.
func giveUpReading(_ *exec.Cmd, r *os.File) error {
	return r.SetReadDeadline(time.Unix(1, 0))
}
