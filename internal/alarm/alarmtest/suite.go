// Package alarmtest is what every driver of the alarm port is held to.
package alarmtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/alarm"
)

const (
	// short is the timeout of a driver whose counterpart never answers, long that of all others.
	short = 50 * time.Millisecond
	long  = time.Minute
	// endless is more than a driver may read.
	endless = 64 << 20
)

// Driver is a driver under test.
type Driver struct {
	// Make gives a source in which these alarms are, in these states. It is called once for each claim that needs alarms, so a counterpart that
	// keeps them must keep those of two calls apart.
	Make func(t *testing.T, alarms map[string]alarm.State) alarm.Source
	// Shows are the states that the counterpart can have; empty: all.
	Shows []alarm.State
	// AnyName says that every name exists, because the counterpart knows only of alarms that are raised.
	AnyName bool
	// At gives a source that asks the server at the URL, for at least one alarm, "a". Whatever the server is asked it misbehaves.
	At func(t *testing.T, url string, timeout time.Duration) alarm.Source
}

// Names are names that alarms may have, up to the longest.
var Names = []string{"plain", "with space", `quote"d`, "new/slash?and&more=%41", `back\slash`, "Größe", "(prod) [eu]: 5xx > 1%", strings.Repeat("n", 255)}

// Run holds a driver to the port.
func Run(t *testing.T, d Driver) {
	if len(d.Shows) == 0 {
		d.Shows = []alarm.State{alarm.StateOK, alarm.StateAlarm, alarm.StateInsufficient}
	}
	if d.Make != nil {
		t.Run("states", d.states)
		t.Run("only what was asked for", d.onlyAsked)
		t.Run("many names", d.many)
		t.Run("at the same time", d.concurrent)
		t.Run("gone caller", d.gone)
	}
	if d.At != nil {
		t.Run("refusals", d.refusals)
		t.Run("nonsense", d.nonsense)
		t.Run("endless answer", d.endless)
		t.Run("silence", d.silence)
		t.Run("nobody there", d.nobody)
	}
}

func (d Driver) states(t *testing.T) {
	t.Parallel()
	want := map[string]alarm.State{}
	for i, name := range Names {
		want[name] = d.Shows[i%len(d.Shows)]
	}
	expect(t, d.Make(t, want), slices.Collect(maps.Keys(want)), want)
}

func (d Driver) onlyAsked(t *testing.T) {
	t.Parallel()
	s := d.Make(t, map[string]alarm.State{"one": alarm.StateOK, "two": alarm.StateAlarm, "three": alarm.StateAlarm})
	expect(t, s, []string{"two"}, map[string]alarm.State{"two": alarm.StateAlarm})
	expect(t, s, []string{"one", "two", "one"}, map[string]alarm.State{"one": alarm.StateOK, "two": alarm.StateAlarm})
	expect(t, s, nil, map[string]alarm.State{})
	if !d.AnyName {
		expect(t, s, []string{"nobody", "two", "tw", "Two"}, map[string]alarm.State{"two": alarm.StateAlarm})
		expect(t, s, []string{"nobody"}, map[string]alarm.State{})
	}
}

// many asks for more names than fit into one question to CloudWatch.
func (d Driver) many(t *testing.T) {
	t.Parallel()
	want := map[string]alarm.State{}
	for i := range 110 {
		want[fmt.Sprintf("alarm %d", i)] = d.Shows[i%2]
	}
	expect(t, d.Make(t, want), slices.Sorted(maps.Keys(want)), want)
}

func (d Driver) concurrent(t *testing.T) {
	t.Parallel()
	want := map[string]alarm.State{"one": alarm.StateOK, "two": alarm.StateAlarm}
	s := d.Make(t, want)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { expect(t, s, []string{"one", "two"}, want) })
	}
	all.Wait()
}

func (d Driver) gone(t *testing.T) {
	t.Parallel()
	s := d.Make(t, map[string]alarm.State{"one": alarm.StateAlarm})
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if got, err := s.States(ctx, []string{"one"}); !errors.Is(err, context.Canceled) || got != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func (d Driver) refusals(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]error{
		http.StatusUnauthorized: alarm.ErrDenied, http.StatusForbidden: alarm.ErrDenied, http.StatusTooManyRequests: alarm.ErrThrottled,
		http.StatusNotFound: nil, http.StatusInternalServerError: nil, http.StatusServiceUnavailable: nil, http.StatusNoContent: nil,
	} {
		err := d.fails(t, long, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		for _, is := range []error{alarm.ErrDenied, alarm.ErrThrottled} {
			if errors.Is(err, is) != (is == want) {
				t.Errorf("after status %d: %v", status, err)
			}
		}
	}
}

func (d Driver) nonsense(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "null", "{", "<html><body>Sign in</body></html>", `"text"`, "7", "[[]]", "<a>", "{}"} {
		err := d.fails(t, long, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })
		if errors.Is(err, alarm.ErrDenied) || errors.Is(err, alarm.ErrThrottled) {
			t.Errorf("after %q: %v", text, err)
		}
	}
}

func (d Driver) endless(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	chunk := []byte(strings.Repeat(" ", 64<<10))
	err := d.fails(t, long, func(w http.ResponseWriter, r *http.Request) {
		for sent.Load() < endless && r.Context().Err() == nil {
			n, err := w.Write(chunk)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	if sent.Load() >= endless || !strings.Contains(fmt.Sprint(err), "more than") {
		t.Errorf("%d bytes were read, then %v", sent.Load(), err)
	}
}

func (d Driver) silence(t *testing.T) {
	t.Parallel()
	err := d.fails(t, short, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	if !strings.Contains(fmt.Sprint(err), "does not answer within "+short.String()) {
		t.Errorf("got %v", err)
	}
}

func (d Driver) nobody(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	if got, err := d.At(t, server.URL, long).States(t.Context(), []string{"a"}); err == nil {
		t.Errorf("got %v", got)
	}
}

// fails asks a source whose server answers so, which must be an error, and returns that.
func (d Driver) fails(t *testing.T, timeout time.Duration, handler http.HandlerFunc) error {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A server notices that the caller is gone only when it has read what the caller said.
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		handler(w, r)
	}))
	defer server.Close()
	got, err := d.At(t, server.URL, timeout).States(t.Context(), []string{"a"})
	if err == nil || got != nil {
		t.Errorf("got %v, %v", got, err)
	}
	return err
}

func expect(t *testing.T, s alarm.Source, names []string, want map[string]alarm.State) {
	t.Helper()
	if got, err := s.States(t.Context(), names); err != nil || !maps.Equal(got, want) {
		t.Errorf("asked for %.200q, got %.500v, %v", names, got, err)
	}
}
