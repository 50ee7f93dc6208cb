package faults

import (
	"os/exec"
	"syscall"
)

// dieWithParent ends a child with this process, which does not clean up when it panics or runs out of time.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
