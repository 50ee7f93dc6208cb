package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/sse"
	"crossfade/internal/store"
)

// Logs is what is read of the store.
type Logs interface {
	Deployment(ctx context.Context, account, id string) (deploy.Deployment, error)
	EventLog(ctx context.Context, q store.EventLogQuery) ([]store.LogChunk, error)
}

// Config is what a Handler needs. Logs, Account, Now and Logger are required.
type Config struct {
	Logs Logs
	// Account is the caller's, whose deployments' logs it may read; empty: the request is refused.
	Account func(context.Context) string
	// Listeners bounds how many listen at the same time; zero: 100.
	Listeners int
	// Look is how often a listener's deployment is looked at: for its end, and for lines that nobody woke the handler for; zero: 1 s.
	Look time.Duration
	// Heartbeat is how often a quiet connection shows that it lives; zero: 15 s.
	Heartbeat time.Duration
	// Settle is how long after a deployment's end its last lines are waited for; zero: 1 s.
	Settle time.Duration
	Now    func() time.Time
	Logger *slog.Logger
}

// batchSize is how many chunks are read at a time.
const batchSize = 64

// Handler serves the stream.
type Handler struct {
	cfg       Config
	listeners chan struct{} // one element for each

	mu      sync.Mutex
	waiting map[string]map[chan struct{}]struct{} // by deployment; each channel has a buffer of one
}

var _ http.Handler = (*Handler)(nil)

// New makes a handler.
func New(c Config) *Handler {
	if c.Listeners == 0 {
		c.Listeners = 100
	}
	if c.Look == 0 {
		c.Look = time.Second
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 15 * time.Second
	}
	if c.Settle == 0 {
		c.Settle = time.Second
	}
	return &Handler{cfg: c, listeners: make(chan struct{}, c.Listeners), waiting: map[string]map[chan struct{}]struct{}{}}
}

// Wake says that the logs of a deployment have new lines. It never blocks.
func (h *Handler) Wake(deploymentID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for news := range h.waiting[deploymentID] {
		select {
		case news <- struct{}{}:
		default: // it is awake
		}
	}
}

// join returns what receives after lines have come; leave must follow.
func (h *Handler) join(deploymentID string) (news chan struct{}, leave func()) {
	news = make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting[deploymentID] == nil {
		h.waiting[deploymentID] = map[chan struct{}]struct{}{}
	}
	h.waiting[deploymentID][news] = struct{}{}
	return news, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.waiting[deploymentID], news)
		if len(h.waiting[deploymentID]) == 0 {
			delete(h.waiting, deploymentID)
		}
	}
}

// wish is what a listener asks for.
type wish struct {
	store.EventLogQuery
	follow bool
}

// parse reads what is asked for. What it does not know is refused: a filter with a typing error would let everything through.
func parse(lastEventID string, query url.Values) (w wish, err error) {
	for name, values := range query {
		if !slices.Contains([]string{"deploymentId", "targetId", "lifecycleEventName", "after", "follow"}, name) || len(values) != 1 {
			return w, fmt.Errorf("the logs have no parameter %q, or it is given twice: use deploymentId, targetId, lifecycleEventName, after and follow, each once", name)
		}
	}
	w.DeploymentID, w.Target, w.Event = query.Get("deploymentId"), query.Get("targetId"), deploy.EventName(query.Get("lifecycleEventName"))
	if w.DeploymentID == "" {
		return w, errors.New("name the deployment with deploymentId")
	}
	if query.Has("follow") {
		value := query.Get("follow")
		if value != "" && value != "true" && value != "false" {
			return w, fmt.Errorf("follow is %q: give true or false", value)
		}
		w.follow = value != "false"
	}
	from := query.Get("after")
	if lastEventID != "" {
		from = lastEventID // of a listener that has been cut off: later than what it first asked for
	}
	if from == "" {
		return w, nil
	}
	if w.After, err = strconv.ParseInt(from, 10, 64); err != nil || w.After < 0 {
		return w, fmt.Errorf("%q is not the position of a chunk: give the id of the last event that you have seen, or 0 for all", from)
	}
	return w, nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	account := h.cfg.Account(r.Context())
	if account == "" {
		http.Error(w, "Sign the request: logs are an account's own.", http.StatusForbidden)
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "Logs are only read: use GET.", http.StatusMethodNotAllowed)
		return
	}
	wish, err := parse(r.Header.Get("Last-Event-ID"), r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if _, err := h.cfg.Logs.Deployment(r.Context(), account, wish.DeploymentID); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			http.Error(w, fmt.Sprintf("There is no deployment %.64q.", wish.DeploymentID), http.StatusNotFound)
			return
		}
		h.cfg.Logger.Error("a deployment can't be read", "deployment", wish.DeploymentID, "error", err)
		http.Error(w, "The logs can't be read now; come again later.", http.StatusServiceUnavailable)
		return
	}
	select {
	case h.listeners <- struct{}{}:
		defer func() { <-h.listeners }()
	default:
		w.Header().Set("Retry-After", "10")
		http.Error(w, fmt.Sprintf("%d others read logs already; come again later.", cap(h.listeners)), http.StatusServiceUnavailable)
		return
	}
	l := sse.Begin(w)
	if err := h.serve(r.Context(), l, account, wish); err != nil && r.Context().Err() == nil {
		h.cfg.Logger.Info("a reader of logs was cut off", "account", account, "deployment", wish.DeploymentID, "from", r.RemoteAddr, "error", err)
	}
}

// serve sends chunks until the deployment has ended, the context ends, the listener can't be written to, or the logs can't be read.
func (h *Handler) serve(ctx context.Context, l *sse.Listener, account string, w wish) error {
	news, leave := h.join(w.DeploymentID)
	defer leave()
	if err := l.Comment("listening"); err != nil {
		return err
	}
	look, beat := time.NewTicker(h.cfg.Look), time.NewTicker(h.cfg.Heartbeat)
	defer look.Stop()
	defer beat.Stop()
	for looks := true; ; {
		status, ended := "", false
		if looks {
			// Before the logs are read, so that the lines of the deployment's end are sent.
			d, err := h.cfg.Logs.Deployment(ctx, account, w.DeploymentID)
			if err != nil {
				return err
			}
			status = string(d.State.Status)
			ended = !w.follow || d.State.Status.Terminal() && h.cfg.Now().Sub(d.State.CompletedAt) >= h.cfg.Settle
		}
		if err := h.catchUp(ctx, l, &w); err != nil {
			return err
		}
		if ended {
			return end(l, status)
		}
		looks = false
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		case <-look.C:
			looks = true
		case <-beat.C:
			if err := l.Comment("alive"); err != nil {
				return err
			}
		}
	}
}

// catchUp sends what there is after the listener's place.
func (h *Handler) catchUp(ctx context.Context, l *sse.Listener, w *wish) error {
	for {
		q := w.EventLogQuery
		q.Limit = batchSize
		chunks, err := h.cfg.Logs.EventLog(ctx, q)
		if err != nil || len(chunks) == 0 {
			return err
		}
		for _, c := range chunks {
			body, err := json.Marshal(Of(c))
			if err != nil {
				return err
			}
			if err := l.Event(c.Position, body); err != nil {
				return err
			}
			w.After = c.Position
		}
		if err := l.Flush(); err != nil || len(chunks) < batchSize {
			return err
		}
	}
}

func end(l *sse.Listener, status string) error {
	body, err := json.Marshal(End{Status: status})
	if err != nil {
		return err
	}
	if err := l.Named("end", body); err != nil {
		return err
	}
	return l.Flush()
}
