package api

import (
	"context"

	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// What Crossfade does not do yet answers an exception that the operation declares.

// PutLifecycleEventHookExecutionStatus implements control.Service. It is for Lambda and ECS deployments, of which there are none yet.
func (s *Service) PutLifecycleEventHookExecutionStatus(ctx context.Context, in *control.PutLifecycleEventHookExecutionStatusInput) (*control.PutLifecycleEventHookExecutionStatusOutput, error) {
	p := s.check("PutLifecycleEventHookExecutionStatus", in)
	p.deploymentID(in.DeploymentId)
	p.require(control.InvalidLifecycleEventHookExecutionIdException, "lifecycleEventHookExecutionId", in.LifecycleEventHookExecutionId)
	if st := value(in.Status); st != control.LifecycleEventStatusSucceeded && st != control.LifecycleEventStatusFailed {
		p.add(control.InvalidLifecycleEventHookExecutionStatusException, "status is not Succeeded or Failed.")
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	if _, err := s.deployment(ctx, *in.DeploymentId); err != nil {
		return nil, err
	}
	return nil, wire.Errorf(control.UnsupportedActionForDeploymentTypeException, "Deployment %s is on the platform Server, whose lifecycle event hooks are scripts and report no status.", *in.DeploymentId)
}

// DeleteResourcesByExternalId implements control.Service. No resource has an external id, so there is nothing to delete.
func (s *Service) DeleteResourcesByExternalId(context.Context, *control.DeleteResourcesByExternalIdInput) (*control.DeleteResourcesByExternalIdOutput, error) {
	return &control.DeleteResourcesByExternalIdOutput{}, nil
}

// DeleteGitHubAccountToken implements control.Service.
func (s *Service) DeleteGitHubAccountToken(_ context.Context, in *control.DeleteGitHubAccountTokenInput) (*control.DeleteGitHubAccountTokenOutput, error) {
	p := s.check("DeleteGitHubAccountToken", in)
	p.require(control.GitHubAccountTokenNameRequiredException, "tokenName", in.TokenName)
	if err := p.err(); err != nil {
		return nil, err
	}
	return nil, noGitHub("DeleteGitHubAccountToken")
}

// ListGitHubAccountTokenNames implements control.Service.
func (s *Service) ListGitHubAccountTokenNames(context.Context, *control.ListGitHubAccountTokenNamesInput) (*control.ListGitHubAccountTokenNamesOutput, error) {
	return nil, noGitHub("ListGitHubAccountTokenNames")
}

func noGitHub(operation string) error {
	return wire.Errorf(control.OperationNotSupportedException, "%s is not there yet: Crossfade keeps no GitHub tokens.", operation)
}
