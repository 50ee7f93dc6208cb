package sse_test

import (
	"net/http/httptest"
	"testing"

	"crossfade/internal/sse"
)

// TestTheForm holds the bytes of a stream, by which clients of every make read it.
func TestTheForm(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	l := sse.Begin(w)
	for _, err := range []error{l.Comment("listening"), l.Event(7, []byte(`{"a":1}`)), l.Named("end", []byte(`{"b":2}`)), l.Flush()} {
		if err != nil {
			t.Error(err)
		}
	}
	const want = ": listening\n\nid: 7\ndata: {\"a\":1}\n\nevent: end\ndata: {\"b\":2}\n\n"
	if got := w.Body.String(); got != want || !w.Flushed {
		t.Errorf("the stream is %q, flushed: %v", got, w.Flushed)
	}
	if h := w.Header(); h.Get("Content-Type") != sse.ContentType || h.Get("Cache-Control") != "no-store" {
		t.Errorf("the headers are %v", h)
	}
}
