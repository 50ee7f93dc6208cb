package test

import (
	"os"
	"os/exec"
	"testing"
)

// TestTheAgentCompilesElsewhere holds that the agent, the program that it is part of, and their tests compile for the systems that this one is not.
func TestTheAgentCompilesElsewhere(t *testing.T) {
	t.Parallel()
	const agent, program = "crossfade/internal/agent/...", "crossfade/cmd/..."
	for _, target := range []struct {
		system, machine string
		packages        []string
	}{
		{"linux", "arm64", []string{agent}},
		{"windows", "amd64", []string{agent, program}}, // the whole program takes a minute, so it is tried where most is different
		{"darwin", "arm64", []string{agent}},
	} {
		t.Run(target.system+"/"+target.machine, func(t *testing.T) {
			cmd := exec.Command("go", append([]string{"vet"}, target.packages...)...)
			cmd.Env = append(os.Environ(), "GOOS="+target.system, "GOARCH="+target.machine, "CGO_ENABLED=0")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
