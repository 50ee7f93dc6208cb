package server

import (
	"io"
	"net/http"
	"testing"
	"time"

	"crossfade/internal/sigv4"
)

// TestNoBucketTakesTheServersName holds that a bucket which is called like the beginning of a name of the server does not get the requests under that name
// that are for other buckets.
func TestNoBucketTakesTheServersName(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Config.TLS.Names = []string{"deploy.corp.example"}
	o.Config.Revisions.Buckets = []string{"deploy", "releases"}
	s := start(t, o)
	ask := func(host, path string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		r.Header.Set("X-Amz-Content-Sha256", sigv4.Hash(nil))
		sigv4.Sign(r, testRoot, "us-east-1", "s3", sigv4.Hash(nil), time.Now())
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}
	for _, tc := range []struct{ host, path string }{
		{"deploy.corp.example", "/releases"}, {"releases.deploy.corp.example", "/"}, {"releases.any.example", "/"}, {s.Addr(), "/releases"},
	} {
		if status, body := ask(tc.host, tc.path); status != http.StatusOK {
			t.Errorf("%s%s: %d %s", tc.host, tc.path, status, body)
		}
	}
}
