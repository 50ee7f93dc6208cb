package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestEverythingCompilesElsewhere holds that the program, which the agent is part of, and all tests compile for the systems that this one is not. Types
// are checked from the source: to compile for three systems takes minutes.
func TestEverythingCompilesElsewhere(t *testing.T) {
	t.Parallel()
	check := filepath.Join(t.TempDir(), "typecheck")
	if out, err := inModule("go", "build", "-o", check, "./internal/tools/typecheck").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, target := range []struct{ system, machine string }{{"linux", "arm64"}, {"windows", "amd64"}, {"darwin", "arm64"}} {
		t.Run(target.system+"/"+target.machine, func(t *testing.T) {
			cmd := inModule(check, "./...")
			cmd.Env = append(os.Environ(), "GOOS="+target.system, "GOARCH="+target.machine)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// inModule is a command in the module's directory.
func inModule(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = ".."
	return cmd
}
