package engine

import (
	"context"
	"fmt"

	"crossfade/internal/deploy"
)

// Preview finds what a deployment of the spec would run on if it were created now. It changes nothing: an Auto Scaling group that would be
// copied is not, and its instances to come have names in brackets.
func (r *Runner) Preview(ctx context.Context, spec deploy.Spec) (deploy.Resolved, error) {
	problem, err := r.balancerProblem(ctx, spec)
	if err != nil || problem != nil {
		return deploy.Resolved{Problem: problem}, err
	}
	var found deploy.Resolved
	if found.Originals, err = r.environment(ctx, spec); err != nil {
		return found, err
	}
	switch {
	case spec.Copies():
		if found.Replacements, found.Problem, err = r.previewCopy(ctx, spec); err != nil {
			return found, err
		}
	case spec.Kind.Replaces() && spec.TargetInstances != nil:
		instances, err := r.Fleet.Find(ctx, spec.Account, *spec.TargetInstances)
		if err != nil {
			return found, fmt.Errorf("find the replacement environment: %w", err)
		}
		found.Replacements = selected(instances)
	}
	return found, r.rank(ctx, spec, found.Originals, found.Replacements)
}

// previewCopy is as many instances as a copy of the Auto Scaling group would have.
func (r *Runner) previewCopy(ctx context.Context, spec deploy.Spec) ([]deploy.Selected, *deploy.ErrorInfo, error) {
	source, problem, err := r.copySource(ctx, spec)
	if err != nil || problem != nil {
		return nil, problem, err
	}
	var out []deploy.Selected
	for i := range source.InService() {
		out = append(out, deploy.Selected{ID: fmt.Sprintf("(instance %d of a copy of %s)", i+1, source.Name)})
	}
	return out, nil, nil
}
