package deploy_test

import (
	"slices"
	"strings"
	"testing"

	"crossfade/internal/deploy"
)

// TestSlowTraffic holds that what a traffic order waits for is shown while it waits, is named when the wait is given up, and is gone afterwards.
func TestSlowTraffic(t *testing.T) {
	t.Parallel()
	for name, settles := range map[string]bool{"settles": true, "is given up": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, blueGreen())
			w.resolve()
			w.run()
			w.do(goOn)
			var order *deploy.Traffic
			target := func() string {
				for k, e := range w.effects {
					if k.Kind == deploy.EffectTraffic {
						order = e.Traffic
						return k.Target
					}
				}
				return ""
			}
			// The agents' events come first.
			for w.pump(); target() == ""; w.pump() {
				for k, e := range w.effects {
					if k.Kind == deploy.EffectCommand {
						w.do(deploy.Acknowledged{Target: k.Target, Attempt: e.Command.Attempt, Delivery: 1})
						w.do(deploy.Completed{Target: k.Target, Attempt: e.Command.Attempt, Delivery: 1, Succeeded: true})
						break
					}
				}
			}
			id := target()
			const why = "proxy edge-2 has been silent since noon"
			slow := deploy.TrafficDelayed{Target: id, Generation: order.Generation, Why: why}
			if r := w.try(deploy.TrafficDelayed{Target: id, Generation: order.Generation - 1, Why: why}); r != deploy.ReasonStale {
				t.Errorf("of an earlier order: %q", r)
			}
			w.do(slow)
			if r := w.try(slow); r != deploy.ReasonStale {
				t.Errorf("told twice: %q", r)
			}
			shown := func() bool {
				return slices.ContainsFunc(w.d.Messages(), func(m string) bool { return strings.Contains(m, "waits: "+why+".") })
			}
			if !shown() || !strings.Contains(w.lines[len(w.lines)-1].Text, "waits: "+why) {
				t.Errorf("messages %q, last line %+v", w.d.Messages(), w.lines[len(w.lines)-1])
			}
			if settles {
				w.do(deploy.TrafficSettled{Target: id, Generation: order.Generation})
			} else {
				w.now = w.now.Add(deploy.EventLimit)
				w.do(deploy.TargetDue{Target: id})
				if !slices.ContainsFunc(w.target(id).Events, func(e deploy.LifecycleEvent) bool {
					return e.Diagnostics != nil && strings.Contains(e.Diagnostics.Message, why)
				}) {
					t.Errorf("the target says %+v", w.target(id))
				}
			}
			if shown() {
				t.Errorf("it is shown still: %q", w.d.Messages())
			}
		})
	}
}
