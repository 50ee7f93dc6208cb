package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTheReadmeIsTheWalkthrough holds the two together: what README.md tells to type is what test/walkthrough.sh runs, in the same order.
func TestTheReadmeIsTheWalkthrough(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("walkthrough.sh")
	if err != nil {
		t.Fatal(err)
	}
	_, told, found := strings.Cut(string(readme), "\n## Do it by hand")
	if !found {
		t.Fatal("the README has no walk-through")
	}
	told, _, _ = strings.Cut(told, "\n## ")
	_, runs, _ := strings.Cut(string(script), "trap cleanup EXIT\n")
	var blocks []string
	for _, part := range strings.Split(told, "```sh\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		blocks = append(blocks, block)
	}
	if got := strings.Join(blocks, "\n"); strings.TrimSpace(got) != strings.TrimSpace(runs) {
		t.Errorf("the README tells\n%s\nand the script runs\n%s", got, runs)
	}
}

// TestTheWalkthrough runs the script, on an address and with a binary of its own.
func TestTheWalkthrough(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"aws", "curl", "bash"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the walk-through is typed with %s, which this machine lacks", tool)
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "examples"), os.DirFS("../examples")); err != nil {
		t.Fatal(err)
	}
	const address = "127.0.0.77"
	move := func(from, to string, more ...string) {
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		moved := strings.NewReplacer(append(more, "127.0.0.1", address)...).Replace(string(content))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, []byte(moved), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	move("../examples/crossfade.yaml", filepath.Join(dir, "examples", "crossfade.yaml"))
	script := filepath.Join(dir, "test", "walkthrough.sh")
	move("walkthrough.sh", script, "go build -o walkthrough/crossfade ./cmd/crossfade", "cp "+buildBinary(t)+" walkthrough/crossfade")
	cmd := exec.CommandContext(t.Context(), "bash", script)
	cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "CROSSFADE_ENDPOINT=http://" + address + ":8470", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER="}
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// What the three curl calls and the end say, in order.
	rest := string(out)
	for _, want := range []string{"\nv1\n", "would be blue/green", "reached: ready\nv1\n", "reached: rerouted\nv2\n", `"Succeeded"`, `"Succeeded": 4`} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("%q is missing in\n%s", want, out)
		}
		rest = after
	}
}
