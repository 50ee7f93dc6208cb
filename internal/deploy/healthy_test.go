package deploy_test

import (
	"strings"
	"testing"

	"crossfade/internal/deploy"
)

// TestZoneWithAFailedInstance holds that a zone's minimum is one of all its instances, also of one that failed before and is taken ahead of its
// zone: else the deployment that repairs it could not start.
func TestZoneWithAFailedInstance(t *testing.T) {
	t.Parallel()
	spec := blueGreen(func(s *deploy.Spec) {
		s.Kind = deploy.KindInPlace
		s.Zonal = &deploy.Zonal{MinimumHealthyPerZone: &deploy.HealthyHosts{Type: deploy.FleetPercent, Value: 50}}
	})
	found := selected("a-1", "a-2", "b-1", "b-2")
	for i := range found {
		found[i].Zone = found[i].ID[:1]
	}
	found[0].Failed = true
	t.Run("repaired", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, spec)
		w.do(deploy.Resolved{Originals: found})
		w.run()
		if w.d.State.Status != deploy.StatusSucceeded {
			t.Errorf("it is %s: %+v", w.d.State.Status, w.d.State.Error)
		}
	})
	t.Run("failed again", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, spec)
		w.do(deploy.Resolved{Originals: found})
		w.pump()
		w.do(deploy.Completed{Target: "a-1", Attempt: 1, Diagnostics: deploy.Diagnostics{ErrorCode: "ScriptFailed", Message: "exit 1"}})
		w.run()
		if e := w.d.State.Error; w.d.State.Status != deploy.StatusFailed || !strings.Contains(e.Message, "since 1 other instances there are unhealthy") {
			t.Errorf("it is %s: %+v", w.d.State.Status, e)
		}
		if s := w.target("a-2").Status; s != deploy.TargetSkipped {
			t.Errorf("the last healthy instance of its zone is %s", s)
		}
	})
}

// TestMinimumWithSparedInstances holds that instances which have the revision already count as healthy for a deployment that leaves them alone.
func TestMinimumWithSparedInstances(t *testing.T) {
	t.Parallel()
	found := selected("a-1", "a-2", "a-3", "b-1")
	for i := range found {
		found[i].Zone, found[i].Current = found[i].ID[:1], i > 0
	}
	per := &deploy.HealthyHosts{Type: deploy.FleetPercent, Value: 50}
	for name, c := range map[string]struct {
		minimum deploy.HealthyHosts
		zonal   *deploy.Zonal
		creator string
	}{
		"half at a time":      {deploy.HealthyHosts{Type: deploy.FleetPercent, Value: 50}, nil, deploy.CreatorAutoUpdate},
		"three hosts":         {deploy.HealthyHosts{Type: deploy.HostCount, Value: 3}, nil, deploy.CreatorUser},
		"half of each zone":   {deploy.HealthyHosts{Type: deploy.HostCount}, &deploy.Zonal{MinimumHealthyPerZone: per}, deploy.CreatorUser},
		"one that was booted": {deploy.HealthyHosts{Type: deploy.FleetPercent, Value: 50}, nil, deploy.CreatorAutoScaling},
	} {
		w := newWorld(t, blueGreen(func(s *deploy.Spec) {
			s.Kind, s.UpdateOutdatedOnly, s.MinimumHealthy, s.Zonal, s.Creator = deploy.KindInPlace, c.creator != deploy.CreatorAutoScaling, c.minimum, c.zonal, c.creator
		}))
		if instances := found; c.creator == deploy.CreatorAutoScaling {
			w.do(deploy.Resolved{Originals: instances[:1]})
		} else {
			w.do(deploy.Resolved{Originals: instances})
		}
		if w.d.State.Tally.Minimum != 0 || w.d.State.Error != nil {
			t.Errorf("%s: the minimum is %d, want 0: %+v", name, w.d.State.Tally.Minimum, w.d.State.Error)
		}
		w.run()
		if len(w.targets) != 1 || w.d.State.Status != deploy.StatusSucceeded {
			t.Errorf("%s: %d targets, %s: %+v", name, len(w.targets), w.d.State.Status, w.d.State.Error)
		}
	}
	// What is spared does not lower the minimum of the rest by more than its number.
	w := newWorld(t, blueGreen(func(s *deploy.Spec) {
		s.Kind, s.UpdateOutdatedOnly, s.MinimumHealthy = deploy.KindInPlace, true, deploy.HealthyHosts{Type: deploy.HostCount, Value: 3}
	}))
	three := selected("1", "2", "3", "4")
	three[3].Current = true
	w.do(deploy.Resolved{Originals: three})
	if w.d.State.Tally.Minimum != 2 || w.d.State.Tally.InFlight > 1 {
		t.Errorf("%+v", w.d.State.Tally)
	}
}
