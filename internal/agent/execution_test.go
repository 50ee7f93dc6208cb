//go:build unix

package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"crossfade/internal/agent/hostlock"
	"crossfade/internal/agent/status"
)

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOneScriptAtATimeRunsOnAHost(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	dir := t.TempDir()
	s.start(s.options(filepath.Join(t.TempDir(), "root")))
	// Each script fails if it finds another one running.
	body := "mkdir " + dir + "/busy || exit 1; sleep 0.02; rmdir " + dir + "/busy"
	var wg sync.WaitGroup
	for i := range 6 {
		spec := s.deployment(fmt.Sprintf("d-%d", i), one("AfterInstall", body))
		spec.DeploymentGroupID = []string{"g1", "g2", "g3"}[i%3]
		wg.Go(func() { s.deploy(spec, "DownloadBundle", "AfterInstall") })
	}
	wg.Wait()
}

func TestAnEventWithoutScriptsWaitsForNoOtherGroup(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	root, dir := filepath.Join(t.TempDir(), "root"), t.TempDir()
	s.start(s.options(root))
	slow := s.deployment("d-SLOW", one("AfterInstall", "touch "+dir+"/begun; while [ ! -e "+dir+"/gate ]; do sleep 0.02; done"))
	slow.DeploymentGroupID = "g1"
	other := s.deployment("d-OTHER", one("AfterInstall", "true"))
	other.DeploymentGroupID = "g2"
	s.deploy(other, "DownloadBundle")
	s.deploy(slow, "DownloadBundle")
	s.offer("slow", slow, "AfterInstall")
	eventually(t, "the script runs", func() bool { return exists(dir + "/begun") })
	s.deploy(other, "BeforeInstall", "ValidateService")

	s.offer("waiting", other, "AfterInstall")
	eventually(t, "the other waits in the status", func() bool {
		r, err := status.Read(root)
		return err == nil && r.Running && r.Agent != nil && len(r.Agent.Running) == 1 && r.Agent.Running[0].Script == "run.sh" &&
			len(r.Agent.Waiting) == 1 && r.Agent.Waiting[0].Deployment == "d-OTHER" && r.Lock != nil && r.Lock.Deployment == "d-SLOW"
	})
	touch(t, dir+"/gate")
	for _, id := range []string{"slow", "waiting"} {
		if r := s.wait(id); r.Status != "Succeeded" {
			t.Errorf("%s: %+v", id, r)
		}
	}
}

func TestTheAgentWaitsForAnotherProcess(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	root := filepath.Join(t.TempDir(), "root")
	o := s.options(root)
	o.StreamLogs = true
	s.start(o)
	spec := s.deployment("d-ONE", one("AfterInstall", "echo hello"))
	s.deploy(spec, "DownloadBundle")
	l, err := hostlock.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	release, err := l.Acquire(context.Background(), hostlock.Holder{What: "crossfade local"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.offer("waiting", spec, "AfterInstall")
	eventually(t, "the agent says that it waits", func() bool {
		return strings.HasPrefix(s.logOf("waiting"), "agent:waiting for crossfade local (process ")
	})
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if r := s.wait("waiting"); r.Status != "Succeeded" {
		t.Errorf("got %+v", r)
	}
	if !strings.HasSuffix(s.logOf("waiting"), "|agent:Script - run.sh|stdout:hello") {
		t.Errorf("streamed %q", s.logOf("waiting"))
	}
}

func TestOutputIsStreamedWhileTheScriptRuns(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	dir := t.TempDir()
	o := s.options(filepath.Join(t.TempDir(), "root"))
	o.StreamLogs = true
	s.start(o)
	spec := s.deployment("d-ONE", one("AfterInstall", "echo one; while [ ! -e "+dir+"/gate ]; do sleep 0.02; done; echo two >&2; exit 3"))
	s.deploy(spec, "DownloadBundle")
	s.offer("streamed", spec, "AfterInstall")
	eventually(t, "the first line", func() bool { return s.logOf("streamed") == "agent:Script - run.sh|stdout:one" })
	touch(t, dir+"/gate")
	if r := s.wait("streamed"); r.Status != "Failed" || !strings.Contains(r.Log, "[stderr]two") {
		t.Errorf("got %+v", r)
	}
	if want := "agent:Script - run.sh|stdout:one|stderr:two|agent:Script at specified location: run.sh failed with exit code 3"; s.logOf("streamed") != want {
		t.Errorf("streamed %q before the outcome", s.logOf("streamed"))
	}
}

func TestAServerThatKnowsNoStreamsIsAskedOnce(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	s.refuse = func(operation string, _ int) (int, string) {
		if operation == "PostHostCommandUpdate" {
			return 400, "UnknownOperationException"
		}
		return 0, ""
	}
	o := s.options(filepath.Join(t.TempDir(), "root"))
	o.StreamLogs = true
	s.start(o)
	spec := s.deployment("d-ONE", one("AfterInstall", "echo one"))
	s.deploy(spec, "DownloadBundle", "AfterInstall")
	spec = s.deployment("d-TWO", one("AfterInstall", "echo two"))
	s.deploy(spec, "DownloadBundle", "AfterInstall")
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.calls["PostHostCommandUpdate"]; n != 1 {
		t.Errorf("%d calls", n)
	}
}
