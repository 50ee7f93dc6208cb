package install

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"crossfade/internal/appspec"
)

// Runner runs the programs of the system that an installation needs: setfacl, semanage, restorecon and getent.
type Runner interface {
	// Find tells whether the program is there; the error is nil or says why not.
	Find(program string) error
	// Run runs a program with arguments, never through a shell, and gives what it printed. The error tells how it ended.
	Run(ctx context.Context, program string, args ...string) (output string, err error)
}

// programs runs those of this machine.
type programs struct{}

func (programs) Find(program string) error {
	_, err := exec.LookPath(program)
	return err
}

// maxOutput bounds what is kept of a program's output, in bytes: it goes into one message.
const maxOutput = 2048

func (programs) Run(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	return string(bytes.ToValidUTF8(out[:min(len(out), maxOutput)], nil)), err
}

// call runs a program that must succeed.
func call(ctx context.Context, run Runner, program string, args ...string) error {
	output, err := run.Run(ctx, program, args...)
	if err == nil {
		return nil
	}
	if output = strings.TrimSpace(output); output != "" {
		return fmt.Errorf("run %s %s: %w: %s", program, strings.Join(args, " "), err, output)
	}
	return fmt.Errorf("run %s %s: %w", program, strings.Join(args, " "), err)
}

// need is a program that a kind of permission takes, and the package of Debian and Ubuntu that has it.
type need struct{ what, program, pack string }

// ready holds, before anything is touched, that the programs are there that the AppSpec's permissions take.
func ready(run Runner, spec *appspec.Spec) error {
	for _, e := range spec.Permissions {
		var needs []need
		if len(e.ACL) > 0 {
			needs = append(needs, need{"acls", "setfacl", "acl"})
		}
		if e.Context != nil {
			needs = append(needs, need{"a context", "semanage", "policycoreutils-python-utils"}, need{"a context", "restorecon", "policycoreutils"})
		}
		for _, n := range needs {
			if err := run.Find(n.program); err != nil {
				return &appspec.Problem{
					File: spec.Name, Line: e.Line, What: fmt.Sprintf("%s can't be set, because this host has no program %s", n.what, n.program),
					Hint: fmt.Sprintf("install it (on Debian and Ubuntu: apt-get install %s), or remove %s", n.pack, strings.TrimPrefix(n.what, "a ")),
				}
			}
		}
	}
	return nil
}
