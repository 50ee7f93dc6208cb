package scriptlog

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func fixed() time.Time { return time.Date(2024, 2, 3, 4, 5, 6, 789e6, time.UTC) }

func record(t *testing.T, lines ...string) (scripts, shared, tail string) {
	t.Helper()
	dir := t.TempDir()
	s, err := OpenShared(filepath.Join(dir, "all.log"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewRecorder(s, "d-1", filepath.Join(dir, "logs", "scripts.log"), fixed)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		r.Line(l)
	}
	tail = r.Tail()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	one, err := os.ReadFile(filepath.Join(dir, "logs", "scripts.log"))
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.ReadFile(filepath.Join(dir, "all.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(one), string(two), tail
}

func TestFormats(t *testing.T) {
	t.Parallel()
	scripts, shared, tail := record(t, "LifecycleEvent - ApplicationStart", "Script - run.sh", "[stdout]hello", "[stderr]oops")
	want := "2024-02-03 04:05:06 LifecycleEvent - ApplicationStart\n2024-02-03 04:05:06 Script - run.sh\n2024-02-03 04:05:06 [stdout]hello\n2024-02-03 04:05:06 [stderr]oops\n"
	if scripts != want {
		t.Errorf("scripts.log\n%s", scripts)
	}
	if want := "[2024-02-03 04:05:06.789] [d-1][stdout]hello\n"; !strings.Contains(shared, want) {
		t.Errorf("the shared log\n%s lacks %s", shared, want)
	}
	if want := "LifecycleEvent - ApplicationStart\nScript - run.sh\n[stdout]hello\n[stderr]oops\n"; tail != want {
		t.Errorf("tail %q", tail)
	}
}

func TestTheTailIsShortValidAndTheEnd(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string][]string{
		"one long line":  {strings.Repeat("é", 9000) + "end"},
		"many lines":     strings.Split(strings.Repeat("a line of text\n", 2000)+"end", "\n"),
		"no text at all": {strings.Repeat("\xff\xfe", 5000) + "end"},
	} {
		_, _, tail := record(t, lines...)
		short := len(tail) < TailSize/3 && name != "no text at all" // a run of junk becomes one mark
		if len(tail) > TailSize || short || !utf8.ValidString(tail) || !strings.HasSuffix(tail, "end\n") {
			t.Errorf("%s: %d bytes, valid %v, ending in %.20q", name, len(tail), utf8.ValidString(tail), tail[max(0, len(tail)-10):])
		}
	}
}

func TestTheSharedLogRotates(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "all.log")
	s := &Shared{path: path, size: 10, keep: 3}
	if err := s.open(); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if err := s.write(fmt.Sprintf("line %d\n", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"": "line 4\n", ".1": "line 3\n", ".2": "line 2\n"} {
		if got, err := os.ReadFile(path + name); err != nil || string(got) != want {
			t.Errorf("%q holds %q, %v", name, got, err)
		}
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("an old file is kept too long")
	}
	if err := s.write("late"); err == nil {
		t.Error("a closed log took a line")
	}
}
