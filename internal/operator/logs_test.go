package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/awsjson"
	"crossfade/internal/deploy"
	"crossfade/internal/eventlog"
	"crossfade/internal/sigv4"
	"crossfade/internal/store"
	"crossfade/internal/wire"
)

// paper is the deployment d-1 of account 1, with a log of one line a chunk.
type paper struct {
	mu     sync.Mutex
	status deploy.Status
	lines  int
}

func (p *paper) Deployment(_ context.Context, account, id string) (d deploy.Deployment, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if account != "1" || id != "d-1" {
		return d, store.ErrNotFound
	}
	d.State.Status = p.status
	return d, nil
}

func (p *paper) EventLog(_ context.Context, q store.EventLogQuery) (found []store.LogChunk, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if q.Target != "" && q.Target != "web-1" || q.Event != "" && q.Event != deploy.AfterInstall {
		return nil, nil
	}
	for n := range p.lines {
		if int64(n) < q.After {
			continue
		}
		found = append(found, store.LogChunk{
			EventLogKey: store.EventLogKey{DeploymentID: "d-1", Target: "web-1", Attempt: 3, Event: deploy.AfterInstall}, Position: int64(n) + 1, First: int64(n),
			Lines: []store.LogLine{{Stream: store.LogStdout, Text: fmt.Sprint("line ", n)}},
		})
	}
	if n := len(found) - q.Limit; n > 0 && q.Last {
		return found[n:], nil
	} else if n > 0 {
		return found[:q.Limit], nil
	}
	return found, nil
}

// servePaper serves the logs for account 1; in front may answer first.
func servePaper(t *testing.T, p *paper, inFront func(http.ResponseWriter, *http.Request) bool) *Client {
	t.Helper()
	codec, err := awsjson.New(awsjson.Config{
		Services: []wire.Service{Describe(&Service{Logs: p})}, Log: slog.New(slog.DiscardHandler), NewRequestID: func() string { return "r" },
		Authorize: func(context.Context, awsjson.Route, wire.Input) error { return nil },
		Explain:   func(_ awsjson.Route, v wire.Violation) error { return wire.Errorf(awsjson.Validation, "%s.", v) },
	})
	if err != nil {
		t.Fatal(err)
	}
	stream := eventlog.New(eventlog.Config{
		Logs: p, Account: func(ctx context.Context) string { c, _ := auth.FromContext(ctx); return c.Account }, Now: time.Now, Look: time.Millisecond,
		Logger: slog.New(slog.DiscardHandler),
	})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if inFront != nil && inFront(w, r) {
			return
		}
		r = r.WithContext(auth.WithCaller(r.Context(), auth.Caller{Principal: auth.Principal{Account: "1"}}))
		if r.URL.Path == LogsPath {
			stream.ServeHTTP(w, r)
			return
		}
		codec.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return &Client{Endpoint: srv.URL, Region: "us-east-1", Credential: sigv4.Credential{AccessKeyID: "K", SecretAccessKey: "s"}, HTTP: srv.Client(), Now: time.Now}
}

// heard collects what is told.
type heard struct {
	texts   []string
	trouble []string
}

func (h *heard) Chunk(c eventlog.Chunk) error {
	for _, l := range c.Lines {
		h.texts = append(h.texts, l.Text)
	}
	return nil
}

func (h *heard) Trouble(err error) error {
	h.trouble = append(h.trouble, fmt.Sprint(err))
	return nil
}

func (h *heard) inOrder(t *testing.T, n int) {
	t.Helper()
	for i, text := range h.texts {
		if text != fmt.Sprint("line ", i) {
			t.Fatalf("line %d is %q", i, text)
		}
	}
	if len(h.texts) != n {
		t.Fatalf("%d lines were told, want %d", len(h.texts), n)
	}
}

// TestLogsAreRead holds that all pages are read, that a selection is, and the last lines.
func TestLogsAreRead(t *testing.T) {
	t.Parallel()
	c := servePaper(t, &paper{status: deploy.StatusInProgress, lines: 2*logPage + 1}, nil)
	var all, some, none heard
	if err := c.EventLogs(t.Context(), LogQuery{DeploymentID: "d-1"}, all.Chunk); err != nil {
		t.Fatal(err)
	}
	all.inOrder(t, 2*logPage+1)
	if err := c.EventLogs(t.Context(), LogQuery{DeploymentID: "d-1", Target: "web-1", Event: "AfterInstall", After: 2 * logPage}, some.Chunk); err != nil || len(some.texts) != 1 {
		t.Errorf("after the second page come %q, %v", some.texts, err)
	}
	if err := c.EventLogs(t.Context(), LogQuery{DeploymentID: "d-1", Target: "web-2"}, none.Chunk); err != nil || len(none.texts) != 0 {
		t.Errorf("of another instance come %q, %v", none.texts, err)
	}
	last, err := c.LastEventLogs(t.Context(), LogQuery{DeploymentID: "d-1"}, 2)
	if err != nil || len(last) != 2 || last[1].First != 2*logPage || last[1].Attempt != 3 {
		t.Errorf("the last ones are %+v, %v", last, err)
	}
	stop := errors.New("enough")
	if err := c.EventLogs(t.Context(), LogQuery{DeploymentID: "d-1"}, func(eventlog.Chunk) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("who has enough gets %v", err)
	}
}

func TestWhatLogsCanNotBeRead(t *testing.T) {
	t.Parallel()
	c := servePaper(t, &paper{}, nil)
	for body, code := range map[string]string{
		`{}`: "ValidationException", `{"deploymentId":"d-2"}`: "DeploymentDoesNotExistException", `{"deploymentId":"d-1","nextToken":"x"}`: "InvalidNextTokenException",
		`{"deploymentId":"d-1","nextToken":"-1"}`: "InvalidNextTokenException", `{"deploymentId":"d-1","tail":1001}`: "ValidationException",
	} {
		var in GetEventLogsInput
		if err := json.Unmarshal([]byte(body), &in); err != nil {
			t.Fatal(err)
		}
		var no *Refusal
		if err := c.call(t.Context(), getEventLogs, in, nil); !errors.As(err, &no) || no.Code != code {
			t.Errorf("%s is answered with %v, want %s", body, err, code)
		}
	}
}

// TestFollowingGoesOn holds that a stream that is cut off is opened again where it was, that trouble is told once, and that the end is told.
func TestFollowingGoesOn(t *testing.T) {
	t.Parallel()
	p := &paper{status: deploy.StatusInProgress, lines: 3}
	var lasts []string
	tries := 0
	c := servePaper(t, p, func(w http.ResponseWriter, r *http.Request) bool {
		tries++
		lasts = append(lasts, r.Header.Get("Last-Event-ID"))
		switch tries {
		case 1: // some lines, and the connection ends
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, ": listening\n\nid: 1\ndata: {\"position\":1,\"lines\":[{\"text\":\"line 0\"}]}\n\nid: 2\nda")
			return true
		case 2, 3:
			w.WriteHeader(http.StatusBadGateway)
			return true
		}
		p.mu.Lock()
		p.status, p.lines = deploy.StatusStopped, 5
		p.mu.Unlock()
		return false
	})
	var h heard
	var waits []time.Duration
	status, err := c.FollowEventLogs(t.Context(), LogQuery{DeploymentID: "d-1"}, &h, func(_ context.Context, d time.Duration) error {
		waits = append(waits, d)
		return nil
	})
	if err != nil || status != "Stopped" {
		t.Fatalf("it ends with %q, %v", status, err)
	}
	h.inOrder(t, 5)
	if !slices.Equal(lasts, []string{"", "1", "1", "1"}) || !slices.Equal(waits, []time.Duration{quickRetry, 2 * quickRetry, 4 * quickRetry}) {
		t.Errorf("it comes with %q after %s", lasts, waits)
	}
	if len(h.trouble) != 2 || !strings.Contains(h.trouble[0], "cut off") || h.trouble[1] != "<nil>" {
		t.Errorf("the trouble is %q", h.trouble)
	}
}

// TestFollowingEnds holds what ends the following for good.
func TestFollowingEnds(t *testing.T) {
	t.Parallel()
	noWait := func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	c := servePaper(t, &paper{}, nil)
	if _, err := c.FollowEventLogs(t.Context(), LogQuery{DeploymentID: "d-2"}, &heard{}, noWait); err == nil || !strings.Contains(err.Error(), `There is no deployment "d-2"`) {
		t.Errorf("no deployment: %v", err)
	}
	for answer, says := range map[string]string{
		`{"__type":"AccessDeniedException","message":"no"}`: "AccessDeniedException: no", "nonsense": "403 Forbidden: nonsense",
	} {
		c := servePaper(t, &paper{}, func(w http.ResponseWriter, _ *http.Request) bool {
			http.Error(w, answer, http.StatusForbidden)
			return true
		})
		if _, err := c.FollowEventLogs(t.Context(), LogQuery{DeploymentID: "d-1"}, &heard{}, noWait); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", answer, err)
		}
	}
	for answer, says := range map[string]string{"": "is no stream of logs", "x\n\n": "is no stream of logs"} {
		c := servePaper(t, &paper{}, func(w http.ResponseWriter, _ *http.Request) bool { fmt.Fprint(w, answer); return true })
		if _, err := c.FollowEventLogs(t.Context(), LogQuery{DeploymentID: "d-1"}, &heard{}, noWait); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", answer, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	c = servePaper(t, &paper{}, func(http.ResponseWriter, *http.Request) bool { cancel(); return false })
	if _, err := c.FollowEventLogs(ctx, LogQuery{DeploymentID: "d-1"}, &heard{}, noWait); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
