package api

import (
	"context"
	"errors"
	"fmt"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
	"crossfade/internal/wire/control"
)

// stopMessage is what StopDeployment answers.
const stopMessage = "No more commands will be scheduled for execution in the deployment instances"

// deployment reads a deployment of the caller's account that must exist.
func (s *Service) deployment(ctx context.Context, id string) (deploy.Deployment, error) {
	d, err := s.cfg.Store.Deployment(ctx, s.account(ctx), id)
	if errors.Is(err, store.ErrNotFound) {
		return d, noDeployment(id)
	}
	if err != nil {
		return d, fmt.Errorf("read deployment %s: %w", id, err)
	}
	return d, nil
}

// ContinueDeployment implements control.Service: it starts the rerouting of traffic without waiting for the ready wait to elapse, or ends the
// wait before the original instances are terminated. It answers when that is durable.
func (s *Service) ContinueDeployment(ctx context.Context, in *control.ContinueDeploymentInput) error {
	p := s.check("ContinueDeployment", in)
	p.deploymentID(in.DeploymentId)
	if err := p.err(); err != nil {
		return err
	}
	wait := deploy.ReadyWait // older clients do not know the parameter
	if in.DeploymentWaitType != nil {
		wait = deploy.Wait(*in.DeploymentWaitType)
	}
	return s.endWait(ctx, "ContinueDeployment", *in.DeploymentId, wait)
}

// SkipWaitTimeForInstanceTermination implements control.Service: the older form of ContinueDeployment with TERMINATION_WAIT.
func (s *Service) SkipWaitTimeForInstanceTermination(ctx context.Context, in *control.SkipWaitTimeForInstanceTerminationInput) error {
	p := s.check("SkipWaitTimeForInstanceTermination", in)
	p.deploymentID(in.DeploymentId)
	if err := p.err(); err != nil {
		return err
	}
	return s.endWait(ctx, "SkipWaitTimeForInstanceTermination", *in.DeploymentId, deploy.TerminationWait)
}

func (s *Service) endWait(ctx context.Context, operation, id string, wait deploy.Wait) error {
	// The engine knows no accounts; this read keeps one account from moving another's deployment.
	if _, err := s.deployment(ctx, id); err != nil {
		return err
	}
	if _, err := s.cfg.Engine.Do(ctx, id, deploy.Continue{Wait: wait, By: s.cfg.Caller(ctx).ARN}); err != nil {
		return refused(operation, id, err)
	}
	return nil
}

// StopDeployment implements control.Service. Stopping a deployment that is stopped already succeeds.
func (s *Service) StopDeployment(ctx context.Context, in *control.StopDeploymentInput) (*control.StopDeploymentOutput, error) {
	p := s.check("StopDeployment", in)
	p.deploymentID(in.DeploymentId)
	if err := p.err(); err != nil {
		return nil, err
	}
	id := *in.DeploymentId
	d, err := s.deployment(ctx, id)
	if err != nil {
		return nil, err
	}
	if _, err := s.cfg.Store.GroupByID(ctx, d.Spec.GroupID); errors.Is(err, store.ErrNotFound) {
		return nil, noGroup(d.Spec.Group)
	} else if err != nil {
		return nil, fmt.Errorf("read the deployment group of deployment %s: %w", id, err)
	}
	result, err := s.cfg.Engine.Do(ctx, id, deploy.Stop{Rollback: in.AutoRollbackEnabled, By: s.cfg.Caller(ctx).ARN})
	var refusal *deploy.Refusal
	status := control.StopStatusPending
	switch {
	case errors.As(err, &refusal) && refusal.Reason == deploy.ReasonStopped:
		status = control.StopStatusSucceeded
	case err != nil:
		return nil, refused("StopDeployment", id, err)
	case result.Status.Terminal():
		status = control.StopStatusSucceeded
	}
	return &control.StopDeploymentOutput{Status: &status, StatusMessage: new(stopMessage)}, nil
}
