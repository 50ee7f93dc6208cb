package s3api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crossfade/internal/revision/s3store"
	"crossfade/internal/sigv4"
)

func newHandler(t *testing.T, region string) *Handler {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	store, err := s3store.Open(s3store.Options{Dir: t.TempDir(), Log: log, Now: time.Now, NewID: func() string { return "u" }})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bundles", "my.bundles", "localhost"} {
		if err := store.EnsureBucket("1", name); err != nil {
			t.Fatal(err)
		}
	}
	return New(Options{Store: store, Region: region, Hosts: []string{"Example", "Deploy.Example"}, Log: log, Account: func(context.Context) string { return "1" }})
}

// TestAddresses holds where bucket and key are read from.
func TestAddresses(t *testing.T) {
	t.Parallel()
	h := newHandler(t, "us-east-1")
	for _, tt := range []struct{ method, host, path, bucket, key string }{
		{"GET", "127.0.0.1:8080", "/bundles/a/b", "bundles", "a/b"},
		{"GET", "[::1]:8080", "/bundles/a", "bundles", "a"},
		{"GET", "127.0.0.1", "/", "", ""},
		{"GET", "127.0.0.1", "/bundles", "bundles", ""},
		{"GET", "127.0.0.1", "/bundles/", "bundles", ""},
		{"GET", "127.0.0.1", "/bundles//a", "bundles", "/a"},
		{"GET", "localhost:8080", "/bundles/a", "bundles", "a"},
		{"GET", "bundles.localhost:8080", "/a/b", "bundles", "a/b"},
		{"GET", "BUNDLES.localhost.", "/a", "bundles", "a"},
		{"GET", "deploy.example", "/bundles/a", "bundles", "a"},
		{"GET", "bundles.deploy.example", "/a", "bundles", "a"},
		{"GET", "my.bundles.deploy.example", "/a", "my.bundles", "a"},
		{"GET", "no-such-bucket.deploy.example", "/a", "no-such-bucket", "a"},
		{"GET", "bundles.any.host", "/a", "bundles", "a"},
		{"GET", "my.bundles.any.host", "/a", "my.bundles", "a"},
		{"GET", "any.host", "/bundles/a", "bundles", "a"},
		{"PUT", "made-here.any.host", "/", "made-here", ""},
	} {
		r := httptest.NewRequest(tt.method, "http://h"+tt.path, nil)
		r.Host = tt.host
		if bucket, key := h.address(r); bucket != tt.bucket || key != tt.key {
			t.Errorf("%s %s%s: bucket %q and key %q", tt.method, tt.host, tt.path, bucket, key)
		}
	}
}

// TestMakesBuckets holds which buckets are made, and that none can be made that would take every request to the server for itself.
func TestMakesBuckets(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		region, host, path string
		status             int
		says               string
	}{
		{"us-east-1", "127.0.0.1:80", "/made-here", 200, ""},
		{"us-east-1", "127.0.0.1:80", "/bundles", 200, ""}, // once more
		{"eu-west-1", "127.0.0.1:80", "/bundles", 409, "BucketAlreadyOwnedByYou"},
		{"us-east-1", "bundles.any.host", "/", 200, ""},
		{"us-east-1", "any.host", "/made-here", 200, ""},
		{"us-east-1", "any.host", "/any", 400, "InvalidBucketName"},
		{"us-east-1", "server.corp:8443", "/server", 400, "the server&#39;s own name, server.corp;"},
		{"us-east-1", "server.server.corp", "/", 400, "InvalidBucketName"},
		{"us-east-1", "deploy.example", "/deploy", 200, ""}, // whose name is known
		{"us-east-1", "deploy.deploy.example", "/", 200, ""},
	} {
		t.Run(fmt.Sprint(tt.region, tt.host, tt.path), func(t *testing.T) {
			t.Parallel()
			h := newHandler(t, tt.region)
			r := httptest.NewRequest("PUT", "http://h"+tt.path, nil)
			r.Host = tt.host
			w := httptest.NewRecorder()
			h.ServeObject(w, r, h.About(r), sigv4.Verified{}.Body(strings.NewReader("")))
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) {
				t.Errorf("%d %s, want %d saying %s", w.Code, w.Body, tt.status, tt.says)
			}
		})
	}
}

// TestServesWhatWasDecidedOn holds that a bucket which goes away between the decision and the answer does not make the request one for an object of
// another bucket, on which nobody has decided.
func TestServesWhatWasDecidedOn(t *testing.T) {
	t.Parallel()
	h := newHandler(t, "us-east-1")
	secret := s3store.Content{Body: strings.NewReader("secret"), Length: 6}
	if _, err := h.store.Put(t.Context(), "bundles", "k", nil, s3store.Condition{}, secret); err != nil {
		t.Fatal(err)
	}
	if err := h.store.EnsureBucket("1", "own"); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "http://own.any.host/bundles/k", nil)
	about := h.About(r)
	if about.Bucket != "own" || about.Key != "bundles/k" {
		t.Fatalf("decided on %+v", about)
	}
	if err := h.store.DeleteBucket("own"); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeObject(w, r, about, sigv4.Verified{}.Body(strings.NewReader("")))
	if w.Code != 404 || !strings.Contains(w.Body.String(), "NoSuchBucket") {
		t.Errorf("%d %s, want NoSuchBucket", w.Code, w.Body)
	}
}
