package engine_test

import (
	"testing"

	"crossfade/internal/deploy"
)

// TestGroupDeletedWhileOthersWait holds that deployments which wait their turn end with their group, also when the server died between the
// deletion of the group and the end of its deployments.
func TestGroupDeletedWhileOthersWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := []string{"d-TEST00001", "d-TEST00003", "d-TEST00005"}
	for _, id := range ids {
		spec := w.spec
		spec.ID, spec.RollbackID, spec.Queue = id, id+"R", true
		if _, err := w.Create(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	w.until(t, ids[0], deploy.Deployment.Ready)
	if _, err := w.store.DeleteGroup(t.Context(), "1", "shop", "prod"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Do(t.Context(), ids[0], deploy.Stop{By: "me"}); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids[1:] {
		d, err := w.store.Deployment(t.Context(), "", id)
		if err != nil {
			t.Fatal(err)
		}
		if d.State.Status != deploy.StatusFailed || d.State.Error.Code != deploy.CodeGroupMissing {
			t.Errorf("%s is %s: %+v", id, d.State.Status, d.State.Error)
		}
	}
}
