//go:build unix

package agent

import (
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crossfade/internal/agent/lifecycle"
	"crossfade/internal/agent/script"
	"crossfade/internal/appspec"
	"crossfade/internal/envelope"
)

// allHooks is an AppSpec whose every hook runs the script named after it, and that installs everything into dir.
func allHooks(dir string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version: 0.0\nos: linux\nfiles:\n  - source: /\n    destination: %s\nfile_exists_behavior: OVERWRITE\nhooks:\n", dir)
	for _, e := range appspec.LifecycleEvents() {
		fmt.Fprintf(&b, "  %s:\n    - location: run.sh\n", e)
	}
	return b.String()
}

// tracing is a revision whose scripts write down which revision and which deployment they ran for.
func tracing(dir, revision string) map[string]string {
	return map[string]string{
		"appspec.yml": allHooks(filepath.Join(dir, "app")),
		"run.sh":      "#!/bin/sh\necho \"" + revision + " $LIFECYCLE_EVENT $DEPLOYMENT_ID\" >> " + filepath.Join(dir, "trace") + "\n",
	}
}

func trace(t *testing.T, dir string) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "trace"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "trace")); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(content)), "\n")
}

// deploy has the host carry out events and wants them all to succeed.
func (s *fakeServer) deploy(spec envelope.Specification, events ...string) {
	s.Helper()
	for _, e := range events {
		if r := s.do(spec, e); r.Status != "Succeeded" || r.ErrorCode != script.CodeSuccess || r.Log != "" {
			s.Errorf("%s of %s: %+v", e, spec.DeploymentID, r)
		}
	}
}

func TestAWholeDeploymentAndTheLayoutItLeaves(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	root, dir := filepath.Join(t.TempDir(), "root"), t.TempDir()
	s.start(s.options(root))
	spec := s.deployment("d-ONE", tracing(dir, "v1"))
	spec.Revision.S3Revision.ETag = fmt.Sprintf("%x", len(s.bundles["/bucket/d-ONE.zip"]))
	s.deploy(spec, lifecycle.Events()...)

	want := []string{
		"v1 BeforeInstall d-ONE", "v1 AfterInstall d-ONE", "v1 ApplicationStart d-ONE", "v1 ValidateService d-ONE", "v1 BeforeAllowTraffic d-ONE", "v1 AfterAllowTraffic d-ONE",
	}
	if got := trace(t, dir); !slices.Equal(got, want) {
		t.Errorf("the scripts ran as\n%q, want\n%q", got, want)
	}
	for event, noop := range map[string]bool{"BeforeBlockTraffic": true, "ApplicationStop": true, "DownloadBundle": false, "Install": false, "AfterInstall": false} {
		if s.noop(spec, event) != noop {
			t.Errorf("%s: no-op is %v", event, !noop)
		}
	}
	wantFiles := []string{
		testGroup + "/d-ONE/bundle.tar", testGroup + "/d-ONE/deployment-archive/appspec.yml", testGroup + "/d-ONE/deployment-archive/run.sh", testGroup + "/d-ONE/logs/scripts.log",
		"crossfade/host.lock", "crossfade/lock", "crossfade/status.json",
		"deployment-instructions/" + testGroup + "-cleanup", "deployment-instructions/" + testGroup + "-install.json",
		"deployment-instructions/" + testGroup + "_last_successful_install", "deployment-instructions/" + testGroup + "_most_recent_install",
		"deployment-logs/codedeploy-agent-deployments.log",
	}
	if got := waitForFiles(t, root, wantFiles); !slices.Equal(got, wantFiles) {
		t.Errorf("the root has\n%q, want\n%q", got, wantFiles)
	}
	if got, err := os.ReadFile(filepath.Join(root, "deployment-instructions", testGroup+"_last_successful_install")); err != nil || string(got) != filepath.Join(root, testGroup, "d-ONE") {
		t.Errorf("the last successful install is %q, %v", got, err)
	}
}

// waitForFiles lists the root's files; the last report's file goes only after the server has answered.
func waitForFiles(t *testing.T, root string, want []string) (all []string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		all = nil
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				all = append(all, strings.TrimPrefix(path, root+"/"))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if slices.Equal(all, want) {
			break
		}
	}
	return all
}

func TestWhichRevisionsScriptsRun(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	dir := t.TempDir()
	s.start(s.options(filepath.Join(t.TempDir(), "root")))
	one := s.deployment("d-ONE", tracing(dir, "v1"))
	s.deploy(one, lifecycle.Events()...)
	trace(t, dir)

	// In place, the old revision stops the application, the new one starts it.
	two := s.deployment("d-TWO", tracing(dir, "v2"))
	s.deploy(two, "ApplicationStop", "DownloadBundle", "BeforeInstall", "Install", "ApplicationStart")
	want := []string{"v1 ApplicationStop d-TWO", "v2 BeforeInstall d-TWO", "v2 ApplicationStart d-TWO"}
	if got := trace(t, dir); !slices.Equal(got, want) {
		t.Errorf("in place: %q, want %q", got, want)
	}

	// A download without an installation makes v3 the most recent; v2 stays the last successful.
	three := s.deployment("d-THREE", tracing(dir, "v3"))
	s.deploy(three, "DownloadBundle")
	original := s.deployment("d-BLUE", tracing(dir, "v4"))
	s.deploy(original, "BeforeBlockTraffic", "AfterBlockTraffic")
	want = []string{"v2 BeforeBlockTraffic d-BLUE", "v2 AfterBlockTraffic d-BLUE"}
	if got := trace(t, dir); !slices.Equal(got, want) {
		t.Errorf("original environment: %q, want %q", got, want)
	}

	back := s.deployment("d-BACK", tracing(dir, "v5"))
	back.DeploymentCreator, back.DeploymentType = envelope.CreatorRollback, envelope.TypeBlueGreen
	s.deploy(back, "BeforeBlockTraffic", "AfterBlockTraffic", "ApplicationStop", "BeforeAllowTraffic", "AfterAllowTraffic")
	want = []string{"v3 BeforeBlockTraffic d-BACK", "v3 AfterBlockTraffic d-BACK", "v2 ApplicationStop d-BACK", "v2 BeforeAllowTraffic d-BACK", "v2 AfterAllowTraffic d-BACK"}
	if got := trace(t, dir); !slices.Equal(got, want) {
		t.Errorf("rollback of a blue/green deployment: %q, want %q", got, want)
	}
}

func TestAnOldRevisionThatIsGoneIsAFailure(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	root, dir := filepath.Join(t.TempDir(), "root"), t.TempDir()
	s.start(s.options(root))
	s.deploy(s.deployment("d-ONE", tracing(dir, "v1")), "DownloadBundle", "Install")
	if err := os.RemoveAll(filepath.Join(root, testGroup, "d-ONE")); err != nil {
		t.Fatal(err)
	}
	r := s.do(s.deployment("d-TWO", tracing(dir, "v2")), "ApplicationStop")
	if r.Status != "Failed" || r.ErrorCode != script.CodeUnknown || !strings.Contains(r.Message, "ignoring ApplicationStop failures") {
		t.Errorf("got %+v", r)
	}
}

func TestScriptFailuresReachTheServer(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	s.start(s.options(filepath.Join(t.TempDir(), "root")))
	for _, tc := range []struct {
		name, body, hook string
		code             script.Code
		message, log     string
	}{
		{"missing", "", "- location: gone.sh", script.CodeMissing, "Script does not exist at specified location: gone.sh", "Script - gone.sh\n"},
		{"failed", "echo out; echo err >&2; sleep 0.1; exit 3", "- location: run.sh", script.CodeFailed, "failed with exit code 3", "[stderr]err\n"},
		{"timeout", "sleep 60", "- {location: run.sh, timeout: 1}", script.CodeTimedOut, "Script at specified location: run.sh failed to complete in 1 seconds", "Script - run.sh\n"},
		{"open", "sleep 20 &", "- {location: run.sh, timeout: 1}", script.CodeOutputsOpen, "failed to close STDOUT", ""},
		{"user", "true", "- {location: run.sh, runas: no-such-user}", script.CodeFailed, "no such user on this host", ""},
		{"appspec", "true", "- location: ../run.sh", script.CodeUnknown, "appspec.yml line 5", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			spec := s.deployment("d-"+tc.name, map[string]string{
				"appspec.yml": "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    " + tc.hook + "\n    - location: never.sh\n", "run.sh": "#!/bin/sh\n" + tc.body + "\n",
			})
			spec.DeploymentGroupID = "group-" + tc.name // so that they don't wait for each other
			s.deploy(spec, "DownloadBundle")
			r := s.do(spec, "AfterInstall")
			if r.Status != "Failed" || r.ErrorCode != tc.code || !strings.Contains(r.Message, tc.message) || !strings.Contains(r.Log, tc.log) {
				t.Errorf("got %+v", r)
			}
			if tc.code != script.CodeUnknown && r.ScriptName == "" {
				t.Error("the script is not named")
			}
		})
	}
}

func TestScriptsKnowTheirDeployment(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	dir := t.TempDir()
	o := s.options(filepath.Join(t.TempDir(), "root"))
	o.LocalAddr = netip.MustParseAddr("127.0.0.9")
	s.start(o)
	spec := s.deployment("d-ENV", map[string]string{
		"appspec.yml": "version: 0.0\nos: linux\nhooks:\n  BeforeInstall:\n    - location: run.sh\n",
		"run.sh":      "#!/bin/sh\nenv | sort | grep -v ^_= | grep -v ^PWD= | grep -v ^SHLVL= > " + filepath.Join(dir, "env"),
	})
	spec.Revision.S3Revision.ETag = fmt.Sprintf("%x", len(s.bundles["/bucket/d-ENV.zip"]))
	s.deploy(spec, "DownloadBundle", "BeforeInstall")
	got, err := os.ReadFile(filepath.Join(dir, "env"))
	want := "APPLICATION_NAME=shop\nBUNDLE_BUCKET=bucket\nBUNDLE_ETAG=" + spec.Revision.S3Revision.ETag + "\nBUNDLE_KEY=d-ENV.zip\nDEPLOYMENT_GROUP_ID=" + testGroup +
		"\nDEPLOYMENT_GROUP_NAME=prod\nDEPLOYMENT_ID=d-ENV\nINHERITED=yes\nLIFECYCLE_EVENT=BeforeInstall\nPATH=/usr/bin:/bin\n"
	if err != nil || string(got) != want {
		t.Errorf("the environment is\n%s, %v, want\n%s", got, err, want)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.from) != 1 || !s.from["127.0.0.9"] {
		t.Errorf("the agent calls from %v", s.from)
	}
}

func TestBadBundlesFailTheDownload(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	root := filepath.Join(t.TempDir(), "root")
	o := s.options(root)
	o.MaxRevisions = 100
	s.start(o)
	gone := s.deployment("d-GONE", nil)
	gone.Revision.S3Revision.Key = "gone.zip"
	changed := s.deployment("d-CHANGED", map[string]string{"appspec.yml": "x"})
	changed.Revision.S3Revision.ETag = "other"
	for want, spec := range map[string]envelope.Specification{
		"NoSuchKey":                    gone,
		`the revision says "other"`:    changed,
		`entry "../x" climbs`:          s.deployment("d-CLIMB", map[string]string{"../x": "x"}),
		"damaged or no zip":            s.deploymentOf("d-JUNK", []byte("junk"), envelope.BundleZip),
		"the content is not zip":       s.deploymentOf("d-TGZ", []byte{0x1f, 0x8b, 0, 0, 0}, envelope.BundleZip),
		"it has no entries":            s.deployment("d-EMPTY", nil),
		"the tar content is damaged":   s.deploymentOf("d-TAR", []byte(strings.Repeat("x", 2000)), envelope.BundleTar),
		"the gzip content is damaged":  s.deploymentOf("d-GZ", []byte{0x1f, 0x8b, 9, 9, 9, 9, 9, 9, 9, 9}, envelope.BundleTgz),
		"the bundle has no AppSpec":    s.deployment("d-NOSPEC", map[string]string{"a": "x", "b": "y"}),
		"specification file was empty": s.deployment("d-NULL", map[string]string{"appspec.yml": ""}),
	} {
		r := s.do(spec, "DownloadBundle")
		if r.Status == "Succeeded" {
			r = s.do(spec, "Install")
		}
		if r.Status != "Failed" || r.ErrorCode != script.CodeUnknown || !strings.Contains(r.Message, want) {
			t.Errorf("%s: got %+v, want %q", spec.DeploymentID, r, want)
		}
	}
	if left, err := os.ReadDir(filepath.Join(root, testGroup, "d-CLIMB")); err != nil || len(left) != 2 {
		t.Errorf("a refused bundle left %v, %v", left, err)
	}
}

func TestAppSpecNamesFallBack(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	s.start(s.options(filepath.Join(t.TempDir(), "root")))
	for _, tc := range []struct{ id, file, asked string }{{"d-YAML", "appspec.yaml", ""}, {"d-NAMED", "deploy/my.yml", "deploy/my.yml"}} {
		spec := s.deployment(tc.id, map[string]string{tc.file: "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: run.sh\n", "run.sh": "exit 9\n"})
		spec.AppSpecFilename = tc.asked
		s.deploy(spec, "DownloadBundle", "Install")
		if r := s.do(spec, "AfterInstall"); r.ErrorCode != script.CodeFailed {
			t.Errorf("%s: %+v", tc.id, r)
		}
	}
}

func TestUnknownEventsAndPossibleEvents(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	s.start(s.options(filepath.Join(t.TempDir(), "root")))
	custom := map[string]string{"appspec.yml": "version: 0.0\nos: linux\nhooks:\n  Custom:\n    - location: x\n"}
	spec := s.deployment("d-ONE", custom)
	if r := s.do(spec, "BlockTraffic"); r.Status != "Failed" || !strings.Contains(r.Message, "Unsupported command type: BlockTraffic") {
		t.Errorf("got %+v", r)
	}
	usual := lifecycle.Events()
	for want, possible := range map[string][]string{
		`no possible lifecycle event`: usual,
		`lacks AfterAllowTraffic`:     append(usual[:len(usual)-1:len(usual)-1], "Custom"),
		`lifecycle event "Other"`:     append(usual[:len(usual):len(usual)], "Custom", "Other"),
		"":                            append(usual[:len(usual):len(usual)], "Custom"),
	} {
		// A deployment has one specification, so each needs a deployment of its own.
		spec := s.deployment(fmt.Sprintf("d-%x", want), custom)
		spec.AllPossibleLifecycleEvents = possible
		s.deploy(spec, "DownloadBundle")
		if r := s.do(spec, "Install"); !strings.Contains(r.Message, want) || (want == "") != (r.Status == "Succeeded") {
			t.Errorf("got %+v, want %q", r, want)
		}
	}
}
