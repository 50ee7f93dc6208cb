package webhook_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/notify"
	"crossfade/internal/notify/notifytest"
	"crossfade/internal/notify/webhook"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

var (
	secret = "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	other  = "whsec_" + base64.StdEncoding.EncodeToString([]byte("another key, of 24 bytes"))
)

// receiver takes messages whose signature the reference implementation of Standard Webhooks finds good.
type receiver struct {
	t      *testing.T
	secret string
	mu     sync.Mutex
	bodies []string
	ids    []string
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		r.t.Error(err)
	}
	verifier, err := standardwebhooks.NewWebhook(r.secret)
	if err != nil {
		r.t.Error(err)
		return
	}
	if err := verifier.Verify(body, q.Header); err != nil || q.Method != http.MethodPost || q.Header.Get("Content-Type") != "application/json" {
		r.t.Errorf("%s with %v: %v", q.Method, q.Header, err)
		w.WriteHeader(http.StatusForbidden)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies, r.ids = append(r.bodies, string(body)), append(r.ids, q.Header.Get("webhook-id"))
	w.WriteHeader(http.StatusNoContent)
}

func fail(w http.ResponseWriter, trouble notifytest.Trouble) {
	w.WriteHeader(map[notifytest.Trouble]int{
		notifytest.Busy: http.StatusTooManyRequests, notifytest.Broken: http.StatusBadGateway, notifytest.Gone: http.StatusGone,
	}[trouble])
}

func TestSuite(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, func(t *testing.T) notifytest.Receiver {
		inner := &receiver{t: t, secret: secret}
		troubled := &notifytest.Troubled{Inner: inner, Fail: fail}
		srv := httptest.NewTLSServer(troubled)
		t.Cleanup(srv.Close)
		sink, err := webhook.New(webhook.Options{URL: srv.URL + "/in/path-secret?token=query-secret", Secrets: []string{secret}, Transport: srv.Client().Transport})
		if err != nil {
			t.Fatal(err)
		}
		return notifytest.Receiver{
			Sink: sink, Trouble: troubled.Set, Secrets: []string{secret, "path-secret", "query-secret"},
			Received: func(*testing.T, int) []string {
				inner.mu.Lock()
				defer inner.mu.Unlock()
				return slices.Clone(inner.bodies)
			},
		}
	})
}

// TestSecretsChange holds that a receiver that knows only one of the secrets takes the message, whichever it is.
func TestSecretsChange(t *testing.T) {
	t.Parallel()
	for _, knows := range []string{secret, other} {
		inner := &receiver{t: t, secret: knows}
		srv := httptest.NewServer(inner)
		sink, err := webhook.New(webhook.Options{URL: srv.URL, Secrets: []string{other, secret}})
		if err != nil {
			t.Fatal(err)
		}
		if err := sink.Send(t.Context(), notify.Message{ID: "m-1", Body: []byte("{}")}); err != nil || !slices.Equal(inner.ids, []string{"m-1"}) {
			t.Errorf("the receiver got %v, %v", inner.ids, err)
		}
		srv.Close()
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{
		200: "taken", 201: "taken", 202: "taken", 204: "taken",
		301: "again", 302: "again", 307: "again", 408: "again", 425: "again", 429: "again", 500: "again", 503: "again",
		400: "never", 401: "never", 404: "never", 410: "never", 422: "never",
	} {
		var asked []string
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.URL.Path)
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
			if status != 204 {
				if _, err := w.Write([]byte("a\nlong   \"answer\" " + strings.Repeat("x", 1<<20))); err != nil {
					t.Logf("the sink does not read all: %v", err)
				}
			}
		}))
		sink, err := webhook.New(webhook.Options{URL: srv.URL + "/in", Secrets: []string{secret}})
		if err != nil {
			t.Fatal(err)
		}
		err = sink.Send(t.Context(), notify.Message{ID: "m", Body: []byte("{}")})
		got := "taken"
		switch {
		case notify.IsPermanent(err):
			got = "never"
		case err != nil:
			got = "again"
		}
		if got != want || !slices.Equal(asked, []string{"/in"}) {
			t.Errorf("%d is read as %s: %v, want %s; asked were %v", status, got, err, want, asked)
		}
		if err != nil && (len(err.Error()) > 400 || !strings.Contains(err.Error(), `"a long \"answer\" xxx`)) {
			t.Errorf("%d: the error is %v", status, err)
		}
		srv.Close()
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url, secret, says string
	}{
		{"https://hooks.example.com/x?y=z", secret, ""},
		{"http://127.0.0.1:80/x", secret, ""},
		{"http://localhost/", other, ""},
		{"http://[::1]:1/", secret, ""},
		{"http://hooks.example.com/x", secret, "in the clear"},
		{"http://localhost.example.com/x", secret, "in the clear"},
		{"ftp://127.0.0.1/x", secret, "is not a URL"},
		{"hooks.example.com", secret, "is not a URL"},
		{"https://", secret, "is not a URL"},
		{"https://me:pass@hooks.example.com/", secret, "a user or a fragment"},
		{"https://hooks.example.com/", "", "not whsec_"},
		{"https://hooks.example.com/", "whsec_short", "not whsec_"},
		{"https://hooks.example.com/", strings.TrimPrefix(secret, "whsec_"), "not whsec_"},
	} {
		_, err := webhook.New(webhook.Options{URL: c.url, Secrets: []string{c.secret}})
		if (err == nil) != (c.says == "") || err != nil && (!strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "pass@") || strings.Contains(err.Error(), "short")) {
			t.Errorf("%s, %s: %v, want %q", c.url, c.secret, err, c.says)
		}
	}
	if _, err := webhook.New(webhook.Options{URL: "https://hooks.example.com/"}); err == nil || !strings.Contains(err.Error(), "has no secret") {
		t.Errorf("without secrets: %v", err)
	}
}

// TestTimestamp holds that a message is stamped when it is sent, not when it happened: a receiver refuses what is old.
func TestTimestamp(t *testing.T) {
	t.Parallel()
	var got http.Header
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer srv.Close()
	sink, err := webhook.New(webhook.Options{URL: srv.URL, Secrets: []string{secret}, Now: func() time.Time { return time.Unix(1614265330, 999) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.Send(t.Context(), notify.Message{ID: "m", At: time.Unix(1, 0), Body: []byte("{}")}); err != nil || got.Get("webhook-timestamp") != "1614265330" {
		t.Errorf("the message was sent with %v, %v: the time is that of sending, so that a late message is not taken for a repeated one", got, err)
	}
}
