package deploy_test

import (
	"testing"

	"crossfade/internal/deploy"
)

// TestRehearseWaitsThatAreTooLong holds that a deployment which can't end in time is a plan with a problem, and no defect of the planning.
func TestRehearseWaitsThatAreTooLong(t *testing.T) {
	t.Parallel()
	hours := int64(5 * 3600)
	spec := blueGreen(func(s *deploy.Spec) { s.Kind, s.Zonal = deploy.KindInPlace, &deploy.Zonal{MonitorSeconds: &hours} })
	found := selected("a", "b", "c")
	for i := range found {
		found[i].Zone = found[i].ID
	}
	r, err := deploy.Rehearse(spec, deploy.Resolved{Originals: found})
	if err != nil || r.Problem == nil || r.Problem.Code != deploy.CodeTimeout || len(r.Stages) > 0 {
		t.Errorf("got %+v %v", r.Problem, err)
	}
}
