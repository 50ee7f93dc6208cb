package engine

import (
	"testing"
	"time"

	"crossfade/internal/deploy"
)

// TestTrafficOrdersOutliveTheirDeployment holds that the end of a deployment takes back everything that is outstanding but traffic orders: an
// instance that is being deregistered must not stay in traffic because its deployment ended first.
func TestTrafficOrdersOutliveTheirDeployment(t *testing.T) {
	t.Parallel()
	c := &carrying{effects: map[deploy.EffectKey]*carried{}}
	for _, id := range []string{"d-ENDED0001", "d-OTHER0001"} {
		for _, kind := range []deploy.EffectKind{deploy.EffectTraffic, deploy.EffectSplit, deploy.EffectWatch, deploy.EffectResolve, deploy.EffectTerminate} {
			c.add(deploy.Effect{Key: deploy.EffectKey{DeploymentID: id, Kind: kind}}, nil, false)
		}
	}
	c.dropAll("d-ENDED0001")
	left := map[string]int{}
	for _, e := range c.take(time.Now(), false) {
		if left[e.effect.Key.DeploymentID]++; e.effect.Key.DeploymentID == "d-ENDED0001" && e.effect.Key.Kind != deploy.EffectTraffic {
			t.Errorf("%s is still carried out", e.effect.Key.Kind)
		}
	}
	if left["d-ENDED0001"] != 1 || left["d-OTHER0001"] != 5 {
		t.Errorf("left are %v", left)
	}
}
