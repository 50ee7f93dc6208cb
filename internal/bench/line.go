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
	"strconv"
	"time"
)

// line is the one connection of a simulated agent, as the transport of its client. What an http.Transport does for many callers it does for one, who makes
// one call after the other, in the caller's goroutine: that takes a third of the processor's time, of which the server under load should have most.
type line struct {
	address string
	tls     *tls.Config // nil: not encrypted
	conn    net.Conn
	buffer  []byte // of the answer's head, and of what is sent
}

// keptBuffer bounds the memory that a line keeps while it waits.
const keptBuffer = 2 << 10

// newLine makes the line to an endpoint. like is whose certificates are trusted.
func newLine(endpoint string, like *http.Client) (*line, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("read the endpoint: %w", err)
	}
	l := &line{address: u.Host}
	if u.Scheme == "https" {
		l.tls = &tls.Config{MinVersion: tls.VersionTLS12}
		if t, ok := like.Transport.(*http.Transport); ok && t.TLSClientConfig != nil {
			l.tls = t.TLSClientConfig.Clone()
		}
		l.tls.ServerName, l.tls.NextProtos = u.Hostname(), nil
	}
	if u.Port() == "" {
		l.address = net.JoinHostPort(u.Hostname(), u.Scheme)
	}
	return l, nil
}

// RoundTrip implements http.RoundTripper. A connection that the server closed while nobody used it is made anew, once.
func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := sent(r)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	for {
		used := l.conn != nil
		if !used {
			if l.conn, err = l.dial(ctx); err != nil {
				return nil, err
			}
		}
		answer, begun, err := l.exchange(ctx, r, body)
		if err == nil {
			return answer, nil
		}
		l.close()
		if begun || !used || ctx.Err() != nil {
			return nil, err
		}
	}
}

func sent(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(r.Body)
	if err = errors.Join(err, r.Body.Close()); err != nil {
		return nil, fmt.Errorf("read what is to be sent: %w", err)
	}
	return body, nil
}

func (l *line) dial(ctx context.Context) (net.Conn, error) {
	if l.tls != nil {
		return (&tls.Dialer{Config: l.tls}).DialContext(ctx, "tcp", l.address)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", l.address)
}

// close ends the connection. There is nothing to do about an error: it is not used any more.
func (l *line) close() {
	if l.conn == nil {
		return
	}
	if err := l.conn.Close(); err != nil {
		l.conn = nil
		return
	}
	l.conn = nil
}

// exchange sends a request and reads the answer. begun says that some of the answer came.
func (l *line) exchange(ctx context.Context, r *http.Request, body []byte) (_ *http.Response, begun bool, _ error) {
	conn := l.conn
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, false, err
	}
	stop := context.AfterFunc(ctx, func() {
		if err := conn.SetDeadline(time.Unix(1, 0)); err != nil {
			return // it is closed
		}
	})
	defer stop()
	l.buffer = appendRequest(l.buffer[:0], r, body)
	if _, err := conn.Write(l.buffer); err != nil {
		return nil, false, err
	}
	l.buffer = l.buffer[:0]
	for {
		if len(l.buffer) == cap(l.buffer) {
			l.buffer = append(l.buffer, make([]byte, 512)...)[:len(l.buffer)]
		}
		n, err := conn.Read(l.buffer[len(l.buffer):cap(l.buffer)])
		l.buffer = l.buffer[:len(l.buffer)+n]
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, len(l.buffer) > 0, err
		}
		if end := bytes.Index(l.buffer, []byte("\r\n\r\n")); end >= 0 {
			answer, err := l.answer(r, l.buffer[:end+4], l.buffer[end+4:])
			return answer, true, err
		}
		if len(l.buffer) > maxHead {
			return nil, true, errors.New("the head of the answer is too large")
		}
	}
}

// maxHead bounds the head of an answer, in bytes.
const maxHead = 64 << 10

func appendRequest(b []byte, r *http.Request, body []byte) []byte {
	b = append(append(append(b, r.Method...), ' '), r.URL.RequestURI()...)
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	b = append(append(b, " HTTP/1.1\r\nHost: "...), host...)
	for name, values := range r.Header {
		for _, v := range values {
			b = append(append(append(append(b, "\r\n"...), name...), ": "...), v...)
		}
	}
	b = strconv.AppendInt(append(b, "\r\nContent-Length: "...), int64(len(body)), 10)
	return append(append(b, "\r\n\r\n"...), body...)
}

// answer reads the rest of an answer whose head has come. Of a success of known length only the body is looked at; everything else is left to net/http.
func (l *line) answer(r *http.Request, head, begun []byte) (*http.Response, error) {
	length, plain := plainLength(head)
	if !plain {
		return l.otherAnswer(r, head, begun)
	}
	body := make([]byte, length)
	n := copy(body, begun)
	if _, err := io.ReadFull(l.conn, body[n:]); err != nil {
		return nil, err
	}
	if cap(l.buffer) > keptBuffer {
		l.buffer = nil
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(length), Request: r}, nil
}

// plainLength is the length of the body of a success that does not end the connection and has not more than a specification's size. false: it is something
// else.
func plainLength(head []byte) (length int, ok bool) {
	const success = "HTTP/1.1 200 "
	if !bytes.HasPrefix(head, []byte(success)) {
		return 0, false
	}
	for line := range bytes.Lines(head[len(success):]) {
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found {
			continue
		}
		switch value = bytes.TrimSpace(value); {
		case bytes.EqualFold(name, []byte("Content-Length")):
			n, err := strconv.Atoi(string(value))
			if err != nil || n < 0 || n > maxPlain || ok {
				return 0, false
			}
			length, ok = n, true
		case bytes.EqualFold(name, []byte("Connection")), bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return 0, false
		}
	}
	return length, ok
}

// maxPlain bounds a body that is read at once, in bytes.
const maxPlain = 1 << 20

// otherAnswer reads an answer as any client does, and ends the connection unless it may go on.
func (l *line) otherAnswer(r *http.Request, head, begun []byte) (*http.Response, error) {
	in := bufio.NewReader(io.MultiReader(bytes.NewReader(bytes.Clone(head)), bytes.NewReader(bytes.Clone(begun)), l.conn))
	answer, err := http.ReadResponse(in, r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	if answer.Close || in.Buffered() > 0 {
		l.close()
	}
	return answer, nil
}
