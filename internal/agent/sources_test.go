//go:build unix

package agent

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"crossfade/internal/envelope"
)

func TestTLSWithAPrivateAuthority(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	secure := httptest.NewTLSServer(s)
	t.Cleanup(secure.Close)
	o := s.options(filepath.Join(t.TempDir(), "root"))
	o.Endpoint, o.RootCAs = secure.URL, x509.NewCertPool()
	o.RootCAs.AddCert(secure.Certificate())
	s.start(o)
	s.deploy(s.deployment("d-TLS", one("AfterInstall", "true")), "DownloadBundle", "AfterInstall")
}

func TestGitHubRevisions(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	dir := t.TempDir()
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/repos/o/r/zipball/c0ffee" || r.Header.Get("Authorization") != "token t" {
			t.Errorf("GitHub is asked for %s with %q", r.URL, r.Header.Get("Authorization"))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, err := w.Write(s.bundles["/bucket/d-HUB.zip"]); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(hub.Close)
	o := s.options(filepath.Join(t.TempDir(), "root"))
	o.GitHubURL = hub.URL
	s.start(o)
	spec := s.deployment("d-HUB", map[string]string{
		"o-r-c0ffee/appspec.yml": "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: run.sh\n",
		"o-r-c0ffee/run.sh":      "#!/bin/sh\necho $BUNDLE_COMMIT > " + filepath.Join(dir, "commit"),
	})
	spec.GitHubAccessToken = "t"
	spec.Revision = envelope.Revision{RevisionType: envelope.RevisionGitHub, GitHubRevision: &envelope.GitHubRevision{Account: "o", Repository: "r", CommitID: "c0ffee", BundleType: "zip"}}
	s.deploy(spec, "DownloadBundle", "AfterInstall")
	if got, err := os.ReadFile(filepath.Join(dir, "commit")); err != nil || string(got) != "c0ffee\n" {
		t.Errorf("BUNDLE_COMMIT is %q, %v", got, err)
	}
}

func TestLocalRevisions(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	dir, root := t.TempDir(), filepath.Join(t.TempDir(), "root")
	s.start(s.options(root))
	for name, body := range one("AfterInstall", "touch "+filepath.Join(dir, "ran")) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	spec := s.deployment("d-LOCAL", nil)
	spec.Revision = envelope.Revision{RevisionType: envelope.RevisionLocalDirectory, LocalRevision: &envelope.LocalRevision{Location: dir, BundleType: "directory"}}
	s.deploy(spec, "DownloadBundle", "AfterInstall")
	if !exists(filepath.Join(dir, "ran")) {
		t.Error("the script did not run")
	}
}

func TestOldRevisionsAreRemovedAtTheDownload(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	root := filepath.Join(t.TempDir(), "root")
	o := s.options(root)
	o.MaxRevisions = 2
	s.start(o)
	for i := range 4 {
		spec := s.deployment(fmt.Sprintf("d-%d", i), one("AfterInstall", "true"))
		s.deploy(spec, "DownloadBundle")
		if i == 0 {
			s.deploy(spec, "Install")
		}
	}
	entries, err := os.ReadDir(filepath.Join(root, testGroup))
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if got := strings.Join(left, " "); got != "d-0 d-3" {
		t.Errorf("left are %s, want the last successful and the current", got)
	}
}

// BenchmarkEvent is what one lifecycle event costs from the server's offer to its outcome, over loopback HTTP.
func BenchmarkEvent(b *testing.B) {
	s := newFakeServer(b)
	s.start(s.options(filepath.Join(b.TempDir(), "root")))
	spec := s.deployment("d-BENCH", one("AfterInstall", "true"))
	s.deploy(spec, "DownloadBundle")
	for _, event := range []string{"ApplicationStart", "AfterInstall", "DownloadBundle", "Install"} {
		b.Run(event, func(b *testing.B) {
			begun := processorTime(b)
			for i := range b.N {
				id := fmt.Sprintf("%s-%d-%d", event, b.N, i)
				s.offer(id, spec, event)
				s.wait(id)
			}
			b.ReportMetric(float64(processorTime(b)-begun)/float64(b.N), "cpu-ns/op")
		})
	}
}

// processorTime is what this process and its scripts have used: the agent, and the fake server with its signatures.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var total time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		total += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return total
}
