//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crossfade/internal/agent/bundle"
	"crossfade/internal/agent/hostlock"
	"crossfade/internal/agent/install"
	"crossfade/internal/agent/lifecycle"
	"crossfade/internal/agent/rootdir"
	"crossfade/internal/agent/script"
)

// stage is a host of a test, and what it is told.
type stage struct {
	*testing.T
	dir, root, source string
	deployer          Deployer
	told              []string
	failed            Outcome
}

func newStage(t *testing.T) *stage {
	t.Helper()
	dir := t.TempDir()
	s := &stage{T: t, dir: dir, root: filepath.Join(dir, "root"), source: filepath.Join(dir, "source")}
	lock, err := hostlock.Open(s.root)
	if err != nil {
		t.Fatal(err)
	}
	s.deployer = Deployer{Host: s.host(s.root), Root: s.root, Lock: lock, Tell: s, Now: time.Now}
	return s
}

func (s *stage) host(root string) *lifecycle.Host {
	s.Helper()
	d, err := rootdir.OpenBeside(root)
	if err != nil {
		s.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	return &lifecycle.Host{
		Dir: d, Installer: install.Installer{Dir: d.Instructions(), Log: log}, Environ: []string{"PATH=" + os.Getenv("PATH")}, MaxRevisions: 5, Now: time.Now, Log: log,
		Bundles: &bundle.Fetcher{HTTP: http.DefaultClient, MaxBytes: 1 << 20, Log: log},
	}
}

func (s *stage) Waiting(hostlock.Holder) { s.told = append(s.told, "waiting") }
func (s *stage) Begins(string)           {}
func (s *stage) Script(event, location string) {
	s.told = append(s.told, event+" runs "+location)
}
func (s *stage) Line(_ script.Stream, text string) { s.told = append(s.told, text) }
func (s *stage) Ends(o Outcome) {
	if o.Status == Failed {
		s.failed = o
	}
	s.told = append(s.told, fmt.Sprintf("%s %s", o.Event, o.Status))
}

// revision writes what is to be deployed.
func (s *stage) revision(appspec string, scripts map[string]string) {
	s.Helper()
	err := errors.Join(os.RemoveAll(s.source), os.MkdirAll(s.source, 0o755))
	err = errors.Join(err, os.WriteFile(filepath.Join(s.source, "appspec.yml"), []byte("version: 0.0\nos: linux\n"+appspec), 0o644))
	for name, body := range scripts {
		err = errors.Join(err, os.WriteFile(filepath.Join(s.source, name), []byte("#!/bin/sh\n"+body), 0o755))
	}
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) plan(unique string, events ...string) Plan {
	s.Helper()
	p, err := Request{Location: s.source, Events: events, Application: "shop"}.Plan(unique)
	if err != nil {
		s.Fatal(err)
	}
	return p
}

func (s *stage) wantTold(want ...string) {
	s.Helper()
	if !slices.Equal(s.told, want) {
		s.Errorf("told\n%q, want\n%q", s.told, want)
	}
	s.told = nil
}

func hook(event string) string { return "  " + event + ": [{location: run.sh}]\n" }

func TestADirectoryIsDeployedAndTheNextOneKnowsIt(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	app := filepath.Join(s.dir, "app")
	spec := "files: [{source: run.sh, destination: " + app + "}]\nhooks:\n" + hook("ApplicationStop") + hook("AfterInstall")
	s.revision(spec, map[string]string{"run.sh": "echo v1 $LIFECYCLE_EVENT $APPLICATION_NAME $DEPLOYMENT_ID $DEPLOYMENT_GROUP_NAME $DEPLOYMENT_GROUP_ID\n"})
	if err := s.deployer.Deploy(t.Context(), s.plan("ONE")); err != nil {
		t.Fatal(err)
	}
	s.wantTold("BeforeBlockTraffic nothing to do", "AfterBlockTraffic nothing to do", "ApplicationStop nothing to do", "DownloadBundle succeeded", "BeforeInstall nothing to do",
		"Install succeeded", "AfterInstall runs run.sh", "v1 AfterInstall shop d-ONE-local LocalFleet default-local-deployment-group", "AfterInstall succeeded",
		"ApplicationStart nothing to do", "ValidateService nothing to do", "BeforeAllowTraffic nothing to do", "AfterAllowTraffic nothing to do")
	if _, err := os.Stat(filepath.Join(app, "run.sh")); err != nil {
		t.Error(err)
	}
	s.revision(spec, map[string]string{"run.sh": "echo v2\n"})
	if err := s.deployer.Deploy(t.Context(), s.plan("TWO", "ApplicationStop", "DownloadBundle", "Install", "AfterInstall")); err != nil {
		t.Fatal(err)
	}
	s.wantTold("ApplicationStop runs run.sh", "v1 ApplicationStop shop d-TWO-local LocalFleet default-local-deployment-group", "ApplicationStop succeeded",
		"DownloadBundle succeeded", "Install succeeded", "AfterInstall runs run.sh", "v2", "AfterInstall succeeded")
	if left, err := os.ReadDir(filepath.Join(s.root, "ongoing-deployment")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a local deployment left progress: %v, %v", left, err)
	}
}

func TestAFailureEndsTheDeploymentAndSaysWhatTheScriptSaid(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.revision("hooks:\n"+hook("AfterInstall")+hook("ApplicationStart"), map[string]string{"run.sh": "echo no luck >&2; exit 7\n"})
	err := s.deployer.Deploy(t.Context(), s.plan("ONE", "AfterInstall", "ApplicationStart"))
	var failed *EventError
	if !errors.As(err, &failed) || failed.Event != "AfterInstall" || !strings.Contains(err.Error(), "exit code 7") {
		t.Errorf("got %v", err)
	}
	s.wantTold("DownloadBundle succeeded", "Install succeeded", "AfterInstall runs run.sh", "no luck", "AfterInstall failed")
	if d := s.failed.Diagnostics; d.ErrorCode != script.CodeFailed || !strings.Contains(d.Log, "[stderr]no luck") || s.failed.Scripts != 1 {
		t.Errorf("got %+v", s.failed)
	}
}

func TestCustomEventsNeedAHookAndHooksNeedAnEvent(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.revision("hooks:\n"+hook("Smoke"), map[string]string{"run.sh": "echo smoke\n"})
	if err := s.deployer.Deploy(t.Context(), s.plan("ONE", "Smoke")); err != nil {
		t.Fatal(err)
	}
	s.wantTold("DownloadBundle succeeded", "Install succeeded", "Smoke runs run.sh", "smoke", "Smoke succeeded")
	for want, events := range map[string][]string{"has the hook": nil, "lifecycle event \"Other\"": {"Smoke", "Other"}} {
		err := s.deployer.Deploy(t.Context(), s.plan("TWO", events...))
		if err == nil || !strings.HasPrefix(err.Error(), "Install: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestNobodyElseDeploysMeanwhile(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.revision("", nil)
	release, err := s.deployer.Lock.Acquire(t.Context(), hostlock.Holder{What: "Install"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.deployer.Deploy(ctx, s.plan("ONE")); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "Install") {
		t.Errorf("got %v", err)
	}
	s.wantTold("waiting")
	if err := release(); err != nil {
		t.Fatal(err)
	}
	// An agent that has the root directory is no hindrance.
	agent, err := rootdir.Open(s.root, "")
	if err != nil {
		t.Fatal(err)
	}
	err = s.deployer.Deploy(t.Context(), s.plan("TWO"))
	if err := errors.Join(err, agent.Close()); err != nil {
		t.Error(err)
	}
}

func TestTheRootDirectoryIsNotDeployedIntoItself(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	if err := os.WriteFile(filepath.Join(s.dir, "appspec.yml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Request{Location: s.dir}.Plan("ONE")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.deployer.Deploy(t.Context(), p); err == nil || !strings.Contains(err.Error(), "choose another root directory") {
		t.Errorf("got %v", err)
	}
}

func TestARehearsalSaysWhatWillHappenAndTouchesNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	app := filepath.Join(s.dir, "app")
	spec := "files: [{source: run.sh, destination: " + app + "}]\nhooks:\n" + hook("ApplicationStop") + "  AfterInstall: [{location: run.sh, timeout: 5, runas: root}]\n"
	s.revision(spec, map[string]string{"run.sh": "true\n"})
	if err := s.deployer.Deploy(t.Context(), s.plan("ONE", "ApplicationStart")); err != nil {
		t.Fatal(err)
	}
	before := s.tree()
	steps, err := (&Rehearsal{Host: s.host(filepath.Join(t.TempDir(), "scratch")), Root: s.root}).Steps(t.Context(), s.plan("TWO"))
	if err != nil {
		t.Fatal(err)
	}
	if after := s.tree(); !slices.Equal(before, after) {
		t.Errorf("before %q, after %q", before, after)
	}
	by := map[string]Step{}
	for _, step := range steps {
		by[step.Event] = step
	}
	if stop := by["ApplicationStop"]; stop.From != filepath.Join(s.root, DefaultGroup, "d-ONE-local") || !slices.Equal(stop.Scripts, []StepScript{{"run.sh", 3600, "", false}}) {
		t.Errorf("got %+v", stop)
	}
	if after := by["AfterInstall"]; after.From != "" || !slices.Equal(after.Scripts, []StepScript{{"run.sh", 5, "root", false}}) {
		t.Errorf("got %+v", after)
	}
	in := by["Install"]
	if !slices.Equal(in.Remove, []string{app + "/run.sh", app}) || len(in.Install) != 2 || in.Install[1].String() != "copy run.sh to "+app+"/run.sh" {
		t.Errorf("got %+v", in)
	}
	if len(steps) != len(lifecycle.Events()) {
		t.Errorf("%d steps", len(steps))
	}

	// What would fail is said; a root directory that is not there is none.
	s.revision("files: [{source: gone, destination: /x}]\n", nil)
	_, err = (&Rehearsal{Host: s.host(filepath.Join(t.TempDir(), "scratch")), Root: filepath.Join(s.dir, "nowhere")}).Steps(t.Context(), s.plan("THREE"))
	if err == nil || !strings.Contains(err.Error(), `Install: appspec.yml line 3`) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the rehearsal made the root directory: %v", err)
	}
}

func (s *stage) tree() (all []string) {
	s.Helper()
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		all = append(all, fmt.Sprint(path, " ", info.Size()))
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	return all
}
