package s3api_test

import (
	"bytes"
	"crypto/sha256"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func unescape(t *testing.T, s string) string {
	t.Helper()
	u, err := url.QueryUnescape(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestTheRealCLI brings and fetches files with the aws command, small and in parts.
func TestTheRealCLI(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("the aws command is not installed; install the AWS CLI to run this test")
	}
	w := newWorld(t, false)
	dir := t.TempDir()
	aws := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "aws", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+w.url, "AWS_ACCESS_KEY_ID=ROOT", "AWS_SECRET_ACCESS_KEY="+secret, "AWS_REGION="+region, "AWS_DEFAULT_REGION="+region,
			"AWS_CONFIG_FILE="+filepath.Join(dir, "none"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(dir, "none"), "AWS_SESSION_TOKEN=", "AWS_PAGER=")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	must := func(args ...string) string {
		t.Helper()
		out, err := aws(args...)
		if err != nil {
			t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return out
	}
	write := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 20<<20/16)
	write("small.zip", []byte("small"))
	write("large.zip", large)

	must("s3", "mb", "s3://made-here")
	must("s3", "cp", "small.zip", "s3://made-here/apps/small one.zip")
	must("s3", "cp", "large.zip", "s3://made-here/apps/large.zip")
	if out := must("s3", "ls"); !strings.Contains(out, "made-here") {
		t.Errorf("ls: %s", out)
	}
	if out := must("s3", "ls", "s3://made-here/apps/"); !strings.Contains(out, "20971520 large.zip") || !strings.Contains(out, "5 small one.zip") {
		t.Errorf("ls: %s", out)
	}
	if out := must("s3", "ls", "s3://made-here"); !strings.Contains(out, "PRE apps/") {
		t.Errorf("ls: %s", out)
	}
	must("s3", "cp", "s3://made-here/apps/large.zip", "back.zip")
	back, err := os.ReadFile(filepath.Join(dir, "back.zip"))
	if err != nil || sha256.Sum256(back) != sha256.Sum256(large) {
		t.Errorf("%d bytes came back, %v", len(back), err)
	}
	must("s3", "cp", "s3://made-here/apps/small one.zip", "s3://bundles/copied.zip")
	if out := must("s3api", "head-object", "--bucket", "made-here", "--key", "apps/large.zip", "--query", "ETag", "--output", "text"); !strings.Contains(out, "-3") {
		t.Errorf("the ETag of three parts is %s", out)
	}
	// A large object is copied part by part inside the store.
	must("s3", "mv", "s3://made-here/apps/large.zip", "s3://made-here/apps/moved.zip")
	if out := must("s3", "ls", "s3://made-here/apps/"); !strings.Contains(out, "20971520 moved.zip") || strings.Contains(out, "large.zip") {
		t.Errorf("ls after mv: %s", out)
	}
	must("s3", "sync", "s3://made-here/apps", "synced")
	if moved, err := os.ReadFile(filepath.Join(dir, "synced", "moved.zip")); err != nil || sha256.Sum256(moved) != sha256.Sum256(large) {
		t.Errorf("%d bytes came by sync, %v", len(moved), err)
	}
	must("s3api", "put-object", "--bucket", "made-here", "--key", "put.zip", "--body", "small.zip", "--checksum-algorithm", "SHA256")
	presigned := strings.TrimSpace(must("s3", "presign", "s3://bundles/copied.zip"))
	res, err := w.http.Get(presigned)
	if err != nil || read(t, res.Body) != "small" {
		t.Errorf("presigned: %v", err)
	}
	if out, err := aws("s3", "rb", "s3://made-here"); err == nil || !strings.Contains(out, "BucketNotEmpty") {
		t.Errorf("rb of a full bucket: %v %s", err, out)
	}
	must("s3", "rm", "s3://made-here", "--recursive")
	must("s3", "rb", "s3://made-here")
	if out, err := aws("s3", "cp", "s3://made-here/x", "x"); err == nil || !strings.Contains(out, "404") && !strings.Contains(out, "NoSuchBucket") {
		t.Errorf("from a bucket that is gone: %v %s", err, out)
	}
}
