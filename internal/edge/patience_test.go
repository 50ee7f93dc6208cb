package edge

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// taker is a connection that notes its deadlines and how much is written after each.
type taker struct {
	http.ResponseWriter
	deadlines int
	most      int
	since     int
	all       bytes.Buffer
	fail      error
}

func (t *taker) SetWriteDeadline(at time.Time) error {
	if time.Until(at) > patience || time.Until(at) < patience/2 {
		return errors.New("not the deadline that is wanted")
	}
	t.deadlines++
	t.since = 0
	return nil
}

func (t *taker) Header() http.Header { return http.Header{} }
func (t *taker) WriteHeader(int)     {}

func (t *taker) Write(p []byte) (int, error) {
	if t.fail != nil {
		return 0, t.fail
	}
	t.since += len(p)
	t.most = max(t.most, t.since)
	return t.all.Write(p)
}

func TestAnAnswerIsGivenInPiecesThatEachHaveTheirTime(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("0123456789abcdef"), 3*atOnce/16)
	content = append(content, "the end"...)
	for name, send := range map[string]func(w *statusWriter) (int64, error){
		"written": func(w *statusWriter) (int64, error) { n, err := w.Write(content); return int64(n), err },
		"copied":  func(w *statusWriter) (int64, error) { return w.ReadFrom(bytes.NewReader(content)) },
	} {
		out := &taker{}
		w := &statusWriter{ResponseWriter: out}
		n, err := send(w)
		if err != nil || n != int64(len(content)) || !bytes.Equal(out.all.Bytes(), content) || out.deadlines != 4 || out.most > atOnce || w.status != http.StatusOK {
			t.Errorf("%s: %d bytes with %d deadlines, at most %d each (%v)", name, n, out.deadlines, out.most, err)
		}
		out = &taker{fail: io.ErrClosedPipe}
		if _, err := send(&statusWriter{ResponseWriter: out}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s to a client that is gone: %v", name, err)
		}
	}
	if n, err := (&statusWriter{ResponseWriter: &taker{}}).ReadFrom(strings.NewReader("")); n != 0 || err != nil {
		t.Errorf("nothing: %d %v", n, err)
	}
}
