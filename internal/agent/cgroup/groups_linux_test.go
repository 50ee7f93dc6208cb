package cgroup

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func groups(t *testing.T) *Groups {
	t.Helper()
	g, err := open(slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Skipf("this test needs cgroups that it may use: %v", err)
	}
	return g
}

// startIn starts a shell in the group, which says when it is ready.
func startIn(t *testing.T, g *Group, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	g.Attach(cmd.SysProcAttr)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func gone(path string) bool {
	_, err := os.Stat(path)
	return os.IsNotExist(err)
}

func TestKillEndsWhatLeftTheProcessGroup(t *testing.T) {
	t.Parallel()
	g := groups(t).New()
	cmd := startIn(t, g, `setsid sh -c 'trap "" TERM HUP; (sleep 600 & ) ; echo up; exec sleep 600' </dev/null 2>/dev/null`)
	if err := g.Terminate(); err != nil {
		t.Error(err)
	}
	if g.Wait(50 * time.Millisecond) {
		t.Error("a process that ignores being asked has ended")
	}
	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
	if !g.Wait(10 * time.Second) {
		t.Error("processes are left")
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		t.Errorf("the shell ended with %v", err)
	}
	g.Close()
	if !gone(g.path) {
		t.Errorf("%s is left", g.path)
	}
}

func TestAGroupStaysAsLongAsSomebodyLivesInIt(t *testing.T) {
	t.Parallel()
	all := groups(t)
	g := all.New()
	// A group within, as containers make them.
	inner := filepath.Join(g.path, "inner")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := startIn(t, g, "echo up; exec sleep 600")
	g.Close()
	all.sweep()
	if gone(g.path) {
		t.Error("a group with a process is gone")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("a killed process ended well")
	}
	other := all.New()
	defer other.Close()
	if !gone(g.path) || !gone(inner) {
		t.Error("an empty group stays")
	}
}

func TestGroupsOfAnAgentThatIsGoneAreTidiedUp(t *testing.T) {
	t.Parallel()
	all := groups(t)
	// Above any number that a process has.
	left := filepath.Join(all.dir, prefix+"4194305-1")
	if err := os.Mkdir(left, 0o755); err != nil {
		t.Fatal(err)
	}
	all.tidy()
	if !gone(left) {
		t.Errorf("%s is left", left)
	}
}

func TestWhatIsRefusedOnceIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	all := groups(t)
	g := all.New()
	defer g.Close()
	g.Refused(errors.New("no"))
	if again := all.New(); again != nil {
		again.Close()
		t.Error("another group was made")
	}
}

func TestOpenSaysWhy(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	g := Open(slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if lines := strings.Count(said.String(), "\n"); lines != 1 || (g == nil) == strings.Contains(said.String(), "scripts get cgroups") {
		t.Errorf("groups %v, said %q", g, said.String())
	}
	var none *Groups
	if none.New() != nil {
		t.Error("a group without groups")
	}
}
