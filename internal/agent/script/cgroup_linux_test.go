package script

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"crossfade/internal/agent/cgroup"
)

// daemon starts what leaves the script's process group and session and keeps no output open. Two forks, as daemons do.
const daemon = "#!/bin/sh\n(setsid sh -c 'sleep 600 >/dev/null 2>&1 </dev/null 3>&- & echo $! >&3' 3>&1 >/dev/null 2>&1 </dev/null &)\n"

func inCgroups(t *testing.T, body string) Script {
	t.Helper()
	s := write(t, body, 0o755)
	if s.Cgroups = cgroup.Open(slog.New(slog.DiscardHandler)); s.Cgroups == nil {
		t.Skip("this test needs cgroups that it may use")
	}
	return s
}

func onlyNumber(t *testing.T, lines []string) (pid int) {
	t.Helper()
	if _, err := fmt.Sscanf(strings.Join(lines, ""), "[stdout]%d", &pid); err != nil {
		t.Fatalf("no process in %q", lines)
	}
	return pid
}

func TestATimeoutEndsADaemonToo(t *testing.T) {
	t.Parallel()
	s := inCgroups(t, daemon+"sleep 600\n")
	s.Timeout = time.Second
	lines, err := run(t, context.Background(), s)
	wantFailure(t, err, CodeTimedOut, "failed to complete in 1 seconds")
	eventuallyGone(t, onlyNumber(t, lines))
}

func TestStoppingTheAgentEndsADaemonOfARunningScript(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	var lines []string
	err := Run(ctx, inCgroups(t, daemon+"sleep 600\n"), func(stream Stream, line string) {
		lines = append(lines, fmt.Sprintf("[%s]%s", stream, line))
		cancel()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	eventuallyGone(t, onlyNumber(t, lines))
}

// TestWhatAScriptStartsInTimeLivesOn: that is how applications are started, and a script that fails after that is no reason to stop them.
func TestWhatAScriptStartsInTimeLivesOn(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"exit 0\n", "exit 3\n"} {
		// The script ends when its daemon is there.
		waiting := strings.Replace(daemon, ">&3'", ">&3; touch '$0.up", 1) + "while ! [ -e $0.up ]; do sleep 0.01; done\n"
		s := inCgroups(t, waiting+end)
		lines, err := run(t, context.Background(), s)
		if end == "exit 3\n" {
			wantFailure(t, err, CodeFailed, "exit code 3")
		} else if err != nil {
			t.Fatal(err)
		}
		pid := onlyNumber(t, lines)
		membership, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		if err != nil || !strings.Contains(string(membership), "/script-") {
			t.Errorf("the daemon is in %q, %v", membership, err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Errorf("the daemon is gone: %v", err)
		}
		eventuallyGone(t, pid)
		s.Cgroups.New().Close() // which sweeps up
	}
}

func TestWhoKeepsTheOutputOpenIsEnded(t *testing.T) {
	t.Parallel()
	s := inCgroups(t, "#!/bin/sh\nsetsid sleep 600 2>/dev/null &\necho $!\n")
	s.Timeout = 500 * time.Millisecond
	lines, err := run(t, context.Background(), s)
	wantFailure(t, err, CodeOutputsOpen, "failed to close STDOUT")
	eventuallyGone(t, onlyNumber(t, lines))
}

func TestAScriptRunsWithoutACgroupWhereNoneCanTakeIt(t *testing.T) {
	t.Parallel()
	s := inCgroups(t, "#!/bin/sh\necho ok\n")
	broken := s.Cgroups.New()
	broken.Close() // is gone from now on, so the kernel refuses it
	p := &process{group: broken, exited: make(chan struct{})}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if err := p.launch(s, []string{s.Path}, nil, []*os.File{null, null}); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
	if again := s.Cgroups.New(); again != nil {
		again.Close()
		t.Error("cgroups are tried again after a refusal")
	}
}
