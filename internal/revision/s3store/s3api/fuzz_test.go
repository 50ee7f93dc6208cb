package s3api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"crossfade/internal/revision/s3store"
	"crossfade/internal/sigv4"
)

func FuzzRange(f *testing.F) {
	for _, header := range []string{"bytes=0-4", "bytes=-3", "bytes=9-", "bytes=5-2", "bytes=0-1,3-4", "bytes=-0", "bytes=-9223372036854775808", "bytes=0-9223372036854775807", "items=1-2", ""} {
		f.Add(header, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		from, n, partial, err := parseRange(header, size)
		if err != nil {
			return
		}
		if from < 0 || n < 0 || from > size || n > size-from || !partial && (from != 0 || n != size) || partial && n == 0 {
			t.Errorf("%q of %d bytes gives %d bytes from %d, partial %v", header, size, n, from, partial)
		}
	})
}

func FuzzCopySource(f *testing.F) {
	for _, header := range []string{"b/k", "/b/a%20k?versionId=null", "b", "b/", "%zz/k", "b/k?versionId=%zz", "//k"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		bucket, key, err := copySource(header)
		if err == nil && (bucket == "" || key == "" || strings.Contains(bucket, "/")) {
			t.Errorf("%q is bucket %q and key %q", header, bucket, key)
		}
	})
}

// FuzzRequest sends any request past the signature: it is answered, nothing panics, and a request that was taken for a read changes nothing.
func FuzzRequest(f *testing.F) {
	for _, s := range [][5]string{
		{"GET", "127.0.0.1", "/bundles/k", "", ""}, {"PUT", "bundles.localhost", "/k", "", "body"}, {"POST", "", "/bundles", "delete", "<Delete><Object><Key>k</Key></Object></Delete>"},
		{"POST", "", "/bundles/k", "uploadId=u", "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"},
		{"GET", "", "/bundles", "list-type=2&continuation-token=a", ""}, {"PUT", "", "/bundles/k", "partNumber=1&uploadId=..", ""}, {"GET", "[::1]:80", "//../..", "", ""},
		{"GET", "a..b.localhost", "/", "encoding-type=x", ""}, {"HEAD", ".", "/bundles/%2e%2e", "versionId=1", ""},
	} {
		f.Add(s[0], s[1], s[2], s[3], s[4])
	}
	f.Fuzz(func(t *testing.T, method, host, path, query, body string) {
		r, err := http.NewRequest(method, "http://h/", strings.NewReader(body))
		if err != nil {
			return
		}
		r.Host, r.URL = host, &url.URL{Path: path, RawQuery: query}
		log := slog.New(slog.DiscardHandler)
		store, err := s3store.Open(s3store.Options{Dir: t.TempDir(), Log: log, Now: time.Now, NewID: func() string { return "u" }})
		if err != nil {
			t.Fatal(err)
		}
		_, putErr := store.Put(context.Background(), "bundles", "k", nil, s3store.Condition{}, s3store.Content{Body: strings.NewReader("x"), Length: 1})
		if err := store.EnsureBucket("1", "bundles"); err != nil || putErr == nil {
			t.Fatal(err, putErr)
		}
		if _, err := store.Put(context.Background(), "bundles", "k", nil, s3store.Condition{}, s3store.Content{Body: strings.NewReader("x"), Length: 1}); err != nil {
			t.Fatal(err)
		}
		h := New(Options{Store: store, Region: "us-east-1", Log: log, Account: func(context.Context) string { return "1" }})
		about := h.About(r)
		operation := about.Operation
		w := httptest.NewRecorder()
		h.ServeObject(w, r, about, sigv4.Verified{}.Body(strings.NewReader(body)))
		if w.Code == http.StatusInternalServerError {
			t.Errorf("%s %s %q ?%s: %s", method, host, path, query, w.Body)
		}
		if strings.HasPrefix(operation, "Get") || strings.HasPrefix(operation, "Head") || strings.HasPrefix(operation, "List") {
			o, err := store.Get("bundles", "k")
			if err := errors.Join(err, closeIf(o)); err != nil || o.Size != 1 || len(store.Buckets("1")) != 1 {
				t.Errorf("%s changed something: %v", operation, err)
			}
		}
	})
}

func closeIf(o *s3store.Reader) error {
	if o == nil {
		return nil
	}
	return o.Close()
}
