//go:build !linux

package counterpart

import "os/exec"

// dieWithParent does nothing where the system can't.
func dieWithParent(*exec.Cmd) {}
