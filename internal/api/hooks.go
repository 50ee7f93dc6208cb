package api

import (
	"context"
	"regexp"
	"sync"

	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// hookExecutionIDPattern is the form of the ids that hooks are given: text that is safe in a URL or in base64.
var hookExecutionIDPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_.=+/-]{1,1000}$`) })

// PutLifecycleEventHookExecutionStatus implements control.Service. Hooks that report a status are those of Lambda and ECS deployments; a Server
// deployment's are scripts, whose result its agent brings.
func (s *Service) PutLifecycleEventHookExecutionStatus(ctx context.Context, in *control.PutLifecycleEventHookExecutionStatusInput) (*control.PutLifecycleEventHookExecutionStatusOutput, error) {
	p := s.check("PutLifecycleEventHookExecutionStatus", in)
	p.deploymentID(in.DeploymentId)
	switch id := value(in.LifecycleEventHookExecutionId); {
	case id == "":
		p.add(control.InvalidLifecycleEventHookExecutionIdException, "lifecycleEventHookExecutionId is required.")
	case !hookExecutionIDPattern().MatchString(id):
		p.add(control.InvalidLifecycleEventHookExecutionIdException, "lifecycleEventHookExecutionId %s is not one that a hook is given.", quote(id))
	}
	if st := value(in.Status); st != control.LifecycleEventStatusSucceeded && st != control.LifecycleEventStatusFailed {
		p.add(control.InvalidLifecycleEventHookExecutionStatusException, "status %s is not Succeeded or Failed.", quote(string(st)))
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	if _, err := s.deployment(ctx, *in.DeploymentId); err != nil {
		return nil, err
	}
	return nil, wire.Errorf(control.UnsupportedActionForDeploymentTypeException, "Deployment %s is on the platform Server, whose lifecycle event hooks are scripts and report no status.", *in.DeploymentId)
}
