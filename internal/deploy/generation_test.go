package deploy_test

import (
	"testing"
	"time"

	"crossfade/internal/deploy"
)

// TestGenerationsOfSlowDeployments holds that an order counts after those of a deployment that was created later and came to the same instance
// sooner: of another group on the same hosts, for example.
func TestGenerationsOfSlowDeployments(t *testing.T) {
	t.Parallel()
	order := func(w *world) int64 {
		w.t.Helper()
		w.do(deploy.Completed{Target: "a", Attempt: w.target("a").Attempt, Succeeded: true})
		return w.effects[deploy.EffectKey{DeploymentID: w.d.Spec.ID, Target: "a", Kind: deploy.EffectTraffic}].Traffic.Generation
	}
	inPlace := func(id string, at time.Duration) *world {
		w := newWorld(t, blueGreen(func(s *deploy.Spec) {
			s.ID, s.Kind = id, deploy.KindInPlaceTraffic
			s.CreatedAt = s.CreatedAt.Add(at)
		}))
		w.do(deploy.Resolved{Originals: selected("a")})
		w.pump()
		return w
	}
	slow, quick := inPlace("d-SLOW00001", 0), inPlace("d-QUICK0001", time.Minute)
	first := order(quick)
	slow.now = quick.now.Add(time.Minute) // the quick one had the host meanwhile
	if second := order(slow); second <= first {
		t.Errorf("the later order has the generation %d, the earlier one %d: the load balancer ignores it", second, first)
	}
	// Within a deployment they grow also when the clock does not.
	back := inPlace("d-BACK00001", 0)
	first = order(back)
	back.now = back.now.Add(-time.Hour)
	back.do(deploy.TrafficSettled{Target: "a", Generation: first})
	for x := back.target("a"); x.Current().Name != deploy.BeforeAllowTraffic; x = back.target("a") {
		back.do(deploy.Completed{Target: "a", Attempt: back.target("a").Attempt, Succeeded: true})
	}
	if second := order(back); second <= first {
		t.Errorf("the generations of one deployment are %d and then %d", first, second)
	}
}
