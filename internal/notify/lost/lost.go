// Package lost shows which messages of triggers were given up, and why, as a JSON page:
//
//	GET /notifications/lost?before=…
//
// The latest come first, at most a hundred; `before` is the id of the last one seen and asks for those before it. The package reads what the store
// keeps of them, for as long as that keeps notices, and owns nothing but the form. Who the caller is has been found out before. A [Handler] is safe
// for concurrent use.
package lost

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"crossfade/internal/store"
)

// pageSize is how many are shown at once.
const pageSize = 100

// Deliveries is what is read of the store.
type Deliveries interface {
	LostDeliveries(ctx context.Context, account string, before int64, limit int) ([]store.LostDelivery, error)
}

// Handler serves the page. All members are required.
type Handler struct {
	Deliveries Deliveries
	// Account is the caller's, whose triggers are shown; empty: the request is refused.
	Account func(context.Context) string
	Logger  *slog.Logger
}

var _ http.Handler = Handler{}

// document is the page.
type document struct {
	Lost []message `json:"lost"` // never null
	// Before asks for the next page; zero: there is none.
	Before int64 `json:"before,omitempty"`
}

type message struct {
	ID           int64     `json:"id"`
	Trigger      string    `json:"trigger"`
	Topic        string    `json:"topic"`
	DeploymentID string    `json:"deploymentId,omitempty"` // none: it was to test the trigger
	Tries        int       `json:"tries"`
	CreatedAt    time.Time `json:"createdAt"`
	GivenUpAt    time.Time `json:"givenUpAt"`
	Problem      string    `json:"problem"`
}

// ServeHTTP implements http.Handler.
func (h Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	account := h.Account(r.Context())
	if account == "" {
		http.Error(w, "Sign the request: triggers are an account's own.", http.StatusForbidden)
		return
	}
	before, err := parse(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	all, err := h.Deliveries.LostDeliveries(r.Context(), account, before, pageSize)
	if err != nil {
		h.Logger.Error("the lost messages can't be read", "error", err)
		http.Error(w, "The lost messages can't be read now; come again later.", http.StatusServiceUnavailable)
		return
	}
	page := document{Lost: []message{}}
	for _, d := range all {
		page.Lost = append(page.Lost, message{
			ID: d.ID, Trigger: d.Trigger, Topic: d.Destination, DeploymentID: d.DeploymentID, Tries: d.Tries, CreatedAt: d.CreatedAt, GivenUpAt: d.LostAt, Problem: d.Problem,
		})
	}
	if len(all) == pageSize {
		page.Before = all[pageSize-1].ID
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err := json.NewEncoder(w).Encode(page); err != nil {
		h.Logger.Info("the lost messages were not read to their end", "error", err)
	}
}

func parse(query url.Values) (before int64, err error) {
	for name := range query {
		if name != "before" {
			return 0, fmt.Errorf("the list of lost messages has no parameter %q: use before", name)
		}
	}
	if !query.Has("before") {
		return 0, nil
	}
	before, err = strconv.ParseInt(query.Get("before"), 10, 64)
	if err != nil || before <= 0 {
		return 0, fmt.Errorf("%q is not the id of a message: give the id of the last one that you have seen", query.Get("before"))
	}
	return before, nil
}
