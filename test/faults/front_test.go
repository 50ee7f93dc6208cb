//go:build linux

package faults

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"
)

// front is what stands before the servers, as HAProxy would: it sends each call to one that is ready, and tries another when a connection can't be
// made. A call that was sent and whose answer was lost fails, as it would there.
type front struct {
	replicas []*replica
	good     []atomic.Bool
	turn     atomic.Uint64
	url      string
}

func newFront(t *testing.T, replicas []*replica) *front {
	t.Helper()
	f := &front{replicas: replicas, good: make([]atomic.Bool, len(replicas))}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.url = "http://" + l.Addr().String()
	to := &url.URL{Scheme: "http", Host: "replicas"}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy, transport.MaxIdleConnsPerHost, transport.DialContext = nil, 200, f.dial
	transport.DisableKeepAlives = true // each call is shared out anew
	transport.ResponseHeaderTimeout = 40 * time.Second
	s := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: &httputil.ReverseProxy{
			Transport: transport,
			Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
			ErrorLog:  slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	served, looked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(served)
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	go func() {
		defer close(looked)
		f.look(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		<-served
		<-looked
	})
	return f
}

// look asks the servers again and again whether they are ready.
func (f *front) look(ctx context.Context) {
	for ctx.Err() == nil {
		for i, r := range f.replicas {
			go func() { f.good[i].Store(r.ready(ctx) == nil) }()
		}
		select {
		case <-ctx.Done():
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// dial connects to a server that is ready, to another one when that fails.
func (f *front) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	start := int(f.turn.Add(1))
	err := errors.New("no server is ready")
	for i := range f.replicas {
		n := (start + i) % len(f.replicas)
		if !f.good[n].Load() {
			continue
		}
		var c net.Conn
		if c, err = (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, network, f.replicas[n].address); err == nil {
			return c, nil
		}
	}
	return nil, err
}
