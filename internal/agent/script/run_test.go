//go:build unix

package script

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func write(t *testing.T, body string, mode os.FileMode) Script {
	t.Helper()
	path := filepath.Join(t.TempDir(), "run.sh")
	if err := os.WriteFile(path, []byte(body), mode); err != nil {
		t.Fatal(err)
	}
	return Script{Path: path, Location: "scripts/run.sh", Timeout: time.Minute, Env: []string{"PATH=/usr/bin:/bin"}}
}

func run(t *testing.T, ctx context.Context, s Script) (lines []string, err error) {
	t.Helper()
	err = Run(ctx, s, func(stream Stream, line string) { lines = append(lines, fmt.Sprintf("[%s]%s", stream, line)) })
	return lines, err
}

func wantFailure(t *testing.T, err error, code Code, text string) {
	t.Helper()
	var f *Failure
	if !errors.As(err, &f) || f.Code != code || !strings.Contains(f.Message, text) {
		t.Errorf("got %v, want code %d with %q", err, code, text)
	}
}

func TestOutputAndEnvironment(t *testing.T) {
	t.Parallel()
	s := write(t, "#!/bin/sh\necho \"hello $NAME\"\nprintf oops >&2\ncat\npwd\n", 0o755)
	s.Env = append(s.Env, "NAME=old", "NAME=new")
	lines, err := run(t, context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(lines, "|")
	for _, want := range []string{"[stdout]hello new", "[stderr]oops", "[stdout]/"} {
		if !strings.Contains(got, want) {
			t.Errorf("output %q lacks %q", got, want)
		}
	}
}

func TestScriptsWithoutModeOrInterpreterRun(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"#!/bin/sh\necho ok\n", "echo ok\n"} {
		if lines, err := run(t, context.Background(), write(t, body, 0o644)); err != nil || len(lines) != 1 || lines[0] != "[stdout]ok" {
			t.Errorf("%q: %q, %v", body, lines, err)
		}
	}
}

func TestEveryFailureHasItsCode(t *testing.T) {
	t.Parallel()
	missing := write(t, "", 0o644)
	missing.Path += "x"
	_, err := run(t, context.Background(), missing)
	wantFailure(t, err, CodeMissing, "Script does not exist at specified location: scripts/run.sh")

	directory := write(t, "", 0o644)
	directory.Path = filepath.Dir(directory.Path)
	_, err = run(t, context.Background(), directory)
	wantFailure(t, err, CodeMissing, "is a directory")

	lines, err := run(t, context.Background(), write(t, "#!/bin/sh\necho before\nexit 7\n", 0o755))
	wantFailure(t, err, CodeFailed, "Script at specified location: scripts/run.sh failed with exit code 7")
	if len(lines) != 1 {
		t.Errorf("the output before the failure is %q", lines)
	}
	_, err = run(t, context.Background(), write(t, "#!/bin/sh\nkill -9 $$\n", 0o755))
	wantFailure(t, err, CodeFailed, "signal: killed")
	_, err = run(t, context.Background(), write(t, "#!/bin/sh\r\necho x\r\n", 0o755))
	wantFailure(t, err, CodeFailed, "Unix line ends")
	_, err = run(t, context.Background(), write(t, "#!/no/such/shell\n", 0o755))
	wantFailure(t, err, CodeFailed, "/no/such/shell")
	unknown := write(t, "#!/bin/sh\n", 0o755)
	unknown.RunAs = "no-such-user"
	_, err = run(t, context.Background(), unknown)
	wantFailure(t, err, CodeFailed, "no such user")
}

func TestATimeoutEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	s := write(t, "#!/bin/sh\nsleep 600 &\necho $!\nwait\n", 0o755)
	s.Timeout = 300 * time.Millisecond
	lines, err := run(t, context.Background(), s)
	wantFailure(t, err, CodeTimedOut, "failed to complete in 0 seconds")
	var child int
	if _, err := fmt.Sscanf(strings.Join(lines, ""), "[stdout]%d", &child); err != nil {
		t.Fatalf("no child in %q", lines)
	}
	eventuallyGone(t, child)
}

// eventuallyGone waits for a process to end; one that has ended but that nobody has waited for yet counts as ended.
func eventuallyGone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || (err == nil && strings.Contains(string(stat), ") Z ")) {
			return
		}
	}
	t.Errorf("process %d lives on", pid)
}

func TestAnOutputThatStaysOpenIsAFailureOfItsOwn(t *testing.T) {
	t.Parallel()
	s := write(t, "#!/bin/sh\nsleep 5 2>/dev/null &\necho $!\n", 0o755)
	s.Timeout = 500 * time.Millisecond
	_, err := run(t, context.Background(), s)
	wantFailure(t, err, CodeOutputsOpen, "failed to close STDOUT")
}

func TestAServerInTheBackgroundLivesOn(t *testing.T) {
	t.Parallel()
	lines, err := run(t, context.Background(), write(t, "#!/bin/sh\nsleep 30 >/dev/null 2>&1 </dev/null &\necho $!\n", 0o755))
	if err != nil {
		t.Fatal(err)
	}
	var child int
	if _, err := fmt.Sscanf(strings.Join(lines, ""), "[stdout]%d", &child); err != nil {
		t.Fatalf("no child in %q", lines)
	}
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
		t.Errorf("the server is gone: %v", err)
	}
}

func TestEndingTheContextEndsTheScript(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	s := write(t, "#!/bin/sh\necho started\nsleep 600\n", 0o755)
	err := Run(ctx, s, func(Stream, string) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestLongLinesComeInParts(t *testing.T) {
	t.Parallel()
	lines, err := run(t, context.Background(), write(t, "#!/bin/sh\nhead -c 100000 /dev/zero | tr '\\0' x\n", 0o755))
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, l := range lines {
		total += len(l) - len("[stdout]")
	}
	if total != 100000 || len(lines) < 2 {
		t.Errorf("%d bytes in %d parts", total, len(lines))
	}
}

func TestRootRunsScriptsAsOthers(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can run scripts as others")
	}
	s := write(t, "#!/bin/sh\nid -un\necho $HOME $USER\n", 0o755)
	s.RunAs, s.Sudo = "nobody", true
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(filepath.Dir(s.Path)), 0o755); err != nil {
		t.Fatal(err)
	}
	lines, err := run(t, context.Background(), s)
	if want := fmt.Sprintf("[stdout]nobody|[stdout]%s nobody", u.HomeDir); err != nil || strings.Join(lines, "|") != want {
		t.Errorf("got %q, %v, want %q", lines, err, want)
	}
	s = write(t, "#!/bin/sh\nexit 3\n", 0o755)
	s.RunAs = "root"
	_, err = run(t, context.Background(), s)
	wantFailure(t, err, CodeFailed, "run.sh run as user root failed with exit code 3")
}

// TestOthersCanNotRunScriptsAsRoot runs itself again as nobody.
func TestOthersCanNotRunScriptsAsRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		s := Script{Path: "/bin/true", Location: "scripts/run.sh", Timeout: time.Minute, RunAs: "root"}
		_, err := run(t, context.Background(), s)
		wantFailure(t, err, CodeFailed, "start the agent as root, or remove runas")
		s = Script{Path: "/etc/passwd", Location: "scripts/run.sh", Timeout: time.Minute}
		_, err = run(t, context.Background(), s)
		wantFailure(t, err, CodeNotExecutable, "Unable to set script at specified location: scripts/run.sh as executable")
		return
	}
	nobody, err := lookUp("nobody")
	if err != nil {
		t.Skip("there is no nobody on this host")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "script.test")
	// Copied by another process: a script that a test beside this one is starting would hold a copy opened here, and it could not be run.
	if err := errors.Join(exec.Command("cp", os.Args[0], path).Run(), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-test.run=^TestOthersCanNotRunScriptsAsRoot$")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody.uid, Gid: nobody.gid}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}
