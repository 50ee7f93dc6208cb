// Package front is what tests put before several servers, as HAProxy would stand there: it sends each call to a server whose /readyz says yes, and tries
// another one when a connection can't be made. A call that was sent and whose answer was lost fails, as it would there.
//
// It shares out calls and knows nothing of what is in them. A test starts it, and the test's end stops it.
package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	// Interval is how often each server is asked whether it is ready.
	Interval = 250 * time.Millisecond

	readyTimeout  = 2 * time.Second
	dialTimeout   = 2 * time.Second
	answerTimeout = 40 * time.Second // longer than polls are held
)

// Front stands before servers.
type Front struct {
	URL string

	addresses []string
	good      []atomic.Bool
	turn      atomic.Uint64
}

// New stands before the servers that listen at the addresses, host:port, or will.
func New(t testing.TB, addresses ...string) *Front {
	t.Helper()
	f := &Front{addresses: addresses, good: make([]atomic.Bool, len(addresses))}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.URL = "http://" + l.Addr().String()
	to := &url.URL{Scheme: "http", Host: "servers"}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy, transport.DialContext, transport.ResponseHeaderTimeout = nil, f.dial, answerTimeout
	transport.DisableKeepAlives = true // each call is shared out anew
	s := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: &httputil.ReverseProxy{
			Transport: transport,
			Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
			ErrorLog:  slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	for i := range addresses {
		running.Go(func() { f.look(ctx, i) })
	}
	t.Cleanup(func() {
		cancel()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		running.Wait()
	})
	return f
}

// Sends reports whether calls are sent to the server at an address: it was ready when it was asked last.
func (f *Front) Sends(address string) bool { return f.good[slices.Index(f.addresses, address)].Load() }

// look asks a server again and again whether it is ready.
func (f *Front) look(ctx context.Context, i int) {
	for ctx.Err() == nil {
		f.good[i].Store(Ready(ctx, f.addresses[i]) == nil)
		select {
		case <-ctx.Done():
		case <-time.After(Interval):
		}
	}
}

// dial connects to a server that is ready, to another one when that fails.
func (f *Front) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	start := int(f.turn.Add(1) % uint64(len(f.addresses)))
	err := errors.New("no server is ready")
	for i := range f.addresses {
		n := (start + i) % len(f.addresses)
		if !f.good[n].Load() {
			continue
		}
		var c net.Conn
		if c, err = (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, f.addresses[n]); err == nil {
			return c, nil
		}
	}
	return nil, err
}

// Ready asks the server at an address, over a connection of its own.
func Ready(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return err
	}
	q.Close = true
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return &NotReadyError{Address: address, Status: res.StatusCode}
	}
	return nil
}

// NotReadyError says that a server answered, and that it takes no calls.
type NotReadyError struct {
	Address string
	Status  int // of the answer
}

func (e *NotReadyError) Error() string {
	return fmt.Sprintf("%s says %d %s", e.Address, e.Status, http.StatusText(e.Status))
}
