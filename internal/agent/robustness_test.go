//go:build unix

package agent

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"crossfade/internal/agent/identity"
	"crossfade/internal/agent/rootdir"
	"crossfade/internal/agent/script"
	"crossfade/internal/envelope"
)

// one is a revision with one hook.
func one(event, body string) map[string]string {
	return map[string]string{
		"appspec.yml": "version: 0.0\nos: linux\nhooks:\n  " + event + ":\n    - location: run.sh\n",
		"run.sh":      "#!/bin/sh\n" + body + "\n",
	}
}

// eventually waits for something that another process or goroutine does.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("waited in vain: %s", what)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestACommandOfferedAgainIsNotRunAgain(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	dir := t.TempDir()
	s.start(s.options(filepath.Join(t.TempDir(), "root")))
	gate := filepath.Join(dir, "gate")
	spec := s.deployment("d-ONE", one("AfterInstall", "echo ran >> "+dir+"/trace; while [ ! -e "+gate+" ]; do sleep 0.02; done"))
	s.deploy(spec, "DownloadBundle")
	acks := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.acks["twice"])
	}
	s.offer("twice", spec, "AfterInstall")
	eventually(t, "the script runs", func() bool { return exists(filepath.Join(dir, "trace")) })
	s.offer("twice", spec, "AfterInstall")
	eventually(t, "it is acknowledged again", func() bool { return acks() == 2 })
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.wait("twice")
	polls := s.callsOf("PollHostCommand")
	eventually(t, "it is reported again", func() bool {
		if now := s.callsOf("PollHostCommand"); now > polls { // one more offer for each poll, until one comes after the first report's end
			polls = now
			s.offer("twice", spec, "AfterInstall")
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.results["twice"]) >= 2
	})
	if got := trace(t, dir); !slices.Equal(got, []string{"ran"}) {
		t.Errorf("the script ran as %q", got)
	}
}

func TestAnOutcomeIsToldUntilTheServerTakesIt(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	var refusals atomic.Int32
	s.refuse = func(operation string, n int) (int, string) {
		if operation == "PutHostCommandComplete" && refusals.Add(1) <= 4 {
			return []int{500, 503, 400, 403}[n-1], []string{"ServerException", "", "ThrottlingException", "AccessDeniedException"}[n-1]
		}
		return 0, ""
	}
	s.start(s.options(filepath.Join(t.TempDir(), "root")))
	s.deploy(s.deployment("d-ONE", one("AfterInstall", "true")), "DownloadBundle")
	if refusals.Load() != 5 {
		t.Errorf("told %d times", refusals.Load())
	}
}

func TestOutcomesAndPollsSurviveAnUnreachableServer(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	root := filepath.Join(t.TempDir(), "root")
	var down, healed atomic.Bool
	s.answers = func(w http.ResponseWriter, r *http.Request, operation string) bool {
		if operation == "PutHostCommandComplete" && !healed.Load() {
			down.Store(true)
		}
		if !down.Load() {
			return false
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			err = conn.Close()
		}
		if err != nil {
			t.Error(err)
		}
		return true
	}
	stop := s.start(s.options(root))
	spec := s.deployment("d-ONE", one("AfterInstall", "true"))
	s.offer("lost", spec, "DownloadBundle")
	eventually(t, "the server goes down", down.Load)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	healed.Store(true)
	down.Store(false)
	s.start(s.options(root))
	if r := s.wait("lost"); r.Status != "Succeeded" {
		t.Errorf("after the restart: %+v", r)
	}
	eventually(t, "the saved outcome is dropped", func() bool {
		left, err := os.ReadDir(filepath.Join(root, "crossfade", "reports"))
		return err == nil && len(left) == 0
	})
}

func TestSpecificationsMustBeGenuine(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	stranger, err := envelope.NewSigner(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.tamper = func(payload string) string { return strings.Replace(payload, "A", "B", 20) }
	s.start(s.options(filepath.Join(t.TempDir(), "root")))
	spec := s.deployment("d-ONE", nil)
	if r := s.do(spec, "DownloadBundle"); r.Status != "Failed" || r.ErrorCode != script.CodeUnknown || !strings.Contains(r.Message, "verify deployment specification") {
		t.Errorf("damaged: %+v", r)
	}
	if s.callsOf("PutHostCommandAcknowledgement") != 0 {
		t.Error("a damaged specification was acknowledged")
	}

	s = newFakeServer(t)
	o := s.options(filepath.Join(t.TempDir(), "root"))
	s.signer = stranger
	s.start(o)
	if r := s.do(spec, "DownloadBundle"); !strings.Contains(r.Message, "not trusted") {
		t.Errorf("a stranger's: %+v", r)
	}

	s = newFakeServer(t)
	s.start(s.options(filepath.Join(t.TempDir(), "root")))
	spec.DeploymentGroupID = "../../etc"
	if r := s.do(spec, "DownloadBundle"); !strings.Contains(r.Message, "can't name a directory") {
		t.Errorf("a climbing one: %+v", r)
	}
}

// TestASpecificationIsOfItsDeployment holds that a genuine specification is not carried out for another deployment's command.
func TestASpecificationIsOfItsDeployment(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	s.start(s.options(filepath.Join(t.TempDir(), "root")))
	old := s.deployment("d-OLD", nil)
	s.mu.Lock()
	s.specs["crossfade/"+testRegion+"/d-NEW/host"] = old
	s.queue = append(s.queue, offered{"swapped", "crossfade/" + testRegion + "/d-NEW/host", "DownloadBundle"})
	s.mu.Unlock()
	s.ring <- struct{}{}
	if r := s.wait("swapped"); r.Status != "Failed" || !strings.Contains(r.Message, "it is of the deployment d-OLD") {
		t.Errorf("got %+v", r)
	}
	if s.callsOf("PutHostCommandAcknowledgement") != 0 {
		t.Error("it was acknowledged")
	}
}

func TestACommandThatIsNotWantedIsDropped(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	root, dir := filepath.Join(t.TempDir(), "root"), t.TempDir()
	s.onAck = func(command string) string {
		if command == "unwanted" {
			return "Failed"
		}
		return "InProgress"
	}
	s.start(s.options(root))
	spec := s.deployment("d-ONE", one("AfterInstall", "echo ran >> "+dir+"/trace"))
	s.deploy(spec, "DownloadBundle")
	s.offer("unwanted", spec, "AfterInstall")
	eventually(t, "it is acknowledged", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.acks["unwanted"]) == 1
	})
	s.deploy(spec, "AfterInstall")
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := trace(t, dir); len(got) != 1 || len(s.results["unwanted"]) != 0 {
		t.Errorf("ran %d times, results %v", len(got), s.results["unwanted"])
	}
	if left, err := os.ReadDir(filepath.Join(root, "ongoing-deployment")); err != nil || len(left) > 0 {
		t.Errorf("still running on disk: %v, %v", left, err)
	}
}

func TestStoppingLetsAScriptFinish(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	dir := t.TempDir()
	stop := s.start(s.options(filepath.Join(t.TempDir(), "root")))
	spec := s.deployment("d-ONE", one("AfterInstall", "touch "+dir+"/begun; while [ ! -e "+dir+"/gate ]; do sleep 0.02; done"))
	s.deploy(spec, "DownloadBundle")
	s.offer("last", spec, "AfterInstall")
	eventually(t, "the script runs", func() bool { return exists(dir + "/begun") })
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	if err := os.WriteFile(dir+"/gate", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if r := s.wait("last"); r.Status != "Succeeded" {
		t.Errorf("got %+v", r)
	}
}

func TestAbortingKillsAScriptWhichIsReportedAfterTheNextStart(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	root, dir := filepath.Join(t.TempDir(), "root"), t.TempDir()
	o := s.options(root)
	abort := make(chan struct{})
	o.Abort = abort
	stop := s.start(o)
	spec := s.deployment("d-ONE", one("AfterInstall", "echo $$ > "+dir+"/begun; exec sleep 600"))
	s.deploy(spec, "DownloadBundle")
	s.offer("killed", spec, "AfterInstall")
	eventually(t, "the script runs", func() bool { return exists(dir + "/begun") })
	close(abort)
	if err := stop(); !errors.Is(err, ErrAborted) {
		t.Errorf("got %v, want ErrAborted", err)
	}
	s.start(s.options(root))
	r := s.wait("killed")
	if r.Status != "Failed" || r.ErrorCode != script.CodeRestarted || r.Message != "Failing in-progress lifecycle event after an agent restart." {
		t.Errorf("got %+v", r)
	}
}

// TestAKilledAgentReportsAfterItsRestart runs an agent in a process of its own and kills it.
func TestAKilledAgentReportsAfterItsRestart(t *testing.T) {
	if args := os.Getenv("CROSSFADE_TEST_AGENT"); args != "" {
		endpoint, root, _ := strings.Cut(args, " ")
		s := &fakeServer{TB: t}
		o := s.optionsWithout(endpoint, root)
		if err := Run(t.Context(), o); err != nil {
			t.Error(err)
		}
		return
	}
	t.Parallel()
	s := newFakeServer(t)
	root, dir := filepath.Join(t.TempDir(), "root"), t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestAKilledAgentReportsAfterItsRestart$")
	cmd.Env = append(os.Environ(), "CROSSFADE_TEST_AGENT="+s.http.URL+" "+root)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	spec := s.deployment("d-ONE", one("AfterInstall", "echo $$ > "+dir+"/pid; echo ran >> "+dir+"/trace; echo said; exec sleep 600"))
	s.deploy(spec, "DownloadBundle")
	s.offer("killed", spec, "AfterInstall")
	log := filepath.Join(root, testGroup, "d-ONE", "logs", "scripts.log")
	eventually(t, "the script says something", func() bool {
		content, err := os.ReadFile(log)
		return err == nil && strings.HasSuffix(string(content), " [stdout]said\n")
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the agent ended by itself")
	}
	if content, err := os.ReadFile(filepath.Join(root, "ongoing-deployment", "d-ONE")); err != nil || string(content) != "killed" {
		t.Errorf("the running command is written down as %q, %v", content, err)
	}
	s.start(s.options(root))
	if r := s.wait("killed"); r.Status != "Failed" || r.ErrorCode != script.CodeRestarted || r.Log != "LifecycleEvent - AfterInstall\nScript - run.sh\n[stdout]said\n" {
		t.Errorf("got %+v", r)
	}
	s.offer("killed", spec, "AfterInstall")
	s.deploy(s.deployment("d-TWO", one("AfterInstall", "true")), "DownloadBundle")
	if got := trace(t, dir); len(got) != 1 {
		t.Errorf("the script ran as %q", got)
	}
	var pid int
	if content, err := os.ReadFile(filepath.Join(dir, "pid")); err != nil {
		t.Error(err)
	} else if _, err := fmt.Sscan(string(content), &pid); err == nil {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Log(err)
		}
	}
}

// optionsWithout are options for an agent in another process, which does not know the signer.
func (s *fakeServer) optionsWithout(endpoint, root string) Options {
	o := Options{Endpoint: endpoint, Root: root, Version: "crossfade/test", PollInterval: 10 * time.Millisecond, Environ: []string{"PATH=/usr/bin:/bin"}}
	o.Identity = identity.New(testHost, testRegion, identity.Credentials{AccessKeyID: "AKIDHOST", SecretAccessKey: "secret"})
	o.Log = discard()
	return o
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	good := (&fakeServer{TB: t}).optionsWithout("http://127.0.0.1:1", t.TempDir())
	for want, change := range map[string]func(*Options){
		"endpoint is missing": func(o *Options) { o.Endpoint = "" },
		"not an http":         func(o *Options) { o.Endpoint = "localhost:80" },
		"identity is missing": func(o *Options) { o.Identity = nil },
		"root directory":      func(o *Options) { o.Root = "" },
		"version is missing":  func(o *Options) { o.Version = "" },
		"logger is missing":   func(o *Options) { o.Log = nil },
	} {
		o := good
		change(&o)
		if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestBackoffGrowsToItsLimitWithJitter(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		failures int
		chance   float64
		want     time.Duration
	}{
		{1, 0, 100 * time.Millisecond}, {1, 1, 200 * time.Millisecond}, {2, 1, 400 * time.Millisecond}, {6, 1, 6400 * time.Millisecond},
		{7, 1, 10 * time.Second}, {7, 0, 5 * time.Second}, {1 << 30, 1, 10 * time.Second},
	} {
		if got := backoff(tc.failures, tc.chance); got != tc.want {
			t.Errorf("backoff(%d, %v) is %v, want %v", tc.failures, tc.chance, got, tc.want)
		}
	}
}

func TestTheRegistryForgetsOnlyTheOldest(t *testing.T) {
	t.Parallel()
	r := newRegistry()
	for i := range remembered + 1 {
		id := fmt.Sprint(i)
		if _, fresh := r.admit(id); !fresh {
			t.Fatal("a new command is not fresh")
		}
		r.finished(rootdir.Report{Command: id})
	}
	if _, fresh := r.admit("1"); fresh {
		t.Error("a remembered command is fresh")
	}
	if _, fresh := r.admit("0"); !fresh {
		t.Error("the oldest command is still remembered")
	}
}
