package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/agent/control"
)

// lineTo is a line to a server with the handler, for an agent that lives as long as the context.
func lineTo(ctx context.Context, t *testing.T, start func(*httptest.Server), handle http.HandlerFunc) (*line, *httptest.Server) {
	t.Helper()
	s := httptest.NewUnstartedServer(handle)
	start(s)
	t.Cleanup(s.Close)
	l := lineAt(ctx, t, s.URL, s.Client())
	t.Cleanup(l.close)
	return l, s
}

func lineAt(ctx context.Context, t *testing.T, endpoint string, like *http.Client) *line {
	t.Helper()
	way, err := newRoute(endpoint, like)
	if err != nil {
		t.Fatal(err)
	}
	return &line{route: way, ctx: ctx}
}

func post(l *line, limit time.Duration, body string) (status int, answer string, err error) {
	request := fmt.Appendf(l.room(), "POST / HTTP/1.1\r\nHost: %s\r\nX-Amz-Target: a.b\r\nContent-Length: %d\r\n\r\n%s", l.route.host, len(body), body)
	said, other, err := l.call(request, limit)
	if err != nil {
		return 0, "", err
	}
	if other == nil {
		return http.StatusOK, string(said), nil
	}
	b, err := io.ReadAll(other.Body)
	return other.StatusCode, string(b), errors.Join(err, other.Body.Close())
}

// TestALineIsAnHTTPClient holds that it gets what any client would, whatever the form of the answer, on one connection as far as the server allows.
func TestALineIsAnHTTPClient(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 300_000)
	for name, start := range map[string]func(*httptest.Server){"plain": (*httptest.Server).Start, "TLS": (*httptest.Server).StartTLS} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var connections atomic.Int32
			l, _ := lineTo(t.Context(), t, func(s *httptest.Server) {
				s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
					if state == http.StateNew {
						connections.Add(1)
					}
				}
				start(s)
			}, func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil || r.Header.Get("X-Amz-Target") != "a.b" || r.ContentLength != int64(len(body)) {
					t.Errorf("%v %+v", err, r)
				}
				switch string(body) {
				case "chunked":
					for range 3 {
						if _, err := io.WriteString(w, "chunk "); err != nil {
							t.Error(err)
						}
						w.(http.Flusher).Flush()
					}
				case "refused":
					http.Error(w, "no", http.StatusForbidden)
				case "large":
					if _, err := io.WriteString(w, large); err != nil {
						t.Error(err)
					}
				case "close":
					w.Header().Set("Connection", "close")
				case "nothing":
				default:
					if _, err := w.Write(body); err != nil {
						t.Error(err)
					}
				}
			})
			for _, call := range []struct {
				body, want string
				status     int
			}{
				{"a", "a", 200}, {"", "", 200}, {"chunked", "chunk chunk chunk ", 200}, {"refused", "no\n", 403}, {"large", large, 200}, {"nothing", "", 200}, {large, large, 200}, {"last", "last", 200},
			} {
				status, answer, err := post(l, time.Minute, call.body)
				if err != nil || status != call.status || answer != call.want {
					t.Fatalf("%.20q: %d %.20q %v", call.body, status, answer, err)
				}
			}
			if n := connections.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
			for range 2 {
				if status, _, err := post(l, time.Minute, "close"); err != nil || status != 200 {
					t.Fatal(status, err)
				}
			}
			if n := connections.Load(); n != 2 {
				t.Errorf("%d connections, of which the server ended each after its call but the first", n)
			}
		})
	}
}

// TestALineIsMadeAnew holds that a connection which the server closed meanwhile costs no call, and that a server which is away does.
func TestALineIsMadeAnew(t *testing.T) {
	t.Parallel()
	var handled atomic.Int32
	l, s := lineTo(t.Context(), t, (*httptest.Server).Start, func(http.ResponseWriter, *http.Request) { handled.Add(1) })
	for range 3 {
		if status, _, err := post(l, time.Minute, "a"); err != nil || status != 200 {
			t.Fatal(status, err)
		}
		s.CloseClientConnections()
	}
	if n := handled.Load(); n != 3 {
		t.Errorf("handled %d times", n)
	}
	s.Close()
	if _, _, err := post(l, time.Minute, "a"); err == nil {
		t.Error("a server that is away answered")
	}
	if l.conn != nil {
		t.Error("the connection is still there")
	}
}

// TestALineGivesUp holds that a held call ends with the agent at once, and when its time is over.
func TestALineGivesUp(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*httptest.Server){"plain": (*httptest.Server).Start, "TLS": (*httptest.Server).StartTLS} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			held := make(chan struct{})
			let := sync.OnceFunc(func() { close(held) })
			began := make(chan struct{}, 10)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			l, s := lineTo(ctx, t, start, func(_ http.ResponseWriter, r *http.Request) {
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					t.Error(err)
				}
				began <- struct{}{}
				<-held
			})
			defer let()
			for limit, came := 50*time.Millisecond, false; !came; limit *= 2 {
				if _, _, err := post(l, limit, "a"); !errors.Is(err, os.ErrDeadlineExceeded) || !control.Transient(err) {
					t.Fatalf("after its time: %v", err)
				}
				select {
				case <-began:
					came = true
				case <-time.After(limit): // a slow machine did not even send it
				}
			}
			go func() {
				<-began
				cancel()
			}()
			if _, _, err := post(l, time.Hour, "a"); err == nil {
				t.Error("a call that was given up succeeded")
			}
			if _, _, err := post(l, time.Hour, "a"); !errors.Is(err, context.Canceled) {
				t.Errorf("after the agent's end: %v", err)
			}
			let()
			l = lineAt(t.Context(), t, s.URL, s.Client())
			defer l.close()
			if status, _, err := post(l, time.Minute, "a"); err != nil || status != 200 {
				t.Errorf("afterwards: %d, %v", status, err)
			}
		})
	}
}

// TestBrokenAnswersAreErrors holds that half an answer is none.
func TestBrokenAnswersAreErrors(t *testing.T) {
	t.Parallel()
	for _, said := range []string{"", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "not HTTP\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxHead) + "\r\n"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				var b bytes.Buffer
				for !bytes.Contains(b.Bytes(), []byte("\r\n\r\n")) {
					if _, err := io.CopyN(&b, c, 1); err != nil {
						break
					}
				}
				if _, err := io.WriteString(c, said); err != nil {
					t.Log(err)
				}
				if err := c.Close(); err != nil {
					t.Log(err)
				}
			}
		}()
		at := lineAt(t.Context(), t, "http://"+l.Addr().String(), http.DefaultClient)
		if status, answer, err := post(at, time.Minute, ""); err == nil || !control.Transient(err) {
			t.Errorf("%.60q became %d %q, %v", said, status, answer, err)
		}
		at.close()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestEndpointsThatCannotBeCalled holds that what could not be signed is refused before anything is sent.
func TestEndpointsThatCannotBeCalled(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{
		"http://h": "/ h:http", "https://h/": "/ h:https", "http://h:1/a/b/": "/a/b/ h:1", "https://[::1]:2/x": "/x [::1]:2",
		"http://h/a b": "", "http://h/a/../b": "", "http://h//": "", "http://h/?q=1": "", "http://h:x": "",
	} {
		w, err := newRoute(endpoint, http.DefaultClient)
		if (err == nil) != (want != "") || err == nil && w.path+" "+w.address != want {
			t.Errorf("%s: %+v, %v", endpoint, w, err)
		}
	}
}
