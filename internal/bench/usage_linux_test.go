package bench

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestUsageOfThisProcess(t *testing.T) {
	t.Parallel()
	u, err := readUsage(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if u.resident <= 0 || u.peak < u.resident/2 || u.threads < 1 || u.at.IsZero() {
		t.Errorf("%+v", u)
	}
	const nobody = 1 << 30
	if _, err := readUsage(nobody); err == nil || !strings.Contains(err.Error(), "look at the server's process") {
		t.Errorf("got %v", err)
	}
}

func TestProcessorTime(t *testing.T) {
	t.Parallel()
	for stat, want := range map[string]time.Duration{
		"1 (a) S 1 1 1 0 -1 0 0 0 0 0 150 50 0 0 20":            2 * time.Second,
		"1 (a b) S 9) S 1 1 1 0 -1 0 0 0 0 0 1 0 0 0 20":        10 * time.Millisecond,
		"7 ((crossfade)) R 1 1 1 0 -1 0 0 0 0 0 0 3 0 0 20 0 1": 30 * time.Millisecond,
	} {
		if got, err := processorTime([]byte(stat)); err != nil || got != want {
			t.Errorf("%q: %v, %v", stat, got, err)
		}
	}
	for _, stat := range []string{"", "1 (a) S 1", "1 (a) S 1 1 1 0 -1 0 0 0 0 0 x 50 0"} {
		if _, err := processorTime([]byte(stat)); err == nil {
			t.Errorf("%q was read", stat)
		}
	}
}

func FuzzProc(f *testing.F) {
	f.Add([]byte("VmRSS:\t  12 kB\nThreads:\t3\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if _, err := processorTime(content); err == nil && len(content) < 24 {
			t.Errorf("%q is too short", content)
		}
		number(content, "VmRSS:")
	})
}
