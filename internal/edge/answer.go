package edge

import (
	"errors"
	"io"
	"net/http"
	"runtime/debug"
	"time"

	"crossfade/internal/awsjson"
)

// internalError is what a caller is told of a fault of ours.
const internalError = "An unexpected fault; see the server's log for this request id."

// statusWriter remembers the status of an answer; zero: it has not begun.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

const (
	// patience is how long a client may take nothing of an answer, and atOnce how much it must take in that time: a slow one gets large bundles, and one
	// that stopped reading does not hold a connection for ever.
	patience = time.Minute
	atOnce   = 256 << 10
)

// Write implements http.ResponseWriter.
func (w *statusWriter) Write(p []byte) (written int, err error) {
	for {
		if err := w.begin(); err != nil {
			return written, err
		}
		n, err := w.ResponseWriter.Write(p[:min(len(p), atOnce)])
		written, p = written+n, p[n:]
		if err != nil || len(p) == 0 {
			return written, err
		}
	}
}

// ReadFrom implements io.ReaderFrom, so that the kernel can send a file by itself.
func (w *statusWriter) ReadFrom(r io.Reader) (read int64, err error) {
	for {
		if err := w.begin(); err != nil {
			return read, err
		}
		n, err := io.CopyN(w.ResponseWriter, r, atOnce)
		read += n
		if errors.Is(err, io.EOF) {
			return read, nil
		}
		if err != nil {
			return read, err
		}
	}
}

// begin gives the client its time for what comes next. The HTTP server takes the deadline away after each request. Not every ResponseWriter of a test has
// deadlines.
func (w *statusWriter) begin() error {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	err := http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(patience))
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// guard runs a handler. When that panics, the fault is logged and refuse answers, or the connection is broken if the answer has begun: half an
// answer must not look like a whole one.
func (c *call) guard(serve, refuse func()) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p != http.ErrAbortHandler {
			c.edge.cfg.Log.Error("a handler panicked", "requestId", awsjson.RequestID(c.r.Context()), "service", c.service, "operation", c.operation,
				"panic", p, "stack", string(debug.Stack()))
		}
		c.code = string(awsjson.InternalFailure)
		if c.w.status != 0 {
			panic(http.ErrAbortHandler)
		}
		refuse()
	}()
	serve()
}
