package s3api_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"crossfade/internal/auth"
	"crossfade/internal/awsjson"
	"crossfade/internal/edge"
	"crossfade/internal/policy"
	"crossfade/internal/revision/s3store"
	"crossfade/internal/revision/s3store/s3api"
	"crossfade/internal/sigv4"
	"crossfade/internal/wire"
	"crossfade/internal/wire/host"
)

const (
	secret = "a-long-secret"
	region = "eu-central-1"
)

var callers = map[string]auth.Principal{
	"ROOT":  {ARN: auth.RootARN("1"), Account: "1", Kind: auth.Root},
	"OTHER": {ARN: auth.RootARN("2"), Account: "2", Kind: auth.Root},
	"USER":  {ARN: auth.UserARN("1", "ci"), Account: "1", Kind: auth.User},
	"HOST":  {ARN: auth.UserARN("1", "web-1"), Account: "1", Kind: auth.Host},
}

type keyring struct{}

func (keyring) Secret(_ context.Context, id, _ string) (string, error) {
	if _, ok := callers[id]; !ok {
		return "", sigv4.ErrUnknownKey
	}
	return secret, nil
}

func (keyring) Principal(_ context.Context, id, _ string) (auth.Principal, error) {
	return callers[id], nil
}

var _ edge.Objects = (*s3api.Handler)(nil)

// world is the store behind the real edge on a real port.
type world struct {
	store *s3store.Store
	url   string
	http  *http.Client
}

func newWorld(t testing.TB, tls bool) *world {
	t.Helper()
	var ids atomic.Int64
	log := slog.New(slog.DiscardHandler)
	newID := func() string { return fmt.Sprintf("id-%d", ids.Add(1)) }
	store, err := s3store.Open(s3store.Options{Dir: t.TempDir(), Log: log, Now: time.Now, NewID: newID})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.EnsureBucket("1", "bundles"); err != nil {
		t.Fatal(err)
	}
	authorizer := &auth.Authorizer{Policies: everyHost{}, Hosts: everyHost{}, Region: region, Now: time.Now}
	objects := s3api.New(s3api.Options{Authorize: authorizer.Authorize, Store: store, Region: region, Hosts: []string{"crossfade.example"}, Log: log, Account: func(ctx context.Context) string {
		c, _ := auth.FromContext(ctx)
		return c.Account
	}})
	codec, err := awsjson.New(awsjson.Config{Services: []wire.Service{host.Describe(struct{ host.Service }{})}, Log: log, NewRequestID: newID})
	if err != nil {
		t.Fatal(err)
	}
	e := edge.New(edge.Config{
		JSON: codec, Objects: objects, Principals: keyring{}, Authorize: authorizer.Authorize, NewRequestID: newID, Log: log, Observe: func(string, string, string, time.Duration) {},
		Verifier: &sigv4.Verifier{Region: region, Services: []string{"s3", "codedeploy-commands"}, Keys: keyring{}, Now: time.Now},
	})
	srv := httptest.NewUnstartedServer(e)
	if tls {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	client := srv.Client()
	transport := client.Transport.(*http.Transport)
	address := srv.Listener.Addr().String()
	// Every name leads here, as a wildcard name does.
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return &world{store: store, url: srv.URL, http: client}
}

// sdk is the public SDK's client, path style unless an endpoint of another name is given.
func (w *world) sdk(key string, change ...func(*s3.Options)) *s3.Client {
	o := s3.Options{
		Region: region, BaseEndpoint: aws.String(w.url), UsePathStyle: true, HTTPClient: w.http,
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""), RetryMaxAttempts: 1,
		// As the SDK's own configuration has it: a checksum on every body.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported, ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
		DisableLogOutputChecksumValidationSkipped: true,
	}
	return s3.New(o, change...)
}

func read(t *testing.T, r io.ReadCloser) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	return string(b)
}

// everyHost may read all bundles, and users may do everything but delete what is kept.
type everyHost struct{}

func (everyHost) Policies(context.Context, auth.Principal) ([]policy.Named, error) {
	d, err := policy.Parse([]byte(`{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"},{"Sid":"Kept","Effect":"Deny","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::*/kept/*"}]}`))
	return []policy.Named{{Name: "most", Document: d}}, err
}
func (everyHost) IsHost(context.Context, string) (bool, error) { return false, nil }
func (everyHost) MayRead(context.Context, string, string, string, string) (bool, error) {
	return true, nil
}
