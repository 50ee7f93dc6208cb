package stream

import "net/url"

// Parse shows parse to the fuzz test.
func Parse(lastEventID string, query url.Values) (after int64, err error) {
	w, err := parse("1", lastEventID, query)
	return w.after, err
}
