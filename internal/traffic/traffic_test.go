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
