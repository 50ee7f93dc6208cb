package api

import (
	"errors"
	"fmt"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// refusals maps the reasons with which the state machine refuses an event to the exception of the operation that brought it. A reason
// without an entry is a fault of ours.
var refusals = map[string]map[deploy.Reason]wire.Code{
	"ContinueDeployment": {
		deploy.ReasonCompleted:     control.DeploymentAlreadyCompletedException,
		deploy.ReasonNotReady:      control.DeploymentIsNotInReadyStateException,
		deploy.ReasonInvalidStatus: control.InvalidDeploymentStatusException,
		deploy.ReasonUnsupported:   control.UnsupportedActionForDeploymentTypeException,
	},
	// The operation declares one exception only for a deployment that is not in its termination wait.
	"SkipWaitTimeForInstanceTermination": {
		deploy.ReasonCompleted:     control.DeploymentAlreadyCompletedException,
		deploy.ReasonNotReady:      control.DeploymentNotStartedException,
		deploy.ReasonInvalidStatus: control.DeploymentNotStartedException,
		deploy.ReasonUnsupported:   control.UnsupportedActionForDeploymentTypeException,
	},
	"StopDeployment": {
		deploy.ReasonCompleted: control.DeploymentAlreadyCompletedException,
	},
}

// refused turns what the engine answered into the operation's exception.
func refused(operation, deploymentID string, err error) error {
	var refusal *deploy.Refusal
	if errors.As(err, &refusal) {
		if code, ok := refusals[operation][refusal.Reason]; ok {
			return &wire.Error{Code: code, Message: refusal.Text}
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		return noDeployment(deploymentID)
	}
	return fmt.Errorf("%s of deployment %s: %w", operation, deploymentID, err)
}

func noApplication(name string) error {
	return wire.Errorf(control.ApplicationDoesNotExistException, "No application found for name: %s", name)
}

func noGroup(name string) error {
	return wire.Errorf(control.DeploymentGroupDoesNotExistException, "No Deployment Group found for name: %s", name)
}

func noConfig(name string) error {
	return wire.Errorf(control.DeploymentConfigDoesNotExistException, "No deployment configuration found for name: %s", name)
}

func noDeployment(id string) error {
	return wire.Errorf(control.DeploymentDoesNotExistException, "The deployment %s could not be found", id)
}
