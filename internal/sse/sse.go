// Package sse writes server-sent events to one listener that may be slow or gone.
//
// It owns the form of the stream and how long a listener may take for a write. It knows nothing of what is sent, and no goroutine is its own: what writes
// ends with its request. A [Listener] is for one goroutine.
package sse

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// ContentType is that of a stream.
const ContentType = "text/event-stream"

// writeTime is how long a listener may take to read what is sent; it can come again and go on where it was.
const writeTime = 30 * time.Second

// Listener is the other end of one request. What is written is on its way after Flush or Comment.
type Listener struct {
	to      http.ResponseWriter
	control *http.ResponseController
}

// Begin answers the request with a stream. Whatever is refused has been refused before.
func Begin(w http.ResponseWriter) *Listener {
	w.Header().Set("Content-Type", ContentType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // of what may stand in front
	w.WriteHeader(http.StatusOK)
	return &Listener{to: w, control: http.NewResponseController(w)}
}

func (l *Listener) write(format string, args ...any) error {
	// Not every ResponseWriter of a test has deadlines.
	if err := l.control.SetWriteDeadline(time.Now().Add(writeTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	_, err := fmt.Fprintf(l.to, format, args...)
	return err
}

// Event sends a JSON document of one line, with the id that a listener who was cut off comes back with.
func (l *Listener) Event(id int64, line []byte) error {
	return l.write("id: %d\ndata: %s\n\n", id, line)
}

// Named sends a JSON document of one line as an event of a name, without an id.
func (l *Listener) Named(name string, line []byte) error {
	return l.write("event: %s\ndata: %s\n\n", name, line)
}

// Comment sends what listeners pass over, at once, so that both ends see that the connection lives.
func (l *Listener) Comment(text string) error {
	if err := l.write(": %s\n\n", text); err != nil {
		return err
	}
	return l.Flush()
}

// Flush sends what has been written.
func (l *Listener) Flush() error { return l.control.Flush() }
