package notifytest

import (
	"net/http"
	"sync"
)

// Troubled is a handler that can be made to fail before the one behind it.
type Troubled struct {
	Inner http.Handler
	// Fail answers for Busy, Broken and Gone.
	Fail func(w http.ResponseWriter, trouble Trouble)

	mu      sync.Mutex
	trouble Trouble
	calm    chan struct{} // closed when the trouble changes
}

// Set makes the handler do something else from now on, and lets go of what hangs.
func (h *Troubled) Set(trouble Trouble) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.calm != nil {
		close(h.calm)
	}
	h.trouble, h.calm = trouble, make(chan struct{})
}

// ServeHTTP implements http.Handler.
func (h *Troubled) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	trouble, calm := h.trouble, h.calm
	h.mu.Unlock()
	switch trouble {
	case "", NoTrouble:
		h.Inner.ServeHTTP(w, r)
	case Silent:
		panic(http.ErrAbortHandler)
	case Hanging:
		<-calm
	default:
		h.Fail(w, trouble)
	}
}
