package edge

import (
	"io"
	"net/http"
	"runtime/debug"

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

// Write implements http.ResponseWriter.
func (w *statusWriter) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

// ReadFrom implements io.ReaderFrom, so that the kernel can send a file by itself.
func (w *statusWriter) ReadFrom(r io.Reader) (int64, error) {
	w.begin()
	return io.Copy(w.ResponseWriter, r)
}

func (w *statusWriter) begin() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// guard runs a handler. When that panics, the fault is logged and refuse answers, or the connection is broken if the answer has begun: half an
// answer must not look like a whole one.
func (c *call) guard(w *statusWriter, serve, refuse func()) {
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
		if w.status != 0 {
			panic(http.ErrAbortHandler)
		}
		refuse()
	}()
	serve()
}
