package traffic_test

import (
	"strings"
	"testing"

	"crossfade/internal/traffic"
)

func TestSettled(t *testing.T) {
	t.Parallel()
	in := traffic.Want{TargetGroups: []string{"a", "b"}, Instance: "i-1", In: true}
	out := in
	out.In = false
	see := func(states ...traffic.State) []traffic.Observed {
		var all []traffic.Observed
		for i, s := range states {
			all = append(all, traffic.Observed{TargetGroup: string(rune('a' + i)), Instance: "i-1", State: s, Reason: "because"})
		}
		return all
	}
	for name, c := range map[string]struct {
		want     traffic.Want
		observed []traffic.Observed
		why      string // empty: settled
	}{
		"in everywhere":        {in, see(traffic.StateHealthy, traffic.StateHealthy), ""},
		"in one only":          {in, see(traffic.StateHealthy, traffic.StateInitial), "instance i-1 is initial in target group b: because"},
		"one was not observed": {in, see(traffic.StateHealthy), "target group b was not observed"},
		"out everywhere":       {out, see(traffic.StateAbsent, traffic.StateAbsent), ""},
		"draining is not out":  {out, see(traffic.StateAbsent, traffic.StateDraining), "draining"},
		"unhealthy is not out": {out, see(traffic.StateUnhealthy, traffic.StateAbsent), "unhealthy"},
		"no groups":            {traffic.Want{In: true}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			done, why := traffic.Settled(c.want, c.observed)
			if done != (c.why == "") || !strings.Contains(why, c.why) {
				t.Errorf("got %v %q, want %q", done, why, c.why)
			}
		})
	}
}

func TestSplitSettled(t *testing.T) {
	t.Parallel()
	see := func(environments ...string) []traffic.SplitObserved {
		var all []traffic.SplitObserved
		for i, e := range environments {
			all = append(all, traffic.SplitObserved{TargetGroup: string(rune('a' + i)), Environment: e, Percent: 10})
		}
		return all
	}
	want := func(environment string, percent int) traffic.Split {
		return traffic.Split{TargetGroups: []string{"a", "b"}, Environment: environment, Percent: percent}
	}
	for name, c := range map[string]struct {
		want     traffic.Split
		observed []traffic.SplitObserved
		settled  bool
	}{
		"in force everywhere":             {want("d", 10), see("d", "d"), true},
		"in force in one":                 {want("d", 10), see("d", ""), false},
		"one was not observed":            {want("d", 10), see("d"), false},
		"another percentage":              {want("d", 11), see("d", "d"), false},
		"another environment":             {want("e", 10), see("d", "d"), false},
		"ended, whatever the percentages": {want("", 50), see("", ""), true},
		"ended in one":                    {want("", 0), see("", "d"), false},
		"no groups":                       {traffic.Split{Environment: "d"}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := traffic.SplitSettled(c.want, c.observed); got != c.settled {
				t.Errorf("got %v", got)
			}
		})
	}
}
