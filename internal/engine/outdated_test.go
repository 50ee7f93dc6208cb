package engine_test

import (
	"testing"

	"crossfade/internal/deploy"
)

// TestOutdatedIsWhatLacksTheRevision holds that updateOutdatedInstancesOnly measures instances by the revision that it deploys: a new one is new
// to all of them, and the same one again to none.
func TestOutdatedIsWhatLacksTheRevision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := func(id, key string, only bool) deploy.Deployment {
		spec := w.spec
		spec.ID, spec.RollbackID, spec.Kind, spec.TargetInstances, spec.UpdateOutdatedOnly = id, id+"R", deploy.KindInPlace, nil, only
		spec.Revision.S3 = &deploy.S3Location{Bucket: "b", Key: key, BundleType: "zip"}
		g, err := w.store.GroupByID(t.Context(), spec.GroupID)
		if err != nil {
			t.Fatal(err)
		}
		spec.Previous = g.Previous(deploy.Spec{})
		if _, err := w.Create(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		return w.until(t, id, func(d deploy.Deployment) bool { return d.State.Status == deploy.StatusSucceeded })
	}
	for _, c := range []struct {
		id, key string
		only    bool
		targets int
	}{{"d-TEST00001", "v1", false, 2}, {"d-TEST00002", "v1", true, 0}, {"d-TEST00003", "v2", true, 2}, {"d-TEST00004", "v2", true, 0}} {
		if d := run(c.id, c.key, c.only); d.State.Overview.Succeeded != c.targets {
			t.Errorf("%s of %s deployed to %d instances, want %d", c.id, c.key, d.State.Overview.Succeeded, c.targets)
		}
	}
}
