package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// route is how all agents reach the server.
type route struct {
	endpoint string
	host     string // as the Host header says it
	path     string
	address  string      // host:port
	tls      *tls.Config // nil: not encrypted
}

// newRoute finds the way to an endpoint. like is whose certificates are trusted.
func newRoute(endpoint string, like *http.Client) (*route, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("read the endpoint: %w", err)
	}
	// A path is signed in its canonical form; one that is in it already needs no second one.
	if u.Path == "" {
		u.Path = "/"
	}
	if strings.Trim(u.Path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/") != "" || strings.TrimSuffix(u.Path, "/") != strings.TrimSuffix(path.Clean(u.Path), "/") || u.RawQuery != "" {
		return nil, fmt.Errorf("simulated agents can't call %s: give an endpoint with a plain path, or none, and without a query", endpoint)
	}
	w := &route{endpoint: endpoint, host: u.Host, path: u.Path, address: u.Host}
	if u.Port() == "" {
		w.address = net.JoinHostPort(u.Hostname(), u.Scheme)
	}
	if u.Scheme != "https" {
		return w, nil
	}
	w.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if t, ok := like.Transport.(*http.Transport); ok && t.TLSClientConfig != nil {
		w.tls = t.TLSClientConfig.Clone()
	}
	w.tls.ServerName, w.tls.NextProtos = u.Hostname(), nil
	return w, nil
}

// dialLimit bounds how long a connection may take to be made.
const dialLimit = 30 * time.Second

func (w *route) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	if w.tls != nil {
		return (&tls.Dialer{Config: w.tls}).DialContext(ctx, "tcp", w.address)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", w.address)
}

// line is the one connection of a simulated agent: HTTP/1.1 for a single caller who makes one call after the other, in the caller's goroutine. The load
// shares its machine with the server that is measured, so it does without everything that serves many callers.
type line struct {
	route  *route
	ctx    context.Context // of the agent; its end ends a call that is under way
	conn   net.Conn        // nil: there is none now
	unbind func() bool     // from the context
	// buffer has the request before it is sent, and then the answer.
	buffer []byte
}

// The bounds of a line's buffer, in bytes: what it has at least for an answer, what of it stays while the agent waits, the head of an answer, and an
// answer at all; the largest is a signed specification.
const (
	leastBuffer  = 1 << 10
	keptBuffer   = 2 << 10
	maxHead      = 64 << 10
	maxForAgents = 1 << 20
)

// call sends a request and returns the body of a success, which is valid until the next call, or any other answer as net/http has it, whose body need not
// be closed. A connection that the server closed while nobody used it is made anew, once. All errors of the network are url.Errors.
func (l *line) call(request []byte, limit time.Duration) (body []byte, other *http.Response, err error) {
	l.buffer = request
	for {
		used := l.conn != nil
		if !used {
			if err := l.open(); err != nil {
				return nil, nil, l.failed(err)
			}
		}
		body, other, begun, err := l.exchange(len(request), limit)
		if err == nil {
			return body, other, nil
		}
		l.close()
		// As long as nothing of an answer came, the request is still in the buffer.
		if begun || !used || l.ctx.Err() != nil {
			return nil, nil, l.failed(err)
		}
	}
}

// failed is an error as a client of net/http would say it.
func (l *line) failed(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return &url.Error{Op: "Post", URL: l.route.endpoint, Err: err}
}

func (l *line) open() error {
	conn, err := l.route.dial(l.ctx)
	if err != nil {
		return err
	}
	l.conn = conn
	l.unbind = context.AfterFunc(l.ctx, func() {
		if err := conn.SetDeadline(time.Unix(1, 0)); err != nil {
			return // it is closed
		}
	})
	return nil
}

// close ends the connection. There is nothing to do about an error: it is not used any more.
func (l *line) close() {
	if l.conn == nil {
		return
	}
	l.unbind()
	conn := l.conn
	l.conn = nil
	if err := conn.Close(); err != nil {
		return
	}
}

// exchange sends as many bytes of the buffer and reads the answer. begun says that some of the answer came.
func (l *line) exchange(size int, limit time.Duration) (body []byte, other *http.Response, begun bool, err error) {
	if err := l.conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return nil, nil, false, err
	}
	// The end of the context sets its deadline after the context says so: it can't be undone by the one above unseen.
	if err := l.ctx.Err(); err != nil {
		return nil, nil, false, err
	}
	if _, err := l.conn.Write(l.buffer[:size]); err != nil {
		return nil, nil, false, err
	}
	if cap(l.buffer) < leastBuffer {
		l.buffer = append(make([]byte, 0, leastBuffer), l.buffer[:size]...)
	}
	for have := 0; ; {
		if have == cap(l.buffer) {
			l.buffer = append(l.buffer[:have], make([]byte, have)...)
		}
		n, err := l.conn.Read(l.buffer[have:cap(l.buffer)])
		have += n
		if end := bytes.Index(l.buffer[:have], []byte("\r\n\r\n")); end >= 0 {
			body, other, err = l.rest(end+4, have)
			return body, other, true, err
		}
		if err != nil {
			return nil, nil, have > 0, err
		}
		if have > maxHead {
			return nil, nil, true, errors.New("the head of the answer is too large")
		}
	}
}

// rest reads what is left of an answer whose head has come, and as many bytes in all. Of a success of known length only the body is looked at; everything
// else is left to net/http.
func (l *line) rest(head, have int) (body []byte, other *http.Response, err error) {
	length, plain := plainLength(l.buffer[:head])
	if !plain {
		other, err = l.other(l.buffer[:have])
		return nil, other, err
	}
	all := head + length
	if have > all {
		return nil, nil, errors.New("the server says more than its answer")
	}
	answer := l.buffer[:min(all, cap(l.buffer))]
	if all > cap(l.buffer) {
		answer = make([]byte, all)
		copy(answer, l.buffer[:have])
	}
	if _, err := io.ReadFull(l.conn, answer[have:]); err != nil {
		return nil, nil, err
	}
	if cap(l.buffer) > keptBuffer {
		l.buffer = nil
	}
	return answer[head:], nil, nil
}

// room is the buffer, empty, for the next request.
func (l *line) room() []byte { return l.buffer[:0] }

// plainLength is the length of the body of a success that does not end the connection and is not too large. false: it is something else.
func plainLength(head []byte) (length int, ok bool) {
	const success = "HTTP/1.1 200 "
	if !bytes.HasPrefix(head, []byte(success)) {
		return 0, false
	}
	first := true
	for line := range bytes.Lines(head) {
		name, value, found := bytes.Cut(line, []byte(":"))
		switch {
		case !bytes.HasSuffix(line, []byte("\r\n")):
			return 0, false
		case first, !found:
			first = false // the status, or the end
		case bytes.EqualFold(name, []byte("Content-Length")):
			n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 32)
			if err != nil || n > maxForAgents || ok {
				return 0, false
			}
			length, ok = int(n), true
		case bytes.EqualFold(name, []byte("Connection")), bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return 0, false
		}
	}
	return length, ok
}

// other reads an answer as any client does, and ends the connection unless it may go on. begun is what has come of it.
func (l *line) other(begun []byte) (*http.Response, error) {
	in := bufio.NewReader(io.MultiReader(bytes.NewReader(bytes.Clone(begun)), l.conn))
	answer, err := http.ReadResponse(in, &http.Request{Method: http.MethodPost})
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxForAgents+1))
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	if answer.Close || in.Buffered() > 0 || len(body) > maxForAgents {
		l.close()
	}
	return answer, nil
}
