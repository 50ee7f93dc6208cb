package deploy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"crossfade/internal/deploy"
)

// outline is a rehearsal in few words.
func outline(r deploy.Rehearsal) string {
	var b strings.Builder
	for _, s := range r.Stages {
		fmt.Fprintf(&b, "%s", s.Phase)
		if s.Zone != "" {
			fmt.Fprintf(&b, " %s", s.Zone)
		}
		for _, w := range s.Waves {
			fmt.Fprintf(&b, " %v", w)
		}
		if s.Total > 0 {
			fmt.Fprintf(&b, " M%d/%d at once %d needs %d may fail %d", s.Minimum, s.Total, s.AtOnce, s.Needed, s.MayFail)
		}
		if s.Percent > 0 {
			fmt.Fprintf(&b, " %d%%", s.Percent)
		}
		if s.Wait > 0 {
			fmt.Fprintf(&b, " wait %s", s.Wait)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestRehearse(t *testing.T) {
	t.Parallel()
	zone := func(name string, s ...deploy.Selected) []deploy.Selected {
		for i := range s {
			s[i].Zone = name
		}
		return s
	}
	ill := selected("b-ill")
	ill[0].Zone, ill[0].Failed = "b", true
	minute := int64(60)
	for name, c := range map[string]struct {
		spec  deploy.Spec
		found deploy.Resolved
		want  string
	}{
		"one at a time": {
			blueGreen(func(s *deploy.Spec) {
				s.Kind, s.MinimumHealthy = deploy.KindInPlace, deploy.HealthyHosts{Type: deploy.MostConcurrency, Value: 1}
			}),
			deploy.Resolved{Originals: selected("a", "b", "c")},
			`Deploy [a] [b] [c] M2/3 at once 1 needs 2 may fail 0
`,
		},
		"waves of two": {
			blueGreen(func(s *deploy.Spec) {
				s.Kind, s.MinimumHealthy = deploy.KindInPlaceTraffic, deploy.HealthyHosts{Type: deploy.HostCount, Value: 3}
			}),
			deploy.Resolved{Originals: selected("a", "b", "c", "d", "e")},
			`Deploy [a b] [c d] [e] M3/5 at once 2 needs 3 may fail 1
`,
		},
		"zones": {
			blueGreen(func(s *deploy.Spec) {
				s.Kind, s.Zonal = deploy.KindInPlace, &deploy.Zonal{MonitorSeconds: &minute}
			}),
			deploy.Resolved{Originals: append(append(zone("b", selected("b-1", "b-2")...), ill...), zone("a", selected("a-1")...)...)},
			`Deploy the instances whose last deployment failed [b-ill] M0/4 at once 1 needs 1 may fail 3
Deploy zone a [a-1] M0/4 at once 1 needs 1 may fail 3 wait 1m0s
Deploy zone b [b-1 b-2] M0/4 at once 2 needs 1 may fail 3
`,
		},
		"blue/green in steps": {
			blueGreen(func(s *deploy.Spec) {
				s.Kind, s.Routing = deploy.KindBlueGreenShift, &deploy.TrafficRouting{Type: deploy.RoutingLinear, Percentage: 40, IntervalMinutes: 5}
			}),
			deploy.Resolved{Originals: selected("blue-1"), Replacements: selected("green-1", "green-2")},
			`Install [green-1 green-2] M0/2 at once 2 needs 1 may fail 1
ReadyWait wait 48h0m0s
HoldBack
Reroute [green-1 green-2] M0/2 at once 2 needs 1 may fail 1
Shift 40% wait 5m0s
Shift 80% wait 5m0s
Shift 100%
Settle [green-1 green-2] M0/2 at once 2 needs 1 may fail 1
Block [blue-1] M0/1 at once 1 needs 1 may fail 0
Merge
TerminationWait wait 1h0m0s
Terminate
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := deploy.Rehearse(c.spec, c.found)
			if err != nil || r.Problem != nil {
				t.Fatalf("%v, %+v", err, r.Problem)
			}
			if got := outline(r); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
			if len(r.Targets) != len(c.found.Originals)+len(c.found.Replacements) || r.Limit < time.Hour {
				t.Errorf("%d targets, limit %s", len(r.Targets), r.Limit)
			}
		})
	}
}

func TestRehearseFindsTheProblem(t *testing.T) {
	t.Parallel()
	r, err := deploy.Rehearse(blueGreen(), deploy.Resolved{Originals: selected("blue-1")})
	if err != nil || r.Problem == nil || r.Problem.Code != deploy.CodeNoInstances || len(r.Stages) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	spec := blueGreen(func(s *deploy.Spec) { s.Kind, s.UpdateOutdatedOnly = deploy.KindInPlace, true })
	current := selected("a")
	current[0].Current = true
	if r, err = deploy.Rehearse(spec, deploy.Resolved{Originals: current}); err != nil || r.Problem != nil || len(r.Messages) != 1 {
		t.Errorf("nothing is outdated: %+v, %v", r, err)
	}
}

// TestRehearseManyTargets holds that a plan for the largest fleet is not quadratic.
func TestRehearseManyTargets(t *testing.T) {
	t.Parallel()
	var ids []string
	for i := range deploy.MaxInstances {
		ids = append(ids, fmt.Sprintf("i-%05d", i))
	}
	r, err := deploy.Rehearse(blueGreen(func(s *deploy.Spec) { s.Kind = deploy.KindInPlaceTraffic }), deploy.Resolved{Originals: selected(ids...)})
	if err != nil || len(r.Stages) != 1 || len(r.Stages[0].Waves) != 1 || len(r.Stages[0].Waves[0]) != deploy.MaxInstances {
		t.Errorf("%d stages, %v", len(r.Stages), err)
	}
}
