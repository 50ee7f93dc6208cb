package lb

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httputil"
	"testing"
)

func TestResponseHeadFraming(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		head     string
		headOnly bool
		body     bodyKind
		keep     bool
	}{
		"length":               {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, bodyLength, true},
		"length twice, equal":  {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", false, bodyLength, true},
		"chunked":              {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, bodyChunked, true},
		"until close":          {"HTTP/1.1 200 OK\r\n\r\n", false, bodyUntilClose, false},
		"closing":              {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", false, bodyLength, false},
		"HTTP/1.0":             {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", false, bodyLength, false},
		"HTTP/1.0 keep-alive":  {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive\r\n\r\n", false, bodyLength, true},
		"HEAD":                 {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, bodyNone, true},
		"304 with length":      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, bodyNone, true},
		"204":                  {"HTTP/1.1 204 No Content\r\n\r\n", false, bodyNone, true},
		"no reason, no space":  {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false, bodyNone, true},
		"100 is not an answer": {"HTTP/1.1 100 Continue\r\n\r\n", false, bodyNone, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var h responseHead
			if r := h.parse([]byte(c.head), 16, c.headOnly); r != nil {
				t.Fatal(r)
			}
			if h.body != c.body || h.keepAlive != c.keep {
				t.Errorf("got body %d keepAlive %v, want %d %v", h.body, h.keepAlive, c.body, c.keep)
			}
		})
	}
	for name, head := range map[string]string{
		"length and coding": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"two lengths":       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
		"coding in 1.0":     "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"other coding":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		"status":            "HTTP/1.1 2x0 OK\r\n\r\n",
		"long status":       "HTTP/1.1 2000 OK\r\n\r\n",
		"not HTTP":          "SSH-2.0-OpenSSH_9.2\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var h responseHead
			if r := h.parse([]byte(head), 16, false); r == nil || r.status != http.StatusBadGateway {
				t.Errorf("got %v, want a 502", r)
			}
		})
	}
}

// FuzzResponseHead holds our framing of answers against the standard library's.
func FuzzResponseHead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"))
	f.Add([]byte("HTTP/1.0 404 \r\nConnection: keep-alive, x\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		end := headEnd(b, 0)
		if end == 0 {
			return
		}
		var h responseHead
		if h.parse(b[:end], 64, false) != nil {
			return
		}
		std, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b[:end])), nil)
		if err != nil {
			if acceptedOnlyByUs(err) {
				return
			}
			t.Fatalf("accepted what net/http refuses: %v\n%q", err, b[:end])
		}
		want := h.contentLength
		switch h.body {
		case bodyChunked, bodyUntilClose:
			want = -1
		case bodyNone:
			want = 0
		case bodyLength:
		}
		if h.status == 304 || h.status < 200 || h.status == 204 {
			return // a length there is information, not framing
		}
		if std.StatusCode != h.status || std.ContentLength != want {
			t.Fatalf("status %d length %d, net/http says %d %d\n%q", h.status, want, std.StatusCode, std.ContentLength, b[:end])
		}
	})
}

// FuzzChunkScanner: a body that the scanner accepts is read by the standard library with the same payload, whatever the pieces in
// which it arrived.
func FuzzChunkScanner(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"), byte(1))
	f.Add([]byte("5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\nrest"), byte(3))
	f.Add([]byte("0\r\nContent-Length: 1\r\n\r\n"), byte(9))
	f.Add([]byte("5\nhello\r\n0\r\n\r\n"), byte(9))
	f.Fuzz(func(t *testing.T, b []byte, piece byte) {
		var s chunkScanner
		var payload []byte
		used := 0
		for used < len(b) && s.state != chunkDone {
			end := min(len(b), used+1+int(piece%16))
			for used < end && s.state != chunkDone {
				p, n, err := s.next(b[used:end])
				if err != nil {
					return
				}
				payload = append(payload, p...)
				used += n
			}
		}
		if s.state != chunkDone {
			return
		}
		std, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(b[:used])))
		if err != nil || !bytes.Equal(std, payload) {
			t.Fatalf("%q: ours %q, net/http %q, %v", b[:used], payload, std, err)
		}
	})
}

func TestChunkScannerRefuses(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"bare LF after size":     "5\nhello\r\n0\r\n\r\n",
		"bare LF in extension":   "5;a\nhello\r\n0\r\n\r\n",
		"no digits":              "\r\nhello",
		"negative":               "-5\r\nhello",
		"too many digits":        "0000000000000005\r\nhello",
		"data too long":          "5\r\nhello!\r\n0\r\n\r\n",
		"space before extension": "5 ;a\r\nhello\r\n",
		"framing trailer":        "0\r\nContent-Length: 5\r\n\r\n",
		"folded trailer":         "0\r\nA: b\r\n c\r\n\r\n",
		"bare LF in trailers":    "0\r\nA: b\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := framing{kind: bodyChunked}
			if _, done, err := f.take([]byte(body)); err == nil {
				t.Errorf("accepted, done=%v", done)
			}
		})
	}
}
