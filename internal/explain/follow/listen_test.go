package follow_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/explain/follow"
	"crossfade/internal/notify/stream"
	"crossfade/internal/store"
)

// source is a server's stream of events: each connection gets what comes from lines until that is empty.
type source struct {
	status int
	kind   string
	lines  chan string // "" breaks the connection off
	mu     sync.Mutex
	opened int
	wrong  string
}

func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.opened++
	if r.Method != http.MethodGet || r.URL.RequestURI() != "/events?deployment=d-TEST00001" || !strings.Contains(r.Header.Get("Authorization"), "/us-east-1/crossfade/aws4_request") {
		s.wrong = r.Method + " " + r.URL.Path + " " + r.Header.Get("Authorization")
	}
	s.mu.Unlock()
	w.Header().Set("Content-Type", s.kind)
	w.WriteHeader(s.status)
	if s.status != http.StatusOK {
		return
	}
	for {
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case line := <-s.lines:
			if line == "" {
				return
			}
			if _, err := io.WriteString(w, line+"\n"); err != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

func (s *source) state() (int, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened, s.wrong
}

// TestListens holds that the opening and each event of the deployment wake, others do not, and that a broken stream is opened again.
func TestListens(t *testing.T) {
	t.Parallel()
	s := &source{status: http.StatusOK, kind: "text/event-stream", lines: make(chan string)}
	slept := make(chan time.Duration)
	l := client(t, s).Listen("d-TEST00001", func(ctx context.Context, d time.Duration) error {
		slept <- d
		return ctx.Err()
	})
	<-l.Wake()
	for _, line := range []string{": comment", "id: 1", `data: {"detail":{"deploymentId":"d-TEST00009"}}`, "data: d-TEST00001"} {
		s.lines <- line
	}
	s.lines <- `data: {"detail":{"deploymentId":"d-TEST00001","state":"SUCCESS"}}`
	<-l.Wake()
	s.lines <- ""
	if d := <-slept; d != time.Second {
		t.Errorf("before it opens the stream again it sleeps %s", d)
	}
	<-l.Wake()
	go func() { <-slept }()
	l.Stop()
	if n, wrong := s.state(); n != 2 || wrong != "" {
		t.Errorf("the stream was opened %d times, with %s", n, wrong)
	}
	select {
	case <-l.Wake():
		t.Error("an event of another deployment wakes")
	default:
	}
}

// TestListensToNone holds that a server without a stream is left in peace, and that one in trouble is asked again, less and less often.
func TestListensToNone(t *testing.T) {
	t.Parallel()
	none := func(context.Context, time.Duration) error { panic("it tries again") }
	for _, s := range []*source{{status: http.StatusNotFound}, {status: http.StatusForbidden}, {status: http.StatusOK, kind: "text/html"}} {
		s.lines = make(chan string)
		if s.status == http.StatusOK {
			close(s.lines)
		}
		l := client(t, s).Listen("d-TEST00001", none)
		<-follow.Ended(l)
		if n, _ := s.state(); n != 1 {
			t.Errorf("it asks %d times", n)
		}
	}
	var slept []time.Duration
	done := make(chan struct{})
	l := client(t, &source{status: http.StatusServiceUnavailable}).Listen("d-TEST00001", func(_ context.Context, d time.Duration) error {
		if slept = append(slept, d); len(slept) == 7 {
			close(done)
			return context.Canceled
		}
		return nil
	})
	<-done
	l.Stop()
	if slept[0] != time.Second || slept[1] != 2*time.Second || slept[6] != 30*time.Second {
		t.Errorf("it sleeps %v", slept)
	}
}

// record is a log of notices.
type record struct {
	mu      sync.Mutex
	notices []store.LoggedNotice
}

func (r *record) add(deployment string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := deploy.Notice{Account: "000000000000", DeploymentID: deployment, Moment: deploy.MomentReady}
	r.notices = append(r.notices, store.LoggedNotice{ID: int64(len(r.notices) + 1), Notice: n})
}

func (r *record) Notices(_ context.Context, after int64, _ int) ([]store.LoggedNotice, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.notices[after:], nil
}

func (r *record) NoticeBounds(context.Context) (int64, int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return 1, int64(len(r.notices)), nil
}

// TestListensToTheServersStream holds that the stream which the server serves wakes.
func TestListensToTheServersStream(t *testing.T) {
	t.Parallel()
	log := &record{}
	h := stream.New(stream.Config{Log: log, Account: func(context.Context) string { return "000000000000" }, Logger: slog.New(slog.DiscardHandler)})
	l := client(t, h).Listen("d-TEST00001", func(ctx context.Context, _ time.Duration) error { return ctx.Err() })
	<-l.Wake()
	log.add("d-TEST00001")
	h.Wake()
	<-l.Wake()
	l.Stop()
}
