package lb

import (
	"testing"
	"time"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	hc := HealthCheck{Interval: time.Second, HealthyThreshold: 3, UnhealthyThreshold: 2}
	young, old := time.Millisecond, time.Minute
	for name, c := range map[string]struct {
		probes  string // p passes, f fails
		age     time.Duration
		suspect bool
		want    State
		serves  bool
	}{
		"nothing yet":                                  {"", young, false, StateInitial, false},
		"the first pass is enough":                     {"p", young, false, StateHealthy, true},
		"a slow starter is not condemned at once":      {"ffffff", young, false, StateInitial, false},
		"one that never starts is":                     {"ff", old, false, StateUnhealthy, false},
		"a late starter needs one pass":                {"ffffp", old, false, StateHealthy, true},
		"one failure is forgiven":                      {"pf", young, false, StateHealthy, true},
		"failures count in a row":                      {"pfpfpf", young, false, StateHealthy, true},
		"the threshold makes unhealthy":                {"pff", young, false, StateUnhealthy, false},
		"one that was healthy needs its threshold":     {"pffpp", young, false, StateUnhealthy, false},
		"passes count in a row":                        {"pffppfpp", young, false, StateUnhealthy, false},
		"then it is healthy again":                     {"pffppp", young, false, StateHealthy, true},
		"a suspect does not serve":                     {"", young, true, StateHealthy, false},
		"a pass clears the suspicion":                  {"p", young, true, StateHealthy, true},
		"a failure does not":                           {"f", young, true, StateHealthy, false},
		"a suspect that fails often enough goes":       {"ff", young, true, StateUnhealthy, false},
		"an unhealthy one stays so however often else": {"pfffff", young, false, StateUnhealthy, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := health{state: StateInitial}
			if c.suspect {
				h = health{state: StateHealthy, proven: true, suspect: true}
			}
			for _, p := range c.probes {
				h = h.after(p == 'p', hc, c.age)
			}
			if h.state != c.want || h.serves() != c.serves {
				t.Errorf("got %s serves=%v, want %s serves=%v", h.state, h.serves(), c.want, c.serves)
			}
		})
	}
}

func TestProbePause(t *testing.T) {
	t.Parallel()
	hc := HealthCheck{Interval: 5 * time.Second, HealthyThreshold: 2, UnhealthyThreshold: 2}
	h := health{state: StateInitial}
	if got := h.pause(hc); got != firstProbeDelay {
		t.Errorf("first pause is %s, want %s", got, firstProbeDelay)
	}
	for range 100 {
		h = h.after(false, hc, time.Hour)
	}
	if got := h.pause(hc); got != slowProbeDelay {
		t.Errorf("pause of one that never answered is %s, want %s", got, slowProbeDelay)
	}
	h = h.after(true, hc, time.Hour)
	if got := h.pause(hc); got != hc.Interval {
		t.Errorf("pause of a healthy one is %s, want the interval", got)
	}
	hc.Interval = time.Millisecond
	if got := (health{state: StateInitial}).pause(hc); got != hc.Interval {
		t.Errorf("pause is %s, but the interval is shorter", got)
	}
}

func TestMatcher(t *testing.T) {
	t.Parallel()
	m, err := parseMatcher("200, 301-302,404")
	if err != nil {
		t.Fatal(err)
	}
	for status, want := range map[int]bool{200: true, 201: false, 301: true, 302: true, 303: false, 404: true} {
		if m.accepts(status) != want {
			t.Errorf("accepts(%d) is %v", status, !want)
		}
	}
	for _, bad := range []string{"", "2xx", "200-", "300-200", "99", "600", "200,,201"} {
		if _, err := parseMatcher(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
