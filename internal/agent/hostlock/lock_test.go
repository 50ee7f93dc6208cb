package hostlock

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func open(t *testing.T, root string) *Lock {
	t.Helper()
	l, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func acquire(t *testing.T, l *Lock, what string) func() {
	t.Helper()
	release, err := l.Acquire(context.Background(), Holder{What: what, Deployment: "d-1", Group: "prod"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := release(); err != nil {
			t.Error(err)
		}
	}
}

// TestOneAtATime has as many contenders in one process as through files of their own, as processes have them.
func TestOneAtATime(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	shared := open(t, root)
	var inside, times atomic.Int32
	var all sync.WaitGroup
	for i := range 20 {
		l := shared
		if i%2 == 0 {
			l = open(t, root)
		}
		all.Go(func() {
			release := acquire(t, l, fmt.Sprint("event ", i))
			if inside.Add(1) != 1 {
				t.Error("two at a time")
			}
			times.Add(1)
			inside.Add(-1)
			release()
		})
	}
	all.Wait()
	if times.Load() != 20 {
		t.Errorf("%d had the lock", times.Load())
	}
	if h, held, err := shared.Holder(); held || err != nil {
		t.Errorf("held by %v in the end, %v", h, err)
	}
}

func TestWhoWaitsLearnsForWhom(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	first := open(t, root)
	release := acquire(t, first, "Install")
	defer release()
	for name, l := range map[string]*Lock{"in the same process": first, "in another": open(t, root)} {
		ctx, cancel := context.WithCancel(context.Background())
		var told []Holder
		_, err := l.Acquire(ctx, Holder{What: "AfterInstall"}, func(h Holder) {
			told = append(told, h)
			cancel()
		})
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "Install of deployment d-1 to prod (process ") {
			t.Errorf("%s: got %v", name, err)
		}
		if len(told) != 1 || told[0].What != "Install" || told[0].PID != os.Getpid() || told[0].Since.IsZero() {
			t.Errorf("%s: told %v", name, told)
		}
	}
	if h, held, err := open(t, root).Holder(); !held || h.What != "Install" || err != nil {
		t.Errorf("held by %v, %v, %v", h, held, err)
	}
}

func TestThoseWhoGiveUpTakeNoTurn(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	release := acquire(t, l, "one")
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.Acquire(ended, Holder{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	release()
	acquire(t, l, "two")()
}

func TestOtherRootsAreOtherHosts(t *testing.T) {
	t.Parallel()
	defer acquire(t, open(t, t.TempDir()), "one")()
	defer acquire(t, open(t, t.TempDir()), "two")()
}

// TestAProcessThatDiesGivesTheLockBack runs itself again as the process that dies.
func TestAProcessThatDiesGivesTheLockBack(t *testing.T) {
	const variable = "HOSTLOCK_TEST_ROOT"
	if root := os.Getenv(variable); root != "" {
		acquire(t, open(t, root), "Install")
		fmt.Println("locked")
		select {}
	}
	t.Parallel()
	root := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), variable+"="+root)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("the other process said %q, %v", line, err)
	}
	l := open(t, root)
	if h, held, err := l.Holder(); !held || h.PID != cmd.Process.Pid || err != nil {
		t.Errorf("held by %v, %v, %v", h, held, err)
	}
	release, err := l.Acquire(context.Background(), Holder{What: "next"}, func(Holder) {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("a killed process ended well")
	}
}

func TestWhatIsNoHolderIsNone(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	for _, content := range []string{"", "{", strings.Repeat("x", 2*longestHolder)} {
		if err := os.WriteFile(l.path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if h, held, err := l.Holder(); held || err != nil {
			t.Errorf("%.10q: held by %v, %v", content, h, err)
		}
	}
	acquire(t, l, "one")()
}
