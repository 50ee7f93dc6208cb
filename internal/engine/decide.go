package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// decide lets Step decide one request and applies what it says. The error is the store's; everything else is in the step.
func decide(ctx context.Context, b store.Batch, now time.Time, q *request) (step, error) {
	if q.spec != nil {
		return create(ctx, b, now, *q.spec)
	}
	d, err := b.Deployment(ctx, q.id)
	if errors.Is(err, store.ErrNotFound) {
		return step{err: err}, nil
	}
	if err != nil {
		return step{}, err
	}
	view, err := b.View(ctx, d, deploy.Needs(d, q.what))
	if err != nil {
		return step{}, err
	}
	t, err := deploy.Step(view, deploy.Event{At: now, What: q.what})
	if err != nil {
		return step{err: err}, nil
	}
	if t.Empty() {
		return step{result: Result{Status: d.State.Status, Outcome: t.Outcome()}}, nil
	}
	s, err := apply(ctx, b, t)
	if err != nil || len(s.transitions) == 0 || !t.Deployment().State.Status.Terminal() || t.Spawn() != nil {
		return s, err
	}
	next, err := admit(ctx, b, now, d.Spec.GroupID)
	s.transitions = append(s.transitions, next...)
	return s, err
}

// create makes a deployment. One that may wait its turn does, behind the one that keeps the group busy.
func create(ctx context.Context, b store.Batch, now time.Time, spec deploy.Spec) (step, error) {
	spec.CreatedAt = now
	if spec.Root != "" && spec.Previous != nil {
		// A follow-up brings what the group has; another deployment may have succeeded since it was thought of.
		g, err := b.Group(ctx, spec.GroupID)
		if errors.Is(err, store.ErrNotFound) {
			return step{err: err}, nil
		}
		if err != nil {
			return step{}, err
		}
		if g.LastSuccessful == nil || g.LastSuccessful.ID != spec.Previous.DeploymentID {
			return step{err: store.ErrConflict}, nil
		}
	}
	s, err := apply(ctx, b, deploy.New(spec))
	var busy *store.GroupBusyError
	if err == nil && spec.Queue && errors.As(s.err, &busy) {
		return apply(ctx, b, deploy.NewWaiting(spec, busy.Active))
	}
	return s, err
}

func apply(ctx context.Context, b store.Batch, t deploy.Transition) (step, error) {
	err := b.Apply(ctx, t)
	var busy *store.GroupBusyError
	switch {
	case errors.As(err, &busy), errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrExists):
		return step{err: err}, nil
	case errors.Is(err, store.ErrConflict):
		return step{again: true}, nil
	case err != nil:
		return step{}, err
	}
	return step{transitions: []deploy.Transition{t}, result: Result{Status: t.Deployment().State.Status, Outcome: t.Outcome()}}, nil
}

// admit begins the deployment whose turn has come now that another one of its group has ended, in the same commit, so that a crash leaves no
// group whose turn nobody has.
func admit(ctx context.Context, b store.Batch, now time.Time, groupID string) ([]deploy.Transition, error) {
	id, err := b.NextWaiting(ctx, groupID)
	if err != nil || id == "" {
		return nil, err
	}
	g, err := b.Group(ctx, groupID)
	if errors.Is(err, store.ErrNotFound) {
		return abandon(ctx, b, now, groupID, id)
	}
	if err != nil {
		return nil, err
	}
	var last deploy.Deployment
	if g.LastSuccessful != nil {
		if last, err = b.Deployment(ctx, g.LastSuccessful.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	d, err := b.Deployment(ctx, id)
	if err != nil {
		return nil, err
	}
	t, err := deploy.Step(deploy.View{Deployment: d}, deploy.Event{At: now, What: deploy.Admit{
		Environment: g.Environment, AutoScalingGroups: g.Settings.Selection.AutoScalingGroups, Previous: g.Previous(last.Spec),
	}})
	if err != nil {
		return nil, err
	}
	s, err := apply(ctx, b, t)
	return s.transitions, err
}

// abandon ends a deployment that waits its turn in a group that was deleted, and those behind it. Whoever deleted the group does so too, unless
// it died first, and nothing else would ever wake them.
func abandon(ctx context.Context, b store.Batch, now time.Time, groupID, id string) ([]deploy.Transition, error) {
	d, err := b.Deployment(ctx, id)
	if err != nil {
		return nil, err
	}
	t, err := deploy.Step(deploy.View{Deployment: d}, deploy.Event{At: now, What: deploy.Abandon{Error: deploy.ErrorInfo{
		Code: deploy.CodeGroupMissing, Message: fmt.Sprintf("The deployment group %s was deleted.", d.Spec.Group),
	}}})
	if err != nil {
		return nil, err
	}
	s, err := apply(ctx, b, t)
	if err != nil || len(s.transitions) == 0 {
		return nil, err
	}
	rest, err := admit(ctx, b, now, groupID)
	return append(s.transitions, rest...), err
}
