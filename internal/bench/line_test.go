package bench

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// lineTo is a client whose transport is a line to a server with the handler.
func lineTo(t *testing.T, start func(*httptest.Server), handle http.HandlerFunc) (*http.Client, *line, *httptest.Server) {
	t.Helper()
	s := httptest.NewUnstartedServer(handle)
	start(s)
	t.Cleanup(s.Close)
	l, err := newLine(s.URL, s.Client())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return &http.Client{Transport: l}, l, s
}

func post(ctx context.Context, c *http.Client, url, body string) (status int, answer string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("X-Amz-Target", "a.b")
	res, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), errors.Join(err, res.Body.Close())
}

// TestALineIsAnHTTPClient holds that it gets what any client would, whatever the form of the answer, on one connection as far as the server allows.
func TestALineIsAnHTTPClient(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 300_000)
	for name, start := range map[string]func(*httptest.Server){"plain": (*httptest.Server).Start, "TLS": (*httptest.Server).StartTLS} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var connections atomic.Int32
			c, _, s := lineTo(t, func(s *httptest.Server) {
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
				status, answer, err := post(t.Context(), c, s.URL, call.body)
				if err != nil || status != call.status || answer != call.want {
					t.Fatalf("%.20q: %d %.20q %v", call.body, status, answer, err)
				}
			}
			if n := connections.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
			for range 2 {
				if status, _, err := post(t.Context(), c, s.URL, "close"); err != nil || status != 200 {
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
	c, l, s := lineTo(t, (*httptest.Server).Start, func(http.ResponseWriter, *http.Request) { handled.Add(1) })
	for range 3 {
		if status, _, err := post(t.Context(), c, s.URL, "a"); err != nil || status != 200 {
			t.Fatal(status, err)
		}
		s.CloseClientConnections()
	}
	if n := handled.Load(); n != 3 {
		t.Errorf("handled %d times", n)
	}
	s.Close()
	if _, _, err := post(t.Context(), c, s.URL, "a"); err == nil {
		t.Error("a server that is away answered")
	}
	if l.conn != nil {
		t.Error("the connection is still there")
	}
}

// TestALineGivesUp holds that a held call ends with its context at once, and with its deadline.
func TestALineGivesUp(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	let := sync.OnceFunc(func() { close(held) })
	began := make(chan struct{}, 10)
	c, _, s := lineTo(t, (*httptest.Server).Start, func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		began <- struct{}{}
		<-held
	})
	defer let()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-began
		cancel()
	}()
	if _, _, err := post(ctx, c, s.URL, "a"); err == nil {
		t.Error("a call that was given up succeeded")
	}
	soon, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if _, _, err := post(soon, c, s.URL, "a"); err == nil {
		t.Error("a call succeeded after its time")
	}
	let()
	if status, _, err := post(t.Context(), c, s.URL, "a"); err != nil || status != 200 {
		t.Errorf("afterwards: %d, %v", status, err)
	}
}

// TestBrokenAnswersAreErrors holds that half an answer is none.
func TestBrokenAnswersAreErrors(t *testing.T) {
	t.Parallel()
	for _, said := range []string{"", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "not HTTP\r\n\r\n",
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
		at, err := newLine("http://"+l.Addr().String(), http.DefaultClient)
		if err != nil {
			t.Fatal(err)
		}
		if status, answer, err := post(t.Context(), &http.Client{Transport: at}, "http://"+l.Addr().String(), ""); err == nil {
			t.Errorf("%.60q became %d %q", said, status, answer)
		}
		at.close()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}
