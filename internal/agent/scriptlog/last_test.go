package scriptlog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTheLastEventIsReadBack holds that what a recorder wrote of its last event can be told by the next agent, and nothing else.
func TestTheLastEventIsReadBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "logs", "scripts.log")
	var r *Recorder
	for _, event := range [][]string{{"LifecycleEvent - BeforeInstall", "[stdout]before"}, {"LifecycleEvent - AfterInstall", "Script - run.sh", "[stdout]LifecycleEvent - no", "[stderr]two"}} {
		var err error
		if r, err = NewRecorder(nil, "d-1", path, fixed); err != nil {
			t.Fatal(err)
		}
		for _, l := range event {
			r.Line(l)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("2024-02-03 04:05:06 [stdout]half a li"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	l, found, err := ReadLast(path, time.Time{})
	if err != nil || !found || l.Tail != r.Tail() {
		t.Errorf("the tail is %q, %t, %v; want %q", l.Tail, found, err, r.Tail())
	}
	var got []string
	err = l.Each(func(at time.Time, line string) {
		got = append(got, line)
		if at.Format(stamp) != fixed().Format(stamp) {
			t.Errorf("the time of %q is %s", line, at)
		}
	})
	if err != nil || strings.Join(got, "|") != "Script - run.sh|[stdout]LifecycleEvent - no|[stderr]two" {
		t.Errorf("the lines are %q, %v", got, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, found, err := ReadLast(path, info.ModTime()); !found || err != nil {
		t.Errorf("an event that began in the same tick of the clock: %t, %v", found, err)
	}
	if _, found, err := ReadLast(path, info.ModTime().Add(time.Nanosecond)); found || err != nil {
		t.Errorf("an older event: %t, %v", found, err)
	}
	if _, found, err := ReadLast(path+".none", time.Time{}); found || err != nil {
		t.Errorf("no log: %t, %v", found, err)
	}
}
