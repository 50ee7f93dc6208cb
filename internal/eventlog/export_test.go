package eventlog

import (
	"net/url"

	"crossfade/internal/store"
)

// Parse shows parse to the fuzz test.
func Parse(last string, query url.Values) (store.EventLogQuery, error) {
	w, err := parse(last, query)
	return w.EventLogQuery, err
}
