package follow

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Pages is what a proxy shows: /readyz with 200 when requests may be sent to it and 503 with the reason when not, /healthz while the process lives, and
// /status.
func (f *Follower) Pages() http.Handler {
	pages := http.NewServeMux()
	pages.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	pages.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if err := f.Ready(); err != nil {
			http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		if s := f.Status(); !s.Following {
			fmt.Fprintf(w, "ready, with the last state that it knew: %s\n", s.Trouble)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	pages.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(f.Status()); err != nil {
			f.Log.Debug("the status could not be sent", "error", err)
		}
	})
	return pages
}
