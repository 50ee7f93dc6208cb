package lb

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// FuzzConnection: whatever a client sends, it gets well-formed answers, one per request at most, and the connection ends with it.
func FuzzConnection(f *testing.F) {
	f.Add([]byte(get+get), byte(100))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbodyGET / HTTP/1.0\r\n\r\n"), byte(1))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n"), byte(7))
	c := webConfig()
	c.Limits = Limits{MaxHeaderBytes: 256, MaxHeaderFields: 8}
	b, err := New(c, quietLog())
	if err != nil {
		f.Fatal(err)
	}
	l := b.listeners[0]
	f.Fuzz(func(t *testing.T, sent []byte, piece byte) {
		near, far := net.Pipe()
		var wg sync.WaitGroup
		wg.Go(func() { newClient(l, far).serve() })
		wg.Go(func() {
			for part := range slices.Chunk(sent, int(piece)+1) {
				if _, err := near.Write(part); err != nil {
					return
				}
			}
			// A pipe has no half close: an answer can still be on its way, so the end is a deadline for the reader.
			if err := near.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
				t.Log(err)
			}
		})
		var received bytes.Buffer
		if _, err := received.ReadFrom(near); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		if err := near.Close(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		for r := bufio.NewReader(&received); r.Buffered() > 0 || received.Len() > 0; {
			resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodHead}) // its body, if any, is skipped below
			if err != nil {
				t.Fatalf("answer to %q is malformed: %v", sent, err)
			}
			if resp.StatusCode < 400 {
				t.Fatalf("status %d without a target", resp.StatusCode)
			}
			if next, err := r.Peek(4); err == nil && string(next) != "HTTP" {
				if _, err := io.CopyN(io.Discard, r, resp.ContentLength); err != nil && !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestConnectionsBeyondTheLimitWait(t *testing.T) {
	t.Parallel()
	c := webConfig()
	c.Limits.MaxConnections = 1
	b := start(t, c)
	b.serve(newApp(t, "v1", nil))
	first, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	say(t, first, get)
	readResponse(t, bufio.NewReader(first), "GET")
	second := b.dial()
	say(t, second, get)
	if n := b.Metrics().Listeners[0]; n.Accepted != 1 || n.Connections != 1 {
		t.Errorf("got %+v", n)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	readResponse(t, bufio.NewReader(second), "GET")
}

func TestSlowHeadGets408(t *testing.T) {
	t.Parallel()
	c := webConfig()
	c.Limits.HeaderTimeout = 20 * time.Millisecond
	b := start(t, c)
	if r := b.raw("GET / HTTP/1.1\r\nHost"); r.StatusCode != http.StatusRequestTimeout || !r.Close {
		t.Errorf("got %v", r)
	}
}

func TestSlowBodyGets408(t *testing.T) {
	t.Parallel()
	c := webConfig()
	c.Limits.BodyTimeout = 20 * time.Millisecond
	b := start(t, c)
	b.serve(newApp(t, "v1", nil))
	for _, framing := range []string{"Content-Length: 5\r\n\r\nhel", "Content-Length: 100000\r\n\r\nhel", "Transfer-Encoding: chunked\r\n\r\n5\r\nhel"} {
		if r := b.raw("POST / HTTP/1.1\r\nHost: a\r\n" + framing); r.StatusCode != http.StatusRequestTimeout && r.StatusCode != 200 {
			t.Errorf("%q: got %v", framing, r)
		}
	}
}

func TestIdleConnectionIsClosed(t *testing.T) {
	t.Parallel()
	c := webConfig()
	c.Limits.IdleTimeout = 20 * time.Millisecond
	b := start(t, c)
	if n, err := io.Copy(io.Discard, b.dial()); n != 0 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestMetricsCount(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	b.get("/")
	b.serve(newApp(t, "v1", nil))
	b.get("/")
	b.get("/")
	b.raw("nonsense\r\n\r\n")
	m := b.Metrics()
	l, target := m.Listeners[0], m.Targets[0]
	if l.Requests != 4 || l.Refused != 1 || l.Answers != [6]uint64{0, 0, 2, 0, 1, 1} {
		t.Errorf("got %+v", l)
	}
	if target.TargetGroup != web || target.ID != "v1" || target.Requests != 2 || target.Errors != 0 || target.State != StateHealthy {
		t.Errorf("got %+v", target)
	}
}

// BenchmarkForward is a request of one client over one kept connection; its allocations are all of the process's.
func BenchmarkForward(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("a", 1024))
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				buf := make([]byte, 4096)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	balancer, err := New(webConfig(), quietLog())
	if err != nil {
		b.Fatal(err)
	}
	if err := balancer.Register(web, Target{ID: "v1", Address: l.Addr().String()}); err != nil {
		b.Fatal(err)
	}
	if err := balancer.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	c, err := net.Dial("tcp", balancer.ListenerAddress(edge))
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write([]byte(get)); err != nil {
			b.Fatal(err)
		}
		if n, err := c.Read(buf); err != nil || !bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 200")) {
			b.Fatal(fmt.Errorf("%q %w", buf[:n], err))
		}
	}
	if err := errors.Join(c.Close(), balancer.Stop(b.Context()), l.Close()); err != nil {
		b.Fatal(err)
	}
}
