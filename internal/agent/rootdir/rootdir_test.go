package rootdir

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func open(t *testing.T) *Dir {
	t.Helper()
	d, err := Open(filepath.Join(t.TempDir(), "root"), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func files(t *testing.T, d *Dir) (all []string) {
	t.Helper()
	try(t, filepath.WalkDir(d.path, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			all = append(all, strings.TrimPrefix(path, d.path+string(filepath.Separator)))
		}
		return err
	}))
	return all
}

func TestTheLayoutIsTheOfficialOne(t *testing.T) {
	t.Parallel()
	d := open(t)
	p := d.Deployment("g", "d-1")
	try(t, p.Make())
	try(t, d.SetMark("g", LastSuccessful, p))
	try(t, d.SetMark("g", MostRecent, p))
	try(t, d.Begin(p, "command", true))
	for _, path := range []string{p.Bundle(), filepath.Join(p.Archive(), "x"), p.ScriptsLog(), d.DeploymentsLog()} {
		try(t, os.MkdirAll(filepath.Dir(path), 0o755))
		try(t, os.WriteFile(path, nil, 0o644))
	}
	want := []string{
		"crossfade/lock",
		"deployment-instructions/g_last_successful_install", "deployment-instructions/g_most_recent_install",
		"deployment-logs/codedeploy-agent-deployments.log",
		"g/d-1/bundle.tar", "g/d-1/deployment-archive/x", "g/d-1/logs/scripts.log",
		"ongoing-deployment/d-1",
	}
	if got := files(t, d); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for name, want := range map[string]string{"ongoing-deployment/d-1": "command", "deployment-instructions/g_most_recent_install": p.Path()} {
		if got, err := os.ReadFile(filepath.Join(d.path, name)); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
	}
}

func TestARootHasOneAgent(t *testing.T) {
	t.Parallel()
	d := open(t)
	if _, err := Open(d.path, ""); err == nil || !strings.Contains(err.Error(), "another agent runs") {
		t.Errorf("a second agent got %v", err)
	}
}

func TestMarks(t *testing.T) {
	t.Parallel()
	d := open(t)
	if _, there, err := d.Marked("g", LastSuccessful); there || err != nil {
		t.Errorf("a mark out of nowhere: %v, %v", there, err)
	}
	p := d.Deployment("g", "d-1")
	try(t, d.SetMark("g", LastSuccessful, p))
	if got, there, err := d.Marked("g", LastSuccessful); got != p || !there || err != nil {
		t.Errorf("got %v, %v, %v", got, there, err)
	}
	try(t, os.WriteFile(filepath.Join(d.Instructions(), "g"+string(MostRecent)), []byte("junk"), 0o644))
	if _, _, err := d.Marked("g", MostRecent); err == nil {
		t.Error("junk passed as a mark")
	}
}

func TestRunningCommandsAreRemembered(t *testing.T) {
	t.Parallel()
	d := open(t)
	now := time.Now()
	for i, id := range []string{"d-old", "d-1", "d-2"} {
		try(t, d.Begin(d.Deployment("g", id), "command "+id, false))
		at := now.Add(time.Duration(i-3) * time.Minute)
		if id == "d-old" {
			at = now.Add(-25 * time.Hour)
		}
		try(t, os.Chtimes(d.running(id), at, at))
	}
	try(t, os.WriteFile(filepath.Join(d.path, ongoing, ".new-1"), []byte("half"), 0o644))
	got, err := d.Unfinished(now)
	if err != nil || len(got) != 2 || got[0].Command != "command d-2" || got[1].Command != "command d-1" || !got[0].Since.After(got[1].Since) {
		t.Errorf("got %v, %v", got, err)
	}
	try(t, d.End("d-1"))
	try(t, d.End("d-2"))
	try(t, d.End("d-2"))
	if got := files(t, d); len(got) != 1 {
		t.Errorf("left over: %q", got)
	}
}

// TestWhatWasWrittenBeforeACommandIsOlder holds it although the clock of files may stand still between two writes, or have gone back.
func TestWhatWasWrittenBeforeACommandIsOlder(t *testing.T) {
	t.Parallel()
	d := open(t)
	p := d.Deployment("g", "d-1")
	try(t, d.Begin(p, "first", false)) // without a log
	try(t, p.Make())
	for _, ahead := range []time.Duration{-time.Hour, 0, time.Hour} {
		try(t, os.WriteFile(p.ScriptsLog(), []byte("before"), 0o644))
		at := time.Now().Add(ahead)
		try(t, os.Chtimes(p.ScriptsLog(), at, at))
		try(t, d.Begin(p, "second", false))
		unfinished, err := d.Unfinished(time.Now())
		try(t, err)
		info, err := os.Stat(p.ScriptsLog())
		try(t, err)
		if len(unfinished) != 1 || !info.ModTime().Before(unfinished[0].Since) {
			t.Errorf("a log of %s is from %s, the command from %v", ahead, info.ModTime(), unfinished)
		}
		if ahead < 0 && !info.ModTime().Equal(at.Truncate(1)) {
			t.Errorf("the time of an older log became %s", info.ModTime())
		}
	}
}

func TestReportsAreKeptUntilTaken(t *testing.T) {
	t.Parallel()
	d := open(t)
	r := Report{Command: "../odd/\x00name", Succeeded: true, Diagnostics: `{"error_code":0}`}
	try(t, d.SaveReport(r, true))
	try(t, os.WriteFile(filepath.Join(d.path, ours, reports, "junk.json"), []byte("{"), 0o644))
	got, err := d.Reports(time.Now())
	if err != nil || len(got) != 1 || got[0] != r {
		t.Errorf("got %v, %v", got, err)
	}
	try(t, d.DropReport(r.Command))
	if got, err := d.Reports(time.Now()); err != nil || len(got) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestOldDeploymentsAreRemoved(t *testing.T) {
	t.Parallel()
	d := open(t)
	now := time.Now()
	for i := range 6 {
		p := d.Deployment("g", fmt.Sprintf("d-%d", i))
		try(t, p.Make())
		at := now.Add(time.Duration(i) * time.Second)
		try(t, os.Chtimes(p.Path(), at, at))
	}
	try(t, d.SetMark("g", LastSuccessful, d.Deployment("g", "d-0")))
	try(t, d.Retain("g", d.Deployment("g", "d-5"), 3))
	entries, err := os.ReadDir(filepath.Join(d.path, "g"))
	try(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, []string{"d-0", "d-4", "d-5"}) {
		t.Errorf("left are %v", names)
	}
	try(t, d.Retain("nothing", d.Deployment("nothing", "d-1"), 1))
}

func TestLookingFromOutside(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "root")
	look := func() (bool, []Installed) {
		t.Helper()
		used, err := InUse(path)
		try(t, err)
		all, err := LastInstalled(path)
		try(t, err)
		return used, all
	}
	if used, all := look(); used || all != nil {
		t.Errorf("before: in use %v, %v", used, all)
	}
	d, err := Open(path, "")
	try(t, err)
	try(t, d.SetMark("g-1", LastSuccessful, d.Deployment("g-1", "d-1")))
	try(t, d.SetMark("g-2", MostRecent, d.Deployment("g-2", "d-2")))
	try(t, d.SetMark("g-3", LastSuccessful, d.Deployment("g-3", "d-3")))
	try(t, os.Chtimes(filepath.Join(d.Instructions(), "g-1_last_successful_install"), time.Now(), time.Unix(1, 0)))
	used, all := look()
	if !used || len(all) != 2 || all[0].GroupID != "g-3" || all[1].DeploymentID != "d-1" || !all[1].At.Equal(time.Unix(1, 0)) {
		t.Errorf("in use %v, %+v", used, all)
	}
	try(t, d.Close())
	if used, _ := look(); used {
		t.Error("in use after the end")
	}
}
