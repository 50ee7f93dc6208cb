package demo

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/demo/app"
)

func TestTheAudienceCountsAnswersAndFailures(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := asked.Add(1)
		if n%10 == 0 {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		version := "v1"
		if n%2 == 0 {
			version = "v2"
		}
		w.Header().Set(app.HeaderVersion, version)
		w.Header().Set(app.HeaderInstance, "127.0.0.11:80")
		if _, err := w.Write([]byte(version + "\n")); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	a := newAudience(s.URL, 50) // no stall of a slow machine is long enough for more to be under way than may be
	a.start(t.Context())
	for asked.Load() < 40 {
		time.Sleep(time.Millisecond)
	}
	a.end()
	a.end()
	got, n := a.seen(), asked.Load()
	if got.requests != n || got.failed != n/10 || got.byVersion["v2"] != n/2-n/10 || got.byVersion["v1"] != n-n/2 || got.byInstance["127.0.0.11:80"] != n-n/10 {
		t.Errorf("%d were asked, seen %+v", n, got)
	}
	if len(got.failures) != maxFailures || !strings.Contains(got.failures[0], "502 Bad Gateway: down") {
		t.Errorf("failures %q", got.failures)
	}
	if m := a.answered("v1"); m.first.IsZero() || m.last.Before(m.first) || !a.answered("v3").first.IsZero() {
		t.Errorf("marks %+v", m)
	}
}

func TestRatesAreTheDifferencesOfCounts(t *testing.T) {
	t.Parallel()
	var s sample
	now := time.Unix(0, 0)
	for n := int64(1); n <= 5; n++ {
		s.take(now, tally{byVersion: map[string]int64{"v1": n * 50}, byInstance: map[string]int64{"a": n * 10}})
	}
	if s.rates[0].now() != 200 || s.rates[1].now() != 0 || s.instances["a"].now() != 40 {
		t.Errorf("rates %v, %v", s.rates, s.instances["a"])
	}
}

func TestTheBundleHasTheVersionAndScriptsThatRun(t *testing.T) {
	t.Parallel()
	one, err := bundleOf("v1")
	if err != nil {
		t.Fatal(err)
	}
	two, err := bundleOf("v2")
	if err != nil {
		t.Fatal(err)
	}
	if string(one) == string(two) {
		t.Error("both versions are the same")
	}
}
