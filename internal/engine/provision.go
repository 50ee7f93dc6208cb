package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
	"crossfade/internal/store"
)

// provisionLimit is how long the instances of a copied Auto Scaling group may take to be in service.
const provisionLimit = time.Hour

// provision makes the replacement environment: a copy of the group's Auto Scaling group with as many instances as are in service in it now. It
// returns the copy's instances once all of them are in service; neither instances nor a problem mean that it has to be looked at again.
func (r *Runner) provision(ctx context.Context, lease *store.Lease, d deploy.Deployment) ([]deploy.Selected, *deploy.ErrorInfo, error) {
	spec := d.Spec
	broken := func(format string, args ...any) ([]deploy.Selected, *deploy.ErrorInfo, error) {
		return nil, &deploy.ErrorInfo{Code: deploy.CodeAutoScaling, Message: fmt.Sprintf(format, args...)}, nil
	}
	source, problem, err := r.copySource(ctx, spec)
	if err != nil || problem != nil {
		return nil, problem, err
	}
	copies, err := r.Scaling.Groups(ctx, spec.Account, []string{spec.CopyName()})
	if err != nil {
		return nil, nil, fmt.Errorf("read the Auto Scaling group %s: %w", spec.CopyName(), err)
	}
	if len(copies) == 0 {
		size := source.InService()
		if size == 0 {
			return []deploy.Selected{}, nil, nil // the state machine says that there are no instances
		}
		err := r.Scaling.Copy(ctx, spec.Account, source.Name, spec.CopyName(), size)
		if errors.Is(err, fleet.ErrUnknownGroup) {
			return broken("The Auto Scaling group %s is gone and can't be copied.", source.Name)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("copy the Auto Scaling group %s: %w", source.Name, err)
		}
		r.Log.Info("Auto Scaling group copied", "deployment", spec.ID, "source", source.Name, "group", spec.CopyName(), "instances", size)
		return nil, nil, nil
	}
	copied := copies[0]
	if copied.InService() < copied.Desired {
		if r.Now().Sub(spec.CreatedAt) > provisionLimit && r.Now().Sub(d.State.AdmittedAt) > provisionLimit {
			return broken("Of the %d instances of the Auto Scaling group %s only %d were in service within %s; look at the group's activities.", copied.Desired, copied.Name, copied.InService(), provisionLimit)
		}
		// The state machine takes note of it when it is news.
		r.postUnder(lease, spec.ID, deploy.Delayed{Why: fmt.Sprintf("%d of the %d instances of the Auto Scaling group %s are in service.", copied.InService(), copied.Desired, copied.Name)})
		return nil, nil, nil
	}
	out := []deploy.Selected{}
	for _, m := range copied.Members {
		if m.State == fleet.MemberInService {
			out = append(out, deploy.Selected{ID: m.Name, ARN: m.ARN, Host: m.Host, Zone: m.Zone})
		}
	}
	return out, nil, nil
}

// copySource is the Auto Scaling group that a deployment copies for its replacement environment.
func (r *Runner) copySource(ctx context.Context, spec deploy.Spec) (fleet.Group, *deploy.ErrorInfo, error) {
	broken := func(format string, args ...any) (fleet.Group, *deploy.ErrorInfo, error) {
		return fleet.Group{}, &deploy.ErrorInfo{Code: deploy.CodeAutoScaling, Message: fmt.Sprintf(format, args...)}, nil
	}
	names := spec.GroupSelection.AutoScalingGroups
	if len(names) != 1 {
		return broken("Deployment group %s copies its Auto Scaling group for the replacement environment, but names %d; name exactly one in autoScalingGroups.", spec.Group, len(names))
	}
	if r.Scaling == nil {
		return broken("Deployment group %s names the Auto Scaling group %s, but the server has no fleet with such groups; configure one.", spec.Group, names[0])
	}
	found, err := r.Scaling.Groups(ctx, spec.Account, names)
	if err != nil {
		return fleet.Group{}, nil, fmt.Errorf("read the Auto Scaling group %s: %w", names[0], err)
	}
	if len(found) == 0 {
		return broken("Deployment group %s names the Auto Scaling group %s, which does not exist.", spec.Group, names[0])
	}
	return found[0], nil, nil
}

// endOriginalGroups deletes the Auto Scaling groups that were copied, with their instances; or, where they are kept, takes their hooks away: nobody
// answers there any more.
func (r *Runner) endOriginalGroups(ctx context.Context, d deploy.Deployment) (deploy.What, error) {
	for _, name := range d.Spec.GroupSelection.AutoScalingGroups {
		if d.Spec.Keeps() {
			if err := r.removeHooks(ctx, d.Spec, name); err != nil {
				return nil, err
			}
			continue
		}
		gone, err := r.Scaling.Delete(ctx, d.Spec.Account, name)
		if err != nil {
			return nil, fmt.Errorf("delete the Auto Scaling group %s: %w", name, err)
		}
		if !gone {
			return nil, nil
		}
	}
	return deploy.Terminated{}, nil
}

func (r *Runner) removeHooks(ctx context.Context, spec deploy.Spec, group string) error {
	for _, h := range spec.Hooks {
		for _, hook := range []string{h.Launch, h.Termination} {
			if h.AutoScalingGroup != group || hook == "" {
				continue
			}
			if err := r.Scaling.RemoveHook(ctx, spec.Account, group, hook); err != nil {
				return fmt.Errorf("remove the hook %s from the Auto Scaling group %s: %w", hook, group, err)
			}
		}
	}
	return nil
}
