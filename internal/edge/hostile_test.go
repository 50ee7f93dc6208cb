package edge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/limit"
	"crossfade/internal/sigv4"
)

// store is S3 that takes any method for an operation, as stores that pass on what they are asked do.
type store struct{}

func (store) About(r *http.Request) auth.Objects {
	if r.Method == http.MethodPut {
		return auth.Objects{Operation: "PutObject", Bucket: "b", Key: "k"}
	}
	return auth.Objects{Operation: r.Method, Bucket: "b", Key: "k"}
}

func (store) ServeObject(http.ResponseWriter, *http.Request, auth.Objects, *sigv4.Body) {}

func (store) Refuse(w http.ResponseWriter, _ *http.Request, code, _ string) {
	http.Error(w, code, http.StatusForbidden)
}

// strangers are an edge that knows nobody, and what it told of its calls.
func strangers(t *testing.T, limits Limits) (e *Edge, told func() []string) {
	t.Helper()
	var mu sync.Mutex
	var list []string
	e = New(Config{
		Objects: store{}, NewRequestID: func() string { return "id" }, Log: slog.New(slog.DiscardHandler), Verifier: &sigv4.Verifier{Now: time.Now}, Limits: limits,
		Pages: map[string]http.Handler{"/healthz": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "well") })},
		Observe: func(_, operation, _ string, _ time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			list = append(list, operation)
		},
	})
	return e, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(list)
	}
}

// TestStrangersMakeNoMetrics holds that nobody can make metrics of any number by methods that he makes up: each would be kept for ever.
func TestStrangersMakeNoMetrics(t *testing.T) {
	t.Parallel()
	e, told := strangers(t, Limits{})
	for _, method := range []string{"PUT", "MADEUP1", "MADEUP2", "GET"} {
		e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), method, "/b/k", nil))
	}
	if got := told(); !slices.Equal(got, []string{"PutObject", "unknown", "unknown", "unknown"}) {
		t.Errorf("operations %q", got)
	}
}

// TestABodyThatDoesNotComeEndsTheConnection holds that a client who announces a body and does not send it has its answer, or the end of its
// connection, in the time that a body may take: otherwise strangers could hold connections for ever.
func TestABodyThatDoesNotComeEndsTheConnection(t *testing.T) {
	t.Parallel()
	e, _ := strangers(t, Limits{})
	e.bodyTime = 100 * time.Millisecond
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	for _, line := range []string{"PUT /b/k", "GET /healthz", "POST /"} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(server.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf", line); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(conn)
		res, err := http.ReadResponse(in, nil)
		if err == nil {
			if err := res.Body.Close(); err != nil {
				t.Error(err)
			}
			_, err = in.ReadByte()
		}
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("%s: the connection is still held", line)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestAddressesOfOneNetworkCountAsOne holds that nobody gets round the limits by the 2^64 addresses that each IPv6 customer has.
func TestAddressesOfOneNetworkCountAsOne(t *testing.T) {
	t.Parallel()
	e, _ := strangers(t, Limits{PerAddress: limit.New(limit.Rule{Rate: 1e-9, Burst: 2}, 100, time.Now)})
	var codes []int
	for _, from := range []string{"[2001:db8::1]:1", "[2001:db8::2:0:0:1]:2", "[2001:db8::3]:3", "[2001:db8:0:1::1]:4", "198.51.100.1:5", "198.51.100.2:6", "198.51.100.3:7"} {
		r := httptest.NewRequestWithContext(context.Background(), http.MethodPut, "/b/k", nil)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		code := 0
		if strings.Contains(w.Body.String(), "SlowDown") {
			code = 1
		}
		codes = append(codes, code)
	}
	if !slices.Equal(codes, []int{0, 0, 1, 0, 0, 0, 0}) {
		t.Errorf("refused as too many: %v", codes)
	}
}
