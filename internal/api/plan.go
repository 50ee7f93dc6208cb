package api

import (
	"context"
	"fmt"

	"crossfade/internal/deploy"
	"crossfade/internal/wire/control"
)

// Plan is what a deployment would do if it were created now.
type Plan struct {
	Spec      deploy.Spec
	Rehearsal deploy.Rehearsal
	// Busy is the unfinished deployment of the group, because of which CreateDeployment would be refused, or, in a group that queues, the new
	// deployment would wait; empty: none.
	Busy string
}

// PlanDeployment answers what CreateDeployment with the same input would do: it refuses what that would refuse, and else plays the deployment
// on the instances that there are. It changes nothing, and opens no bundle.
func (s *Service) PlanDeployment(ctx context.Context, in *control.CreateDeploymentInput) (Plan, error) {
	spec, group, err := s.newDeployment(ctx, in)
	if err != nil {
		return Plan{}, err
	}
	spec.CreatedAt = s.now()
	found, err := s.cfg.Engine.Preview(ctx, spec)
	if err != nil {
		return Plan{}, fmt.Errorf("find the instances of a deployment to %s: %w", group.Name, err)
	}
	r, err := deploy.Rehearse(spec, found)
	if err != nil {
		return Plan{}, err
	}
	return Plan{Spec: spec, Rehearsal: r, Busy: group.Active}, nil
}
