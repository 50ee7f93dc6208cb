package main

import (
	"context"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// stalling accepts connections that can be made to say nothing any more while they stay open, as those of a server that was stopped do.
type stalling struct {
	net.Listener
	stalled atomic.Bool
}

func (l *stalling) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	said := &stalls{Conn: c}
	if !l.stalled.Load() {
		said.with = &l.stalled
	}
	return said, nil
}

type stalls struct {
	net.Conn
	with *atomic.Bool // nil: it never does
}

func (c *stalls) Write(b []byte) (int, error) {
	if c.with != nil && c.with.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// TestAServerThatStallsIsGivenUp holds that calls after one that was not answered go another way, although the connection stands.
func TestAServerThatStallsIsGivenUp(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("called by %s", r.Proto)
		}
	}))
	l := &stalling{Listener: s.Listener}
	s.Listener, s.EnableHTTP2 = l, true
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	client := &http.Client{Transport: transport(roots, 100*time.Millisecond)}
	t.Cleanup(client.CloseIdleConnections)
	call := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
		if err != nil {
			return err
		}
		res, err := client.Do(q)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, res.Body)
		if closeErr := res.Body.Close(); err == nil {
			err = closeErr
		}
		return err
	}
	if err := call(); err != nil {
		t.Fatal(err)
	}
	l.stalled.Store(true)
	if err := call(); err == nil {
		t.Error("nothing stalled")
	}
	for late := time.Now().Add(time.Minute); ; {
		err := call()
		if err == nil {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("calls go to the server that stalls for ever: %v", err)
		}
	}
}
