package status

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"crossfade/internal/agent/hostlock"
	"crossfade/internal/agent/rootdir"
)

var update = flag.Bool("update", false, "write golden files anew")

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newRoot(t *testing.T) (string, *rootdir.Dir) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	d, err := rootdir.Open(root, "")
	try(t, err)
	return root, d
}

func about(root string) Agent {
	return Agent{Version: "crossfade/1.2.3", Endpoint: "https://deploy.example.com/", Identity: "arn:aws:iam::123456789012:user/web-1", Root: root}
}

func event(name string) Event {
	return Event{Name: name, Deployment: "d-ABC", GroupID: "group-id", Group: "prod", App: "shop"}
}

// written reads the file, which must be there and whole.
func written(t *testing.T, root string) Snapshot {
	t.Helper()
	s, err := readFile(filepath.Join(root, name))
	try(t, err)
	return s
}

func TestTheFileIsWrittenSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		root, d := newRoot(t)
		b := Open(about(root), slog.New(slog.DiscardHandler), time.Now)
		last, times := time.Time{}, 0
		look := func() Snapshot {
			synctest.Wait()
			s := written(t, root)
			if !s.Written.Equal(last) {
				last, times = s.Written, times+1
			}
			return s
		}
		look()
		// A day of held polls.
		for range 3 * 60 {
			time.Sleep(20 * time.Second)
			b.Polled()
			look()
		}
		if times < 60 || times > 100 {
			t.Errorf("an idle hour is written down %d times", times)
		}
		time.Sleep(time.Hour)
		if before := times; look().Written.IsZero() || times != before {
			t.Error("what did not change was written")
		}
		began := times
		for range 1000 {
			b.Add(event("AfterInstall")).End(Nothing, nil)
			time.Sleep(10 * time.Millisecond)
			look()
		}
		if n := times - began; n < 9 || n > 12 {
			t.Errorf("ten busy seconds are written down %d times", n)
		}
		b.Close()
		b.Add(event("late"))
		time.Sleep(time.Minute)
		if s := look(); s.Stopped.IsZero() || len(s.Finished) != mostFinished || len(s.Waiting) != 0 {
			t.Errorf("in the end %+v", s)
		}
		try(t, d.Close())
	})
}

func TestErrorsOfTheServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		root, d := newRoot(t)
		b := Open(about(root), slog.New(slog.DiscardHandler), time.Now)
		time.Sleep(2 * time.Second)
		b.Trouble(errors.New("refused " + strings.Repeat("é", 1000)))
		synctest.Wait()
		s := written(t, root)
		if !s.Unreachable || s.LastError == nil || len(s.LastError.Text) > longestError || !strings.HasPrefix(s.LastError.Text, "refused é") {
			t.Errorf("after an error %+v", s)
		}
		time.Sleep(2 * time.Second)
		b.Polled()
		synctest.Wait()
		if s := written(t, root); s.Unreachable || s.LastError == nil || s.LastPoll.IsZero() {
			t.Errorf("after an answer %+v", s)
		}
		b.Close()
		try(t, d.Close())
	})
}

func TestAFullDiskIsLoggedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		b := Open(about(filepath.Join(t.TempDir(), "missing")), slog.New(slog.NewTextHandler(&said, nil)), time.Now)
		for range 5 {
			b.Add(event("Install"))
			time.Sleep(2 * time.Second)
		}
		b.Close()
		if strings.Count(said.String(), "\n") != 1 {
			t.Errorf("said %q", said.String())
		}
	})
}

func TestGroupsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		root, d := newRoot(t)
		b := Open(about(root), slog.New(slog.DiscardHandler), time.Now)
		for i := range 3 * mostGroups {
			e := event("Install")
			e.GroupID = fmt.Sprint("group-", i)
			b.Add(e).End(Succeeded, nil)
			time.Sleep(time.Second)
		}
		b.Close()
		s := written(t, root)
		if _, last := s.Groups[fmt.Sprint("group-", 3*mostGroups-1)]; len(s.Groups) != mostGroups || !last {
			t.Errorf("%d groups, the last among them: %v", len(s.Groups), last)
		}
		try(t, d.Close())
	})
}

func TestANilBoardTakesNoNotice(t *testing.T) {
	t.Parallel()
	var b *Board
	b.Polled()
	b.Trouble(errors.New("x"))
	e := b.Add(event("Install"))
	e.Run()
	e.Script("x")
	e.End(Failed, errors.New("x"))
	b.Close()
}

// TestReport tells the life of an agent, as a golden file.
func TestReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var story strings.Builder
		root, d := newRoot(t)
		tell := func(title string) {
			t.Helper()
			synctest.Wait()
			r, err := Read(root)
			try(t, err)
			now := time.Now().UTC()
			fmt.Fprintf(&story, "== %s\n", title)
			try(t, inUTC(r).Write(&story, now))
			fmt.Fprintln(&story)
		}
		now := func() time.Time { return time.Now().UTC() }
		tell("just begun")
		b := Open(about(root), slog.New(slog.DiscardHandler), now)
		time.Sleep(3 * time.Second)
		b.Trouble(errors.New("call PollHostCommand: connection refused"))
		tell("no server")
		time.Sleep(time.Minute)
		b.Polled()
		tell("idle")
		time.Sleep(time.Second)
		b.Add(event("ApplicationStop")).End(Nothing, nil)
		install := b.Add(event("Install"))
		install.Run()
		time.Sleep(1500 * time.Millisecond)
		try(t, d.SetMark("group-id", rootdir.LastSuccessful, d.Deployment("group-id", "d-ABC")))
		try(t, os.Chtimes(filepath.Join(d.Instructions(), "group-id_last_successful_install"), now(), now()))
		install.End(Succeeded, nil)
		start := b.Add(event("ApplicationStart"))
		start.Run()
		start.Script("scripts/start.sh")
		other := event("BeforeInstall")
		other.Deployment, other.Group, other.GroupID = "d-XYZ", "test", "group-2"
		waiting := b.Add(other)
		time.Sleep(90 * time.Second)
		b.Polled()
		tell("busy")
		start.End(Failed, errors.New("Script at specified location: scripts/start.sh failed with exit code 1"))
		waiting.End(Dropped, errors.New("the server does not want it any more"))
		time.Sleep(2 * time.Second)
		l, err := hostlock.Open(root)
		try(t, err)
		release, err := l.Acquire(context.Background(), hostlock.Holder{What: "crossfade local"}, nil)
		try(t, err)
		tell("after it")
		try(t, release())
		again := b.Add(event("AfterInstall"))
		again.Run()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		died, err := os.ReadFile(filepath.Join(root, name))
		try(t, err)
		b.Close()
		try(t, d.Close())
		time.Sleep(72 * time.Hour)
		tell("stopped")
		try(t, os.WriteFile(filepath.Join(root, name), died, 0o644))
		tell("killed")

		text := strings.NewReplacer(root, "ROOT", fmt.Sprintf("process %d", os.Getpid()), "process PID").Replace(story.String())
		golden := filepath.Join("testdata", "report.txt")
		if *update {
			try(t, os.MkdirAll("testdata", 0o755))
			try(t, os.WriteFile(golden, []byte(text), 0o644))
		}
		want, err := os.ReadFile(golden)
		try(t, err)
		if text != string(want) {
			t.Errorf("got\n%s\nwant %s", text, golden)
		}
	})
}

// inUTC puts the times into the golden file's zone that do not come from the agent, and makes the lock another process's.
func inUTC(r Report) Report {
	for i := range r.Installed {
		r.Installed[i].At = r.Installed[i].At.UTC()
	}
	if r.Lock != nil {
		r.Lock.Since, r.Lock.PID = r.Lock.Since.UTC(), 1
	}
	return r
}

func TestReadingOddDirectories(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	r, err := Read(empty)
	if err != nil || r.Running || r.Agent != nil {
		t.Errorf("an empty directory: %+v, %v", r, err)
	}
	if content, err := json.Marshal(r); err != nil || string(content) != `{"running":false,"agent":null,"installed":[],"lock":null}` {
		t.Errorf("%s, %v", content, err)
	}
	if left, err := os.ReadDir(empty); err != nil || len(left) != 0 {
		t.Errorf("looking left %v, %v", left, err)
	}
	if _, err := Read(filepath.Join(empty, "missing")); err == nil || !strings.Contains(err.Error(), "--root") {
		t.Errorf("a missing one: %v", err)
	}
	try(t, os.MkdirAll(filepath.Join(empty, "crossfade"), 0o755))
	for _, content := range []string{"", "{", "[]", `{"pid":"x"}`} {
		try(t, os.WriteFile(filepath.Join(empty, name), []byte(content), 0o644))
		if _, err := Read(empty); err == nil || !strings.Contains(err.Error(), "read status") {
			t.Errorf("%q: %v", content, err)
		}
	}
	if _, err := Read(filepath.Join(empty, name)); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("a file: %v", err)
	}
}

func TestDurations(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 1234 * time.Microsecond: "1ms", 1234 * time.Millisecond: "1.2s", 90 * time.Second: "1m30s", 3*time.Hour + 400*time.Millisecond: "3h0m0s", 50 * time.Hour: "2d",
	} {
		if got := duration(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}
