package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/agent/archive"
	"crossfade/internal/envelope"
)

func fetcher(t *testing.T, handler http.HandlerFunc) *Fetcher {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &Fetcher{
		HTTP: server.Client(), S3Endpoint: server.URL + "/", GitHubURL: server.URL, UserAgent: "crossfade/1", MaxBytes: 100,
		Waits: []time.Duration{0, 0}, Log: slog.New(slog.DiscardHandler),
		Sign: func(_ context.Context, req *http.Request, service, payload string) error {
			req.Header.Set("Authorization", service+" "+payload[:4])
			return nil
		},
	}
}

func fetch(t *testing.T, f *Fetcher, spec envelope.Specification) (string, archive.Kind, error) {
	t.Helper()
	dir := t.TempDir()
	dest := filepath.Join(dir, "bundle.tar")
	kind, err := f.Fetch(context.Background(), spec, dest)
	if err != nil {
		if left, readErr := os.ReadDir(dir); readErr != nil || len(left) > 0 {
			t.Errorf("after a failure there is %v, %v", left, readErr)
		}
		return "", kind, err
	}
	content, err := os.ReadFile(dest)
	return string(content), kind, err
}

func s3(r envelope.S3Revision) envelope.Specification {
	return envelope.Specification{Revision: envelope.Revision{RevisionType: envelope.RevisionS3, S3Revision: &r}}
}

func TestS3(t *testing.T) {
	t.Parallel()
	f := fetcher(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"abc"`)
		fmt.Fprintf(w, "%s %s", r.RequestURI, r.Header.Get("Authorization"))
	})
	for _, etag := range []string{"", "abc", `"abc"`} {
		got, kind, err := fetch(t, f, s3(envelope.S3Revision{Bucket: "b", Key: "a dir/k+1.zip", BundleType: "zip", Version: "v/1", ETag: etag}))
		if want := "/b/a%20dir/k%2B1.zip?versionId=v%2F1 s3 e3b0"; err != nil || kind != archive.Zip || got != want {
			t.Errorf("ETag %q: got %q, %s, %v", etag, got, kind, err)
		}
	}
	_, _, err := fetch(t, f, s3(envelope.S3Revision{Bucket: "b", Key: "k", BundleType: "tgz", ETag: "old"}))
	if err == nil || !strings.Contains(err.Error(), `download s3://b/k: the bundle has the ETag "abc", but the revision says "old"`) {
		t.Errorf("got %v", err)
	}
}

func TestS3SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status int
		body   string
		want   string
		calls  int32
	}{
		{403, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>", "AccessDenied: Access Denied: check that the host's access key", 1},
		{404, "<Error><Code>NoSuchKey</Code><Message>m</Message></Error>", "NoSuchKey: m: check the key", 1},
		{404, "<Error><Code>NoSuchBucket</Code><Message>m</Message></Error>", "check the bucket's name", 1},
		{301, "", "the bucket is elsewhere", 1},
		{503, "busy", "503 Service Unavailable", 3},
	} {
		var calls atomic.Int32
		f := fetcher(t, func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			w.WriteHeader(tc.status)
			fmt.Fprint(w, tc.body)
		})
		_, _, err := fetch(t, f, s3(envelope.S3Revision{Bucket: "b", Key: "k", BundleType: "tar"}))
		if err == nil || !strings.Contains(err.Error(), tc.want) || calls.Load() != tc.calls {
			t.Errorf("%d: got %v after %d calls, want %q after %d", tc.status, err, calls.Load(), tc.want, tc.calls)
		}
	}
}

func TestDownloadsAreRepeatedUntilWhole(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	f := fetcher(t, func(w http.ResponseWriter, r *http.Request) {
		switch calls.Add(1) {
		case 1:
			w.WriteHeader(500)
		case 2: // cut off
			w.Header().Set("Content-Length", "50")
			fmt.Fprint(w, "half")
		default:
			fmt.Fprint(w, "whole")
		}
	})
	if got, _, err := fetch(t, f, s3(envelope.S3Revision{Bucket: "b", Key: "k", BundleType: "tar"})); err != nil || got != "whole" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestBundlesThatAreTooLarge(t *testing.T) {
	t.Parallel()
	for _, announced := range []bool{true, false} {
		f := fetcher(t, func(w http.ResponseWriter, r *http.Request) {
			if !announced {
				w.(http.Flusher).Flush()
			}
			if _, err := io.WriteString(w, strings.Repeat("x", 101)); err != nil && announced {
				t.Log(err)
			}
		})
		if _, _, err := fetch(t, f, s3(envelope.S3Revision{Bucket: "b", Key: "k", BundleType: "tar"})); err == nil || !strings.Contains(err.Error(), "larger than the limit of 100 bytes") {
			t.Errorf("announced %v: got %v", announced, err)
		}
	}
}

func TestGitHub(t *testing.T) {
	t.Parallel()
	f := fetcher(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/repos/o/gone"):
			http.NotFound(w, r)
		case strings.HasPrefix(r.URL.Path, "/repos"):
			http.Redirect(w, r, "/moved"+r.URL.Path, http.StatusFound)
		default:
			fmt.Fprintf(w, "%s %s", r.URL.Path, r.Header.Get("Authorization"))
		}
	})
	spec := envelope.Specification{GitHubAccessToken: "secret", Revision: envelope.Revision{RevisionType: envelope.RevisionGitHub, GitHubRevision: &envelope.GitHubRevision{Account: "o", Repository: "r", CommitID: "c"}}}
	if got, kind, err := fetch(t, f, spec); err != nil || kind != archive.Tar || got != "/moved/repos/o/r/tarball/c token secret" {
		t.Errorf("got %q, %s, %v", got, kind, err)
	}
	spec.Revision.GitHubRevision.BundleType, spec.GitHubAccessToken = "zip", ""
	if got, kind, err := fetch(t, f, spec); err != nil || kind != archive.Zip || got != "/moved/repos/o/r/zipball/c " {
		t.Errorf("got %q, %s, %v", got, kind, err)
	}
	spec.Revision.GitHubRevision.Repository = "gone"
	if _, _, err := fetch(t, f, spec); err == nil || !strings.Contains(err.Error(), "a private repository needs a GitHub token") {
		t.Errorf("got %v", err)
	}
}

func TestLocal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "b.zip")
	if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := fetcher(t, http.NotFound)
	spec := envelope.Specification{Revision: envelope.Revision{RevisionType: envelope.RevisionLocalFile, LocalRevision: &envelope.LocalRevision{Location: file, BundleType: "zip"}}}
	if got, kind, err := fetch(t, f, spec); err != nil || kind != archive.Zip || got != "content" {
		t.Errorf("got %q, %s, %v", got, kind, err)
	}
	dest := filepath.Join(t.TempDir(), "copy")
	for range 2 {
		if err := f.CopyDirectory(t.Context(), dir, dest); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(filepath.Join(dest, "b.zip")); err != nil || string(got) != "content" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := f.CopyDirectory(t.Context(), filepath.Join(dir, "gone"), dest); err == nil {
		t.Error("a directory out of nowhere was copied")
	}
	if err := f.CopyDirectory(t.Context(), file, dest); err == nil || !strings.Contains(err.Error(), "no directory") {
		t.Errorf("a file was copied as a directory: %v", err)
	}
}

func TestACopiedDirectoryKeepsModesTimesAndLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret, old := filepath.Join(dir, "sub", "secret"), time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := errors.Join(os.Mkdir(filepath.Dir(secret), 0o700), os.WriteFile(secret, []byte("s"), 0o600), os.Chtimes(secret, old, old),
		os.Symlink("sub/secret", filepath.Join(dir, "link")), os.Symlink(dir, dir+"-by-link")); err != nil {
		t.Fatal(err)
	}
	dest := filepath.Join(t.TempDir(), "copy")
	if err := fetcher(t, http.NotFound).CopyDirectory(t.Context(), dir+"-by-link", dest); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dest, "sub", "secret"))
	if err != nil || !onWindows && info.Mode().Perm() != 0o600 || !info.ModTime().Equal(old) {
		t.Errorf("got %v, %v", info, err)
	}
	if to, err := os.Readlink(filepath.Join(dest, "link")); err != nil || to != "sub/secret" {
		t.Errorf("got %q, %v", to, err)
	}
}

// TestASourceThatFallsSilentIsGivenUp has a source that sends half of the bundle and then nothing, with the connection open: it must not hold the host
// up for ever.
func TestASourceThatFallsSilentIsGivenUp(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	f := fetcher(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) > 1 {
			fmt.Fprint(w, "whole")
			return
		}
		w.Header().Set("Content-Length", "5")
		fmt.Fprint(w, "wh")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		<-r.Context().Done()
	})
	f.Silence = 250 * time.Millisecond
	if content, _, err := fetch(t, f, s3(envelope.S3Revision{Bucket: "b", Key: "k", BundleType: "zip"})); content != "whole" || err != nil {
		t.Errorf("got %q, %v", content, err)
	}
	f.Waits = nil
	asked.Store(0)
	if _, _, err := fetch(t, f, s3(envelope.S3Revision{Bucket: "b", Key: "k", BundleType: "zip"})); !errors.Is(err, errSilent) {
		t.Errorf("got %v", err)
	}
}
