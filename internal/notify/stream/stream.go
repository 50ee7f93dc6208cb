// Package stream serves the changes of state as they happen, as server-sent events in the form that EventBridge gives them: the log of notices is
// read on for each listener.
//
//	GET /events?application=…&group=…&deployment=…&after=…
//
// Every event carries its place in the log as its id. A listener that was cut off sends the last id that it has seen, as Last-Event-ID or as
// `after`, and misses nothing that is still in the log; without one it hears what happens from now on. `application`, `group` and `deployment`
// narrow what is heard. A comment every 15 seconds shows that the connection lives.
//
// The package owns how many listeners there are and how slow they may be; who the caller is has been found out before. It writes nothing to the
// store. A [Handler] is safe for concurrent use and has no goroutine of its own: each request ends with its context, which the endpoint ends when
// the server stops.
package stream

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"crossfade/internal/notify"
	"crossfade/internal/sse"
	"crossfade/internal/store"
)

// Log is what is read of the store.
type Log interface {
	Notices(ctx context.Context, after int64, limit int) ([]store.LoggedNotice, error)
	NoticeBounds(ctx context.Context) (first, last int64, err error)
}

// Config is what a Handler needs. Log, Words, Account and Logger are required.
type Config struct {
	Log   Log
	Words notify.Words
	// Account is the caller's, of whose deployments it hears; empty: the request is refused.
	Account func(context.Context) string
	// Listeners bounds how many listen at the same time; zero: 100.
	Listeners int
	// Heartbeat is how often a quiet connection shows that it lives; zero: 15 s. It is also the safety net for what nobody woke the handler for.
	Heartbeat time.Duration
	Logger    *slog.Logger
}

// batchSize is how much of the log is read at a time.
const batchSize = 256

// Handler serves the stream.
type Handler struct {
	cfg       Config
	listeners chan struct{} // one element for each

	mu   sync.Mutex
	news chan struct{} // closed when there is something new
}

var _ http.Handler = (*Handler)(nil)

// New makes a handler.
func New(c Config) *Handler {
	if c.Listeners == 0 {
		c.Listeners = 100
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 15 * time.Second
	}
	return &Handler{cfg: c, listeners: make(chan struct{}, c.Listeners), news: make(chan struct{})}
}

// Wake says that the log has something new. It never blocks.
func (h *Handler) Wake() {
	h.mu.Lock()
	close(h.news)
	h.news = make(chan struct{})
	h.mu.Unlock()
}

func (h *Handler) next() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.news
}

// wish is what a listener asks for.
type wish struct {
	account                        string
	application, group, deployment string // empty: any
	after                          int64  // -1: from now on
}

func (w wish) wants(n store.LoggedNotice) bool {
	return n.Account == w.account && (w.application == "" || w.application == n.Application) && (w.group == "" || w.group == n.Group) &&
		(w.deployment == "" || w.deployment == n.DeploymentID)
}

// parse reads what is asked for. What it does not know is refused: a filter with a typing error would let everything through.
func parse(account, lastEventID string, query url.Values) (wish, error) {
	w := wish{account: account, after: -1}
	for name, values := range query {
		if !slices.Contains([]string{"application", "group", "deployment", "after"}, name) || len(values) != 1 {
			return w, fmt.Errorf("the stream of events has no parameter %q, or it is given twice: use application, group, deployment and after, each once", name)
		}
	}
	w.application, w.group, w.deployment = query.Get("application"), query.Get("group"), query.Get("deployment")
	from := query.Get("after")
	if lastEventID != "" {
		from = lastEventID // of a listener that has been cut off: later than what it first asked for
	}
	if from == "" {
		return w, nil
	}
	id, err := strconv.ParseInt(from, 10, 64)
	if err != nil || id < 0 {
		return w, fmt.Errorf("%q is not the id of an event: give the id of the last event that you have seen, or 0 for all that are kept", from)
	}
	w.after = id
	return w, nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	account := h.cfg.Account(r.Context())
	if account == "" {
		http.Error(w, "Sign the request: events are an account's own.", http.StatusForbidden)
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "The stream of events is only read: use GET.", http.StatusMethodNotAllowed)
		return
	}
	wish, err := parse(account, r.Header.Get("Last-Event-ID"), r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case h.listeners <- struct{}{}:
		defer func() { <-h.listeners }()
	default:
		w.Header().Set("Retry-After", "10")
		http.Error(w, fmt.Sprintf("%d others listen already; come again later.", cap(h.listeners)), http.StatusServiceUnavailable)
		return
	}
	if err := h.place(r.Context(), &wish); err != nil {
		h.cfg.Logger.Error("the log of notices can't be read", "error", err)
		http.Error(w, "The events can't be read now; come again later.", http.StatusServiceUnavailable)
		return
	}
	l := sse.Begin(w)
	if err := h.serve(r.Context(), l, wish); err != nil && r.Context().Err() == nil {
		h.cfg.Logger.Info("a listener of events was cut off", "account", account, "from", r.RemoteAddr, "error", err)
	}
}

// place makes the place from which on is read one that the log has.
func (h *Handler) place(ctx context.Context, w *wish) error {
	_, last, err := h.cfg.Log.NoticeBounds(ctx)
	// An id beyond the end is from before a backup was restored.
	if w.after < 0 || w.after > last {
		w.after = last
	}
	return err
}

// serve sends events until the context ends, the listener can't be written to, or the log can't be read.
func (h *Handler) serve(ctx context.Context, l *sse.Listener, w wish) error {
	if err := l.Comment("listening"); err != nil {
		return err
	}
	beat := time.NewTicker(h.cfg.Heartbeat)
	defer beat.Stop()
	for ctx.Err() == nil {
		news := h.next() // before the reading, so that nothing slips in between
		if err := h.catchUp(ctx, l, &w); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-news:
		case <-beat.C:
			if err := l.Comment("alive"); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// catchUp sends what the log has after the listener's place.
func (h *Handler) catchUp(ctx context.Context, l *sse.Listener, w *wish) error {
	for {
		notices, err := h.cfg.Log.Notices(ctx, w.after, batchSize)
		if err != nil || len(notices) == 0 {
			return err
		}
		for _, n := range notices {
			w.after = n.ID
			if !w.wants(n) {
				continue
			}
			if m, ok := h.cfg.Words.StateChange(n.ID, n.Notice); ok {
				if err := l.Event(n.ID, m.Body); err != nil {
					return err
				}
			}
		}
		if err := l.Flush(); err != nil {
			return err
		}
	}
}
