package counterpart

import (
	"os/exec"
	"syscall"
)

// dieWithParent ends the program with the test's process, which does not clean up when it panics or runs out of time.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
