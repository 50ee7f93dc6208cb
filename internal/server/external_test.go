package server

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"crossfade/internal/revision"
)

// TestAnOldVersionOfABundleIsAnotherMatter holds that which version of an object is asked for is decided on too: what a host or a user may not have any more,
// or not yet, has the same key.
func TestAnOldVersionOfABundleIsAnotherMatter(t *testing.T) {
	t.Parallel()
	x := &externalObjects{sources: map[string]revision.Source{"open": nil}}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodHead, "/open/k?versionId=6", nil)
	needed := x.About(r).Accesses()
	if len(needed) != 1 || needed[0].Action() != "s3:GetObjectVersion" || needed[0].Version != "6" {
		t.Errorf("it needs %+v", needed)
	}
}

// TestABucketOfAnotherEndpointIsAlwaysTheSame holds that a request is served for the bucket that it was authorised for, also where one bucket's name
// begins another's.
func TestABucketOfAnotherEndpointIsAlwaysTheSame(t *testing.T) {
	t.Parallel()
	x := &externalObjects{sources: map[string]revision.Source{"open": nil, "open.secret": nil, "open.secret.more": nil}}
	for range 50 { // the order of a map differs from time to time
		for _, tc := range []struct{ host, path, bucket, key string }{
			{"open.secret.example.org:8443", "/k", "open.secret", "k"},
			{"OPEN.secret.example.org", "/k", "open.secret", "k"},
			{"open.example.org", "/k", "open", "k"},
			{"open.secret.more.example.org", "/d/k", "open.secret.more", "d/k"},
			{"example.org", "/open.secret/k", "open.secret", "k"},
		} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, tc.path, nil)
			r.Host = tc.host
			if about := x.About(r); about.Bucket != tc.bucket || about.Key != tc.key {
				t.Fatalf("%s%s is about %s/%s, want %s/%s", tc.host, tc.path, about.Bucket, about.Key, tc.bucket, tc.key)
			}
		}
	}
}
