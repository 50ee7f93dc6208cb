package lb

import (
	"bufio"
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestRequestHeadRefusesWhatTwoReadersMightFrameDifferently(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		head   string
		status int
	}{
		"length and coding":              {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		"two lengths":                    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400},
		"two equal lengths":              {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", 400},
		"list of lengths":                {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n", 400},
		"signed length":                  {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n", 400},
		"hexadecimal length":             {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\n", 400},
		"empty length":                   {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400},
		"length with underscore":         {"POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 3\r\n\r\n", 400},
		"coding with underscore":         {"POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n", 400},
		"unknown coding":                 {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
		"coding twice":                   {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		"coding in HTTP/1.0":             {"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		"coding with tab":                {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", 400},
		"folded line":                    {"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", 400},
		"space before colon":             {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\n", 400},
		"no colon":                       {"GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n", 400},
		"empty name":                     {"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400},
		"bare CR in value":               {"GET / HTTP/1.1\r\nHost: a\r\nA: b\rC: d\r\n\r\n", 400},
		"NUL in value":                   {"GET / HTTP/1.1\r\nHost: a\r\nA: \x00\r\n\r\n", 400},
		"bare LF":                        {"GET / HTTP/1.1\r\nHost: a\nA: b\r\n\r\n", 400},
		"no host":                        {"GET / HTTP/1.1\r\nA: b\r\n\r\n", 400},
		"two hosts":                      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		"host with path":                 {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
		"two spaces":                     {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		"no version":                     {"GET /\r\n\r\n", 400},
		"version with lower case":        {"GET / http/1.1\r\nHost: a\r\n\r\n", 400},
		"HTTP/2":                         {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
		"HTTP/1.2":                       {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
		"relative target":                {"GET index.html HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		"star without OPTIONS":           {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		"absolute target without a host": {"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		"CONNECT":                        {"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405},
		"unknown expectation":            {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n", 417},
		"too many fields":                {"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: b\r\n", 16) + "\r\n", 431},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var h requestHead
			r := h.parse([]byte(c.head), 16)
			if r == nil || r.status != c.status {
				t.Fatalf("got %v, want status %d", r, c.status)
			}
		})
	}
}

func TestRequestHeadAsTheTargetGetsIt(t *testing.T) {
	t.Parallel()
	const added = "X-Forwarded-Proto: http\r\nX-Forwarded-Port: 8080\r\n"
	for name, c := range map[string]struct{ in, want string }{
		"plain": {
			"GET /a?b=c HTTP/1.1\r\nHost: example\r\nAccept:*/*  \r\n\r\n",
			"GET /a?b=c HTTP/1.1\r\nHost: example\r\nAccept: */*\r\nX-Forwarded-For: 192.0.2.1\r\n" + added + "\r\n",
		},
		"hop by hop fields end here": {
			"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Secret\r\nKeep-Alive: timeout=5\r\nX-Secret: 1\r\nProxy-Connection: x\r\nTE: gzip, trailers\r\nProxy-Authorization: b\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nX-Forwarded-For: 192.0.2.1\r\n" + added + "\r\n",
		},
		"what frames the request cannot be declared hop by hop": {
			"POST / HTTP/1.1\r\nHost: a\r\nConnection: Content-Length, Host, X-Forwarded-For\r\nContent-Length: 3\r\n\r\n",
			"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nX-Forwarded-For: 192.0.2.1\r\n" + added + "\r\n",
		},
		"forwarding fields": {
			"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\nX_Forwarded_For: 6.6.6.6\r\nx-forwarded-for: 198.51.100.8\r\nX-Forwarded-Port: 443\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.7, 198.51.100.8, 192.0.2.1\r\n" + added + "\r\n",
		},
		"absolute form": {
			"GET http://other.example:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
			"GET /x?y HTTP/1.1\r\nHost: other.example:81\r\nX-Forwarded-For: 192.0.2.1\r\n" + added + "\r\n",
		},
		"absolute form without a path": {
			"GET http://other?q HTTP/1.1\r\nHost: a\r\n\r\n",
			"GET /?q HTTP/1.1\r\nHost: other\r\nX-Forwarded-For: 192.0.2.1\r\n" + added + "\r\n",
		},
		"upgrade": {
			"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n" + strings.TrimSuffix(added, "\r\n") + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		},
		"no upgrade to h2c": {
			"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n" + added + "\r\n",
		},
		"HTTP/1.0 without host": {
			"GET / HTTP/1.0\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: \r\nX-Forwarded-For: 192.0.2.1\r\n" + added + "\r\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var h requestHead
			if r := h.parse([]byte(c.in), 16); r != nil {
				t.Fatal(r)
			}
			got := string(h.append(nil, via{clientIP: []byte("192.0.2.1"), port: "8080"}))
			if got != c.want {
				t.Errorf("got\n%q\nwant\n%q", got, c.want)
			}
		})
	}
}

// FuzzRequestHead holds our reading against the standard library's: whatever we accept it accepts too, with the same framing, and what
// we send on reads the same again.
func FuzzRequestHead(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
	f.Add([]byte("POST http://b/c?d HTTP/1.0\r\nHost: a\r\nContent-Length: 12\r\nConnection: x, close\r\nX: y\r\n\r\n"))
	f.Add([]byte("PUT /%zz HTTP/1.1\r\nhost:a:80\r\ntransfer-encoding: CHUNKED\r\nTrailer: X\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		end := headEnd(b, 0)
		if end == 0 {
			return
		}
		var h requestHead
		if h.parse(b[:end], 64) != nil {
			return
		}
		ours := h.append(nil, via{clientIP: []byte("192.0.2.1"), port: "80"})
		std, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b[:end])))
		if err == nil {
			checkFraming(t, &h, std)
		} else if !acceptedOnlyByUs(err) {
			t.Fatalf("accepted what net/http refuses: %v\n%q", err, b[:end])
		}
		again, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(ours)))
		if err != nil && !acceptedOnlyByUs(err) {
			t.Fatalf("sent on what net/http refuses: %v\n%q", err, ours)
		}
		if err == nil {
			checkFraming(t, &h, again)
			if again.Host != string(h.host) || again.Method != string(h.method) {
				t.Fatalf("host %q and method %q became %q and %q", h.host, h.method, again.Host, again.Method)
			}
		}
	})
}

// acceptedOnlyByUs names what is the target's business and not the balancer's: the meaning of the URL, and fields whose content
// frames nothing.
func acceptedOnlyByUs(err error) bool {
	s := err.Error()
	return slices.ContainsFunc([]string{"invalid URL", "parse \"", "bad trailer key", "malformed Host header", "invalid URI"},
		func(part string) bool { return strings.Contains(s, part) })
}

func checkFraming(t *testing.T, h *requestHead, std *http.Request) {
	t.Helper()
	chunked := len(std.TransferEncoding) > 0
	length := max(h.contentLength, 0)
	if h.chunked {
		length = -1
	}
	if chunked != h.chunked || std.ContentLength != length {
		t.Fatalf("framing differs: ours chunked=%v length=%d, net/http chunked=%v length=%d", h.chunked, length, chunked, std.ContentLength)
	}
}

func BenchmarkRequestHead(b *testing.B) {
	head := []byte("GET /item?id=1 HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nCookie: session=0123456789abcdef\r\n\r\n")
	var h requestHead
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		if r := h.parse(head, 128); r != nil {
			b.Fatal(r)
		}
		out = h.append(out[:0], via{clientIP: []byte("192.0.2.1"), port: "80"})
	}
}
