package s3client_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crossfade/internal/revision"
	"crossfade/internal/revision/revisiontest"
	"crossfade/internal/revision/s3client"
	"crossfade/internal/revision/s3store"
	"crossfade/internal/revision/s3store/s3api"
	"crossfade/internal/sigv4"
)

const (
	region = "eu-central-1"
	secret = "a-long-secret"
)

type keys struct{}

func (keys) Secret(_ context.Context, id, token string) (string, error) {
	if id != "KEY" || token != "" {
		return "", sigv4.ErrUnknownKey
	}
	return secret, nil
}

// endpoint is an S3 endpoint that judges signatures, and the store behind it.
func endpoint(t *testing.T) (*httptest.Server, *s3store.Store) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	store, err := s3store.Open(s3store.Options{Dir: t.TempDir(), Log: log, Now: time.Now, NewID: func() string { return "upload" }})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.EnsureBucket("1", "bundles"); err != nil {
		t.Fatal(err)
	}
	api := s3api.New(s3api.Options{Store: store, Region: region, Account: func(context.Context) string { return "1" }, Log: log})
	verifier := &sigv4.Verifier{Region: region, Services: []string{sigv4.ServiceS3}, Keys: keys{}, Now: time.Now}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := verifier.Verify(r.Context(), r, nil)
		var refused *sigv4.Error
		if errors.As(err, &refused) {
			api.Refuse(w, r, refused.S3Code, refused.Message)
			return
		}
		api.ServeObject(w, r, api.About(r), v.Body(r.Body))
	}))
	t.Cleanup(srv.Close)
	return srv, store
}

func client(t *testing.T, o s3client.Options) *s3client.Client {
	t.Helper()
	o.Region, o.PathStyle = region, true
	if o.AccessKeyID == "" {
		o.AccessKeyID, o.SecretAccessKey = "KEY", secret
	}
	c, err := s3client.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestIsASource(t *testing.T) {
	t.Parallel()
	revisiontest.Run(t, func(t *testing.T) revisiontest.Driver {
		srv, store := endpoint(t)
		return revisiontest.Driver{
			Source: client(t, s3client.Options{Endpoint: srv.URL}),
			Denied: client(t, s3client.Options{Endpoint: srv.URL, AccessKeyID: "KEY", SecretAccessKey: "another"}),
			Bucket: "bundles",
			Put: func(t *testing.T, key, content string) string {
				o, err := store.Put(t.Context(), "bundles", key, nil, s3store.Condition{}, s3store.Content{Body: strings.NewReader(content), Length: int64(len(content))})
				if err != nil {
					t.Fatal(err)
				}
				return o.ETag
			},
			Delete: func(t *testing.T, key string) {
				if err := store.Delete("bundles", key); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

// TestReadsRefusals holds answers that the built-in store does not give to what they mean.
func TestReadsRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		status  int
		version string
		want    error
		says    string
	}{
		{"a delete marker", http.StatusMethodNotAllowed, "v1", revision.ErrNotFound, "in version v1 is not at http"},
		{"no version id at all", http.StatusBadRequest, "v1", revision.ErrNotFound, "in version v1"},
		{"not allowed", http.StatusForbidden, "", revision.ErrDenied, "s3:GetObject"},
		{"another region", http.StatusMovedPermanently, "", nil, "configure that region"},
		{"a bad request", http.StatusBadRequest, "", nil, "read s3://bundles/app.zip from http"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(tt.status) }))
			defer srv.Close()
			c := client(t, s3client.Options{Endpoint: srv.URL})
			l := revision.Location{Bucket: "bundles", Key: "app.zip", Version: tt.version}
			_, looked := c.Stat(t.Context(), l)
			_, _, opened := c.Open(t.Context(), l)
			for _, err := range []error{looked, opened} {
				if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("%v, want %v saying %q", err, tt.want, tt.says)
				}
				if tt.want == nil && (errors.Is(err, revision.ErrNotFound) || errors.Is(err, revision.ErrDenied) || errors.Is(err, revision.ErrChanged)) {
					t.Errorf("%v is taken for another refusal", err)
				}
			}
		})
	}
}

// TestBundlesCutShortAreNoBundles holds that a connection that breaks, and content that is not what the endpoint summed, are errors.
func TestBundlesCutShortAreNoBundles(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]http.HandlerFunc{
		"cut short": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			if _, err := io.WriteString(w, "half"); err != nil {
				t.Error(err)
			}
		},
		"spoilt": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amz-Checksum-Crc32", "AAAAAA==")
			w.Header().Set("Content-Length", "4")
			if _, err := io.WriteString(w, "half"); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(serve)
			defer srv.Close()
			r, _, err := client(t, s3client.Options{Endpoint: srv.URL}).Open(t.Context(), revision.Location{Bucket: "bundles", Key: "app.zip"})
			if err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(r); err == nil {
				t.Errorf("read %q as if it were the bundle", text)
			}
			// A body that was spoilt may say so again.
			if err := r.Close(); err != nil {
				t.Log(err)
			}
		})
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		o    s3client.Options
		says string
	}{
		{s3client.Options{}, "no region"},
		{s3client.Options{Region: region, AccessKeyID: "KEY"}, "half of an access key"},
		{s3client.Options{Region: region, SecretAccessKey: "x"}, "half of an access key"},
		{s3client.Options{Region: region, Endpoint: "minio:9000"}, "is not of the form"},
		{s3client.Options{Region: region, Endpoint: "ftp://minio"}, "is not of the form"},
		{s3client.Options{Region: region, Endpoint: "https://"}, "is not of the form"},
		{s3client.Options{Region: region, Endpoint: "https://u:p@minio"}, "is not of the form"},
		{s3client.Options{Region: region, Endpoint: "https://minio?x=y"}, "is not of the form"},
	} {
		if _, err := s3client.New(t.Context(), tt.o); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v, want %q", tt.o, err, tt.says)
		}
	}
}

// TestTakesKeysButNoEndpointFromTheEnvironment holds that the usual AWS_ENDPOINT_URL, which leads to Crossfade itself, does not lead this client
// there.
func TestTakesKeysButNoEndpointFromTheEnvironment(t *testing.T) {
	srv, store := endpoint(t)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "KEY", "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": "", "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
		"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1", "AWS_CONFIG_FILE": t.TempDir() + "/none", "AWS_SHARED_CREDENTIALS_FILE": t.TempDir() + "/none", "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	if _, err := store.Put(t.Context(), "bundles", "app.zip", nil, s3store.Condition{}, s3store.Content{Body: strings.NewReader("bundle"), Length: 6}); err != nil {
		t.Fatal(err)
	}
	c, err := s3client.New(t.Context(), s3client.Options{Region: region, Endpoint: srv.URL, PathStyle: true})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := c.Stat(t.Context(), revision.Location{Bucket: "bundles", Key: "app.zip"}); err != nil || info.Size != 6 {
		t.Errorf("%+v, %v", info, err)
	}
}
