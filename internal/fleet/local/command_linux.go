package local

import (
	"os/exec"
	"syscall"
)

// tie makes the command a process group of its own, which is ended as a whole, and has the system kill it when the server is killed: otherwise a
// start command could go on beside the one that the next server runs, and beside a stop command.
func tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
}
