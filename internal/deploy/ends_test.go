package deploy_test

import (
	"testing"

	"crossfade/internal/deploy"
)

// TestCopyIsTheGroupsSelection holds that after a copied Auto Scaling group was adopted, no earlier replacement environment is the group's any
// more.
func TestCopyIsTheGroupsSelection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, blueGreen(func(s *deploy.Spec) {
		s.GroupSelection.AutoScalingGroups, s.Environment = []string{"asg"}, "d-EARLIER01"
		s.BlueGreen.Provisioning, s.BlueGreen.ReadyAction = deploy.ProvisionCopyAutoScaler, deploy.ReadyContinue
		s.BlueGreen.TerminationAction = deploy.TerminationKeepAlive
	}))
	w.resolve()
	w.run()
	w.do(deploy.Wake{})
	w.run()
	if w.d.State.Status != deploy.StatusSucceeded || len(w.group.AutoScalingGroups) != 1 || w.group.Environment == nil || *w.group.Environment != "" {
		t.Errorf("it is %s and the group remembers %+v", w.d.State.Status, w.group)
	}
}
