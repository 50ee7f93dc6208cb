package lb

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

func TestForwardsRequestsAndAnswers(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	b.serve(newApp(t, "v1", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Keep-Alive", "timeout=5")
		w.Header().Set("Seen-Host", r.Host)
		w.Header().Set("Seen-For", r.Header.Get("X-Forwarded-For"))
		w.WriteHeader(http.StatusTeapot)
		if _, err := io.Copy(w, r.Body); err != nil {
			t.Log(err)
		}
	}))
	r := b.raw("POST /x HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello")
	if r.StatusCode != http.StatusTeapot || text(t, r) != "hello" {
		t.Errorf("got %v", r)
	}
	if r.Header.Get("Seen-Host") != "shop.example" || r.Header.Get("Seen-For") != "127.0.0.1" || r.Header.Get("Keep-Alive") != "" {
		t.Errorf("got header %v", r.Header)
	}
}

func TestBodiesOfAllSizesAndFramings(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	b.serve(newApp(t, "v1", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Log(err)
		}
		sum := sha256.Sum256(body)
		w.Header().Set("Sum", hex.EncodeToString(sum[:]))
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		}
		w.Header().Set("Trailer", "X-End")
		if _, err := w.Write(body); err != nil {
			t.Log(err)
		}
		w.Header().Set("X-End", "yes")
	}))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	for _, size := range []int{0, 1, 100, 4 << 10, 33 << 10, 64 << 10, 64<<10 + 1, 3 << 20} {
		body := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		for _, path := range []string{"/length", "/chunked"} {
			for _, chunked := range []bool{false, true} {
				req, err := http.NewRequest(http.MethodPost, b.url+path, bytes.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				if chunked {
					req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), -1
				}
				r, err := client.Do(req)
				if err != nil {
					t.Fatalf("%d bytes, %s, chunked=%v: %v", size, path, chunked, err)
				}
				got, err := io.ReadAll(r.Body)
				if err != nil {
					t.Fatal(err)
				}
				sum := sha256.Sum256(body)
				if !bytes.Equal(got, body) || r.Header.Get("Sum") != hex.EncodeToString(sum[:]) {
					t.Errorf("%d bytes, %s, chunked=%v: body damaged: %d bytes came back", size, path, chunked, len(got))
				}
				if path == "/chunked" && r.Trailer.Get("X-End") != "yes" {
					t.Errorf("%d bytes, chunked=%v: trailer lost", size, chunked)
				}
				if err := r.Body.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func TestAnswersWithoutBodyKeepTheConnection(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	b.serve(newApp(t, "v1", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(http.StatusNoContent)
		case "/304":
			w.WriteHeader(http.StatusNotModified)
		default:
			w.Header().Set("Content-Length", "1000")
		}
	}))
	c := b.dial()
	r := bufio.NewReader(c)
	for range 2 {
		for _, line := range []string{"HEAD /", "GET /204", "GET /304"} {
			say(t, c, line+" HTTP/1.1\r\nHost: a\r\n\r\n")
			if resp := readResponse(t, r, line); resp.StatusCode >= 500 || resp.Close {
				t.Fatalf("%s: %v", line, resp)
			}
		}
	}
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	b.serve(newApp(t, "v1", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.WriteString(w, r.URL.Path); err != nil {
			t.Log(err)
		}
	}))
	c := b.dial()
	say(t, c, "\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n")
	r := bufio.NewReader(c)
	for _, want := range []string{"/1", "/2", "/3"} {
		resp := readResponse(t, r, "GET")
		if got := text(t, resp); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		if resp.Close { // the chunked body was not known to be whole when the answer began
			return
		}
	}
}

func TestHTTP10Client(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	b.serve(newApp(t, "v1", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/chunked" {
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Log(err)
			}
		}
		if _, err := io.WriteString(w, "hello"); err != nil {
			t.Log(err)
		}
	}))
	r := b.raw("GET /chunked HTTP/1.0\r\n\r\n")
	if text(t, r) != "hello" || len(r.TransferEncoding) > 0 || !r.Close {
		t.Errorf("got %v", r)
	}
	c := b.dial()
	br := bufio.NewReader(c)
	for range 2 {
		say(t, c, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
		if r := readResponse(t, br, "GET"); text(t, r) != "hello" || r.Close {
			t.Fatalf("got %v", r)
		}
	}
}

func TestAnswerThatEndsWithTheConnectionIsChunked(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	address := script(t, func(c net.Conn, _ int) { say(t, c, "HTTP/1.0 200 OK\r\n\r\nhello ") })
	b.serveAddress("old", address)
	c := b.dial()
	br := bufio.NewReader(c)
	for range 2 {
		say(t, c, get)
		r := readResponse(t, br, "GET")
		if text(t, r) != "hello " || len(r.TransferEncoding) != 1 {
			t.Fatalf("got %v", r)
		}
	}
}

// serveAddress registers an address and waits until it is healthy.
func (b *bench) serveAddress(id, address string) {
	b.t.Helper()
	if err := b.Register(web, Target{ID: id, Address: address}); err != nil {
		b.t.Fatal(err)
	}
	b.await(id, StateHealthy)
}

func TestEventsAreStreamedAsTheyCome(t *testing.T) {
	t.Parallel()
	more := make(chan struct{})
	b := start(t, webConfig())
	b.serve(newApp(t, "v1", func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			if _, err := io.WriteString(w, "data: x\n\n"); err != nil {
				t.Log(err)
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Log(err)
			}
			<-more
		}
	}))
	r, err := http.Get(b.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Body.Close(); err != nil {
			t.Error(err)
		}
	}()
	for range 3 {
		var event [9]byte
		if _, err := io.ReadFull(r.Body, event[:]); err != nil || string(event[:]) != "data: x\n\n" {
			t.Fatalf("%q %v", event, err)
		}
		more <- struct{}{}
	}
}

func TestRequestAndAnswerStreamAtTheSameTime(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	b.serve(newApp(t, "v1", func(w http.ResponseWriter, r *http.Request) {
		ctl := http.NewResponseController(w)
		if err := ctl.EnableFullDuplex(); err != nil {
			t.Log(err)
		}
		line := bufio.NewReader(r.Body)
		for {
			s, err := line.ReadString('\n')
			if err != nil {
				return
			}
			if _, err := io.WriteString(w, strings.ToUpper(s)); err != nil {
				t.Log(err)
			}
			if err := ctl.Flush(); err != nil {
				t.Log(err)
			}
		}
	}))
	c := b.dial()
	say(t, c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n")
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer := bufio.NewReader(r.Body)
	for _, next := range []string{"4\r\ntwo\n\r\n", "0\r\n\r\n"} {
		if s, err := answer.ReadString('\n'); err != nil || strings.ToUpper(s) != s {
			t.Fatalf("%q %v", s, err)
		}
		say(t, c, next)
	}
	if _, err := io.ReadAll(answer); err != nil {
		t.Fatal(err)
	}
}

func TestClientWaitsForLeaveToSendItsBody(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	b.serve(newApp(t, "v1", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if _, err := io.Copy(w, r.Body); err != nil {
			t.Log(err)
		}
	}))
	const head = " HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
	c := b.dial()
	br := bufio.NewReader(c)
	say(t, c, "POST /yes"+head)
	if r := readResponse(t, br, "POST"); r.StatusCode != http.StatusContinue {
		t.Fatalf("got %v", r)
	}
	say(t, c, "hello")
	if r := readResponse(t, br, "POST"); text(t, r) != "hello" {
		t.Fatalf("got %v", r)
	}
	for range 100 { // the answer and the start of the streaming meet in any order
		if r := b.raw("POST /no" + head); r.StatusCode != http.StatusForbidden || !r.Close {
			t.Fatalf("got %v", r)
		}
	}
}

func TestEarlyAnswerToALargeUpload(t *testing.T) {
	t.Parallel()
	b := start(t, webConfig())
	b.serve(newApp(t, "v1", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) }))
	c := b.dial()
	say(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\nbeginning")
	r := readResponse(t, bufio.NewReader(c), "POST")
	if r.StatusCode != http.StatusRequestEntityTooLarge || !r.Close {
		t.Fatalf("got %v", r)
	}
}

func TestMalformedRequestsGetAnAnswerAndAreNotForwarded(t *testing.T) {
	t.Parallel()
	c := webConfig()
	c.Limits.MaxHeaderBytes = 8 << 10
	c.Limits.MaxBodyBytes = 1000
	b := start(t, c)
	a := newApp(t, "v1", nil)
	b.serve(a)
	for name, c := range map[string]struct {
		request string
		status  int
	}{
		"bare LF":           {"GET / HTTP/1.1\nHost: a\n\n", 400},
		"two lengths":       {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
		"long line":         {"GET /" + strings.Repeat("a", 9000), 414},
		"large head":        {"GET / HTTP/1.1\r\nHost: a\r\nA: " + strings.Repeat("a", 9000) + "\r\n\r\n", 431},
		"large body":        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", 413},
		"TLS":               {"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\n", 400},
		"HTTP/2 prior":      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
		"malformed chunks":  {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
		"chunks too large":  {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n500\r\n" + strings.Repeat("a", 0x500) + "\r\n0\r\n\r\n", 413},
		"version to refuse": {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505},
	} {
		t.Run(name, func(t *testing.T) {
			r := b.raw(c.request)
			if r.StatusCode != c.status || !r.Close || !strings.Contains(text(t, r), strconv.Itoa(c.status)) {
				t.Errorf("got %v, want %d", r, c.status)
			}
		})
	}
}
