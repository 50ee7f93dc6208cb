package test

import (
	"os"
	"os/exec"
	"testing"
)

// TestTheAgentCompilesElsewhere holds that the agent, the program that it is part of, and their tests compile for the systems that this one is not.
func TestTheAgentCompilesElsewhere(t *testing.T) {
	t.Parallel()
	for _, target := range []struct{ system, machine string }{{"linux", "arm64"}, {"windows", "amd64"}, {"darwin", "arm64"}} {
		t.Run(target.system+"/"+target.machine, func(t *testing.T) {
			cmd := exec.Command("go", "vet", "crossfade/internal/agent/...", "crossfade/cmd/...")
			cmd.Env = append(os.Environ(), "GOOS="+target.system, "GOARCH="+target.machine, "CGO_ENABLED=0")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
