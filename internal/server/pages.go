package server

import (
	"context"
	"io"
	"net/http"
	"time"
)

// readyTimeout bounds how long a look at the store may take.
const readyTimeout = 2 * time.Second

// healthz answers as long as the process does.
func healthz(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") }

// readyz answers 200 while calls are taken and the store can be read and written.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	if !s.ready.Load() {
		say(w, http.StatusServiceUnavailable, "starting or stopping")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if err := s.store.Ping(ctx); err != nil {
		s.log.Warn("not ready", "error", err)
		say(w, http.StatusServiceUnavailable, "the store can't be read and written; see the server's log")
		return
	}
	say(w, http.StatusOK, "ok")
}

// front answers who asks whether anybody is there, as agents do.
func front(w http.ResponseWriter, _ *http.Request) {
	say(w, http.StatusOK, "This is a Crossfade server: point the AWS tools at it with AWS_ENDPOINT_URL.")
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	// The client may be gone; there is nobody to tell.
	if _, err := io.WriteString(w, text+"\n"); err != nil {
		return
	}
}
