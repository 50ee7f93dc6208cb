package edge_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/awsjson"
	"crossfade/internal/edge"
	"crossfade/internal/limit"
	"crossfade/internal/sigv4"
	"crossfade/internal/wire"
	"crossfade/internal/wire/host"
)

// rack keeps keys in memory.
type rack struct{ keys sync.Map }

func (r *rack) PutKey(_ context.Context, k auth.Record) error {
	r.keys.Store(k.AccessKeyID, k)
	return nil
}

func (r *rack) Key(_ context.Context, id string) (auth.Record, error) {
	if k, ok := r.keys.Load(id); ok {
		return k.(auth.Record), nil
	}
	return auth.Record{}, auth.ErrNoKey
}

func (*rack) Keys(context.Context, string, string) ([]auth.Record, error) { return nil, nil }
func (*rack) DeleteKey(context.Context, string) error                     { return nil }
func (*rack) Changes(context.Context) (int64, error)                      { return 0, nil }

// nowhere takes an answer and forgets it.
type nowhere struct {
	header http.Header
	status int
}

func (w *nowhere) Header() http.Header              { return w.header }
func (w *nowhere) WriteHeader(status int)           { w.status = status }
func (w *nowhere) Write(p []byte) (int, error)      { return len(p), nil }
func (w *nowhere) SetReadDeadline(time.Time) error  { return nil }
func (w *nowhere) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkCall is what it costs to let a host report, beside HTTP and what the report does: of 10,000 hosts in turn.
func BenchmarkCall(b *testing.B) {
	const hosts = 10_000
	log := slog.New(slog.DiscardHandler)
	newID := func() string { return "11111111-2222-4333-8444-555555555555" }
	decide := authorizer()
	h, err := awsjson.New(awsjson.Config{
		Services: []wire.Service{host.Describe(agents{})}, Log: log, NewRequestID: newID,
		Authorize: func(ctx context.Context, route awsjson.Route, _ wire.Input) error {
			return decide.Authorize(ctx, auth.Access{Service: "codedeploy-commands", Operation: route.Op.Name, Resource: "*"})
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	keys, err := auth.NewKeys(&rack{}, make([]byte, auth.KeySize), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	some := limit.Rule{Rate: 1e9, Burst: 1e9}
	e := edge.New(edge.Config{
		JSON: h, Objects: objects{}, Principals: keys, Authorize: decide.Authorize, NewRequestID: newID, Log: log,
		Observe:  func(string, string, string, time.Duration) {},
		Limits:   edge.Limits{PerKey: limit.New(some, 100_000, time.Now), PerAddress: limit.New(some, 100_000, time.Now)},
		Verifier: &sigv4.Verifier{Region: "us-east-1", Services: []string{"codedeploy-commands"}, Keys: keys, Now: time.Now},
	})
	body := []byte(`{"HostCommandIdentifier":"` + strings.Repeat("x", 200) + `","CommandStatus":"Succeeded","Diagnostics":{"Format":"JSON","Payload":"{\"error_code\":0,\"script_name\":\"\",\"message\":\"Succeeded\",\"log\":\"\"}"}}`)
	requests := make([]*http.Request, hosts)
	for i := range requests {
		c, err := keys.Create(b.Context(), auth.Principal{ARN: auth.UserARN("1", fmt.Sprintf("web-%d", i)), Account: "1", Kind: auth.Host})
		if err != nil {
			b.Fatal(err)
		}
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "http://127.0.0.1:8470/", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("X-Amz-Target", "CodeDeployCommandService_v20141006.PutHostCommandComplete")
		sigv4.Sign(r, c, "us-east-1", "codedeploy-commands", sigv4.Hash(body), time.Now())
		requests[i] = r
	}
	b.ReportAllocs()
	w := &nowhere{header: http.Header{}}
	for i := 0; b.Loop(); i++ {
		r := requests[i%hosts]
		r.Body = io.NopCloser(bytes.NewReader(body))
		clear(w.header)
		if e.ServeHTTP(w, r); w.status != http.StatusOK {
			b.Fatalf("answered %d", w.status)
		}
	}
}
