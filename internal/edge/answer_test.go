package edge_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/awsjson"
	"crossfade/internal/edge"
	"crossfade/internal/sigv4"
	"crossfade/internal/wire"
	"crossfade/internal/wire/host"
)

// panicking is a store that panics, before or in the middle of an answer.
type panicking struct{ objects }

func (panicking) ServeObject(w http.ResponseWriter, r *http.Request, _ auth.Objects, _ *sigv4.Body) {
	if strings.HasSuffix(r.URL.Path, "late") {
		w.Header().Set("Content-Length", "100")
		if _, err := io.WriteString(w, "half an ob"); err != nil {
			panic(err)
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			panic(err)
		}
	}
	panic("on purpose")
}

// TestPanicsAreFaultsAndNotAnswers holds that a panic behind the edge is an error with a request id, never a whole answer, and stops nothing.
func TestPanicsAreFaultsAndNotAnswers(t *testing.T) {
	t.Parallel()
	log := &lockedBuffer{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	newID := func() string { return "the-request" }
	h, err := awsjson.New(awsjson.Config{Services: []wire.Service{host.Describe(agents{})}, Log: logger, NewRequestID: newID})
	if err != nil {
		t.Fatal(err)
	}
	e := edge.New(edge.Config{
		JSON: h, Objects: panicking{}, Principals: keyring{}, Authorize: authorizer().Authorize, NewRequestID: newID, Log: logger,
		Observe:  func(string, string, string, time.Duration) {},
		Verifier: &sigv4.Verifier{Region: "us-east-1", Services: []string{auth.ServiceRevisions}, Keys: keyring{}, Now: time.Now},
	})
	srv := httptest.NewUnstartedServer(e)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.Start()
	t.Cleanup(srv.Close)
	f := fixture{Edge: e, url: srv.URL}
	for range 2 {
		if status, body, header := f.do(t, ask{"GET", "/b/early", "", "ROOT", "s3", ""}); !strings.Contains(body, "InternalError") || status == 200 || header.Get("X-Amzn-Requestid") != "the-request" {
			t.Errorf("before an answer: %d %s", status, body)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/b/late", nil)
	if err != nil {
		t.Fatal(err)
	}
	sigv4.Sign(req, sigv4.Credential{AccessKeyID: "ROOT", SecretAccessKey: secret}, "us-east-1", "s3", sigv4.Hash(nil), time.Now())
	// A connection of its own: on one that was used before, the client would ask again by itself.
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if res, err := fresh.Do(req); err == nil {
		if body, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("half an answer looked whole: %q", body)
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := strings.Count(log.String(), "a handler panicked"); n != 3 {
		t.Errorf("%d of 3 panics were logged:\n%s", n, log.String())
	}
}
