//go:build unix

package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"crossfade/internal/agent/script"
)

// officialHost is a root directory as the official agent keeps it, written by hand from its description.
type officialHost struct {
	*testing.T
	root, dir string // of deployments, and of what they install
	clock     time.Time
}

func (h *officialHost) write(path, content string) {
	h.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		h.Fatal(err)
	}
}

func (h *officialHost) read(path string) string {
	h.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		h.Error(err)
	}
	return string(content)
}

func (h *officialHost) own(id string) string { return filepath.Join(h.root, testGroup, id) }

func (h *officialHost) lists(name string) string {
	return filepath.Join(h.root, "deployment-instructions", testGroup+name)
}

// deployed leaves what a deployment of a tracing revision does. One that was not installed was only downloaded.
func (h *officialHost) deployed(id, revision string, installed bool) {
	h.Helper()
	for name, body := range tracing(h.dir, revision) {
		h.write(filepath.Join(h.own(id), "deployment-archive", name), body)
	}
	h.write(filepath.Join(h.own(id), "bundle.tar"), "PK")
	h.write(filepath.Join(h.own(id), "logs", "scripts.log"), "2024-02-03 04:05:06 LifecycleEvent - BeforeInstall\n2024-02-03 04:05:06 Script - run.sh\n2024-02-03 04:05:06 [stdout]of "+id+"\n")
	h.write(filepath.Join(h.root, "deployment-logs", "codedeploy-agent-deployments.log"), "[2024-02-03 04:05:06.789] ["+id+"]LifecycleEvent - BeforeInstall\n")
	h.write(h.lists("_most_recent_install"), h.own(id))
	if installed {
		app := filepath.Join(h.dir, "app")
		h.write(filepath.Join(app, revision), "installed")
		h.write(h.lists("_last_successful_install"), h.own(id))
		h.write(h.lists("-cleanup"), app+"\n"+filepath.Join(app, revision)+"\n")
		h.write(h.lists("-install.json"), fmt.Sprintf(`{"instructions":[{"type":"mkdir","directory":%q},{"type":"copy","source":%q,"destination":%q}]}`,
			app, filepath.Join(h.own(id), "deployment-archive", revision), filepath.Join(app, revision)))
	}
	h.clock = h.clock.Add(time.Minute)
	if err := os.Chtimes(h.own(id), h.clock, h.clock); err != nil {
		h.Fatal(err)
	}
}

// deployments lists those of the group that are kept.
func (h *officialHost) deployments() (kept []string) {
	h.Helper()
	entries, err := os.ReadDir(filepath.Join(h.root, testGroup))
	if err != nil {
		h.Fatal(err)
	}
	for _, e := range entries {
		kept = append(kept, e.Name())
	}
	return kept
}

// TestAHostChangesAgentsBetweenDeployments holds that this agent goes on where the official one stopped, leaves what that one goes on with, and goes on
// again after it: marks, cleanup lists, logs, kept revisions, and an event that was interrupted.
func TestAHostChangesAgentsBetweenDeployments(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	h := &officialHost{T: t, root: filepath.Join(t.TempDir(), "root"), dir: t.TempDir(), clock: time.Now().Add(-time.Hour)}
	h.deployed("d-1", "v1", true)
	for _, id := range []string{"d-2", "d-3", "d-4"} {
		h.deployed(id, "never", false)
	}
	h.write(filepath.Join(h.dir, "app", "of-a-person"), "kept")
	// It was killed in an event of d-4, in which it logged a line.
	h.write(filepath.Join(h.root, "ongoing-deployment", "d-4"), "interrupted")
	begun := time.Now().Add(-time.Minute)
	if err := os.Chtimes(filepath.Join(h.root, "ongoing-deployment", "d-4"), begun, begun); err != nil {
		t.Fatal(err)
	}

	o := s.options(h.root)
	o.MaxRevisions = 3
	stop := s.start(o)
	if r := s.wait("interrupted"); r.Status != "Failed" || r.ErrorCode != script.CodeRestarted || r.Log != "LifecycleEvent - BeforeInstall\nScript - run.sh\n[stdout]of d-4\n" {
		t.Errorf("of the event that was interrupted it says %+v", r)
	}
	events := []string{"ApplicationStop", "DownloadBundle", "BeforeInstall", "Install", "ApplicationStart"}
	s.deploy(s.deployment("d-OURS", tracing(h.dir, "v2")), events...)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got, want := trace(t, h.dir), []string{"v1 ApplicationStop d-OURS", "v2 BeforeInstall d-OURS", "v2 ApplicationStart d-OURS"}; !slices.Equal(got, want) {
		t.Errorf("the scripts ran as %q, want %q", got, want)
	}
	if exists(filepath.Join(h.dir, "app", "v1")) || !exists(filepath.Join(h.dir, "app", "run.sh")) || h.read(filepath.Join(h.dir, "app", "of-a-person")) != "kept" {
		t.Error("the old revision's file, and only that, is to be replaced by the new one's")
	}
	if got, want := h.deployments(), []string{"d-1", "d-4", "d-OURS"}; !slices.Equal(got, want) {
		t.Errorf("kept are %q, want %q", got, want)
	}

	// What the official agent reads when it goes on.
	for _, mark := range []string{"_last_successful_install", "_most_recent_install"} {
		if got := h.read(h.lists(mark)); got != h.own("d-OURS") {
			t.Errorf("%s is %q", mark, got)
		}
	}
	app := filepath.Join(h.dir, "app")
	if got := strings.Split(strings.TrimSuffix(h.read(h.lists("-cleanup")), "\n"), "\n"); !slices.Equal(slices.Sorted(slices.Values(got)), []string{filepath.Join(app, "appspec.yml"), filepath.Join(app, "run.sh")}) {
		t.Errorf("the cleanup list has %q", got)
	}
	lines := regexp.MustCompile(`^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (LifecycleEvent - \w+|Script - run\.sh)\n)+$`)
	if got := h.read(filepath.Join(h.own("d-OURS"), "logs", "scripts.log")); !lines.MatchString(got) || !strings.Contains(got, "ApplicationStop") {
		t.Errorf("scripts.log is\n%s", got)
	}
	if got := h.read(filepath.Join(h.root, "deployment-logs", "codedeploy-agent-deployments.log")); !strings.HasPrefix(got, "[2024-02-03 04:05:06.789] [d-4]LifecycleEvent - BeforeInstall\n[") ||
		!strings.Contains(got, "[d-OURS]LifecycleEvent - ApplicationStop\n") {
		t.Errorf("the log of all deployments is\n%s", got)
	}
	left, err := os.ReadDir(filepath.Join(h.root, "ongoing-deployment"))
	if err != nil || len(left) != 0 {
		t.Errorf("as running count %v, %v", left, err)
	}

	// It deploys, and this one goes on after it.
	for _, name := range []string{"appspec.yml", "run.sh"} {
		if err := os.Remove(filepath.Join(app, name)); err != nil {
			t.Fatal(err)
		}
	}
	h.deployed("d-THEIRS", "v3", true)
	s.start(o)
	s.deploy(s.deployment("d-AGAIN", tracing(h.dir, "v4")), events...)
	if got, want := trace(t, h.dir), []string{"v3 ApplicationStop d-AGAIN", "v4 BeforeInstall d-AGAIN", "v4 ApplicationStart d-AGAIN"}; !slices.Equal(got, want) {
		t.Errorf("after the official agent the scripts ran as %q, want %q", got, want)
	}
	if exists(filepath.Join(app, "v3")) || !exists(filepath.Join(app, "of-a-person")) {
		t.Error("the official agent's file, and only that, is to go")
	}
}
