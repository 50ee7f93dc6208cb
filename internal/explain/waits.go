package explain

import (
	"fmt"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/wire/control"
)

// ContinueCommand is the line to type that ends a wait of a deployment: READY_WAIT or TERMINATION_WAIT.
func ContinueCommand(id string, wait control.DeploymentWaitType, options string) string {
	return command("continue-deployment --deployment-id "+id+" --deployment-wait-type "+string(wait), options)
}

func command(line, options string) string {
	if options != "" {
		options = " " + options
	}
	return "aws deploy " + line + options
}

// waits says what an unfinished deployment waits for.
func (x *Explanation) waits(in Input) {
	info := in.Info
	blueGreen := value(info.BlueGreenDeploymentConfiguration)
	switch {
	case value(info.Status) == control.DeploymentStatusReady:
		o := value(blueGreen.DeploymentReadyOption)
		end := "it is stopped"
		if value(o.ActionOnTimeout) == control.DeploymentReadyActionContinueDeployment {
			end = "it goes on by itself"
		}
		x.Summary = "It is Ready and waits for approval to reroute the traffic."
		x.Waiting = []Wait{{
			For:     fmt.Sprintf("ContinueDeployment; after %d minutes of waiting %s", value(o.WaitTimeInMinutes), end),
			Command: ContinueCommand(x.DeploymentID, control.DeploymentWaitTypeReadyWait, in.Options),
		}}
	case value(info.Status) == control.DeploymentStatusCreated, value(info.Status) == control.DeploymentStatusQueued:
		x.Summary = "It has not started."
		x.Waiting = []Wait{{For: "the server to find its instances and to start it", Command: stopCommand(x.DeploymentID, in.Options)}}
	case value(info.InstanceTerminationWaitTimeStarted):
		o := value(blueGreen.TerminateBlueInstancesOnDeploymentSuccess)
		x.Summary = "The traffic is rerouted; it waits before it ends the original environment."
		x.Waiting = []Wait{{
			For:     fmt.Sprintf("the termination wait of %d minutes to pass, or ContinueDeployment", value(o.TerminationWaitTimeInMinutes)),
			Command: ContinueCommand(x.DeploymentID, control.DeploymentWaitTypeTerminationWait, in.Options),
		}}
	default:
		x.Summary = "It is under way."
		for _, t := range in.Targets {
			if e, ok := currentEvent(t); ok && value(t.Status) == control.TargetStatusInProgress {
				x.Waiting = append(x.Waiting, waitOf(t, e))
			}
		}
		if len(x.Waiting) > 0 {
			x.Waiting[0].Command = stopCommand(x.DeploymentID, in.Options)
		}
	}
}

func stopCommand(id, options string) string {
	return command("stop-deployment --deployment-id "+id, options)
}

// waitOf says what one target under way waits for. An event that is still pending there is a command that the agent has not taken.
func waitOf(t control.InstanceTarget, e control.LifecycleEvent) Wait {
	w := Wait{Instance: value(t.TargetId), Environment: environment(t), Event: value(e.LifecycleEventName)}
	since, limit := value(e.StartTime).Time, deploy.EventLimit
	switch event := deploy.EventName(w.Event); {
	case value(e.Status) == control.LifecycleEventStatusPending:
		since, limit = value(t.LastUpdatedAt).Time, deploy.PickUpLimit
		w.For = fmt.Sprintf("the agent of %s to take %s; if it is not running, start it", w.Instance, w.Event)
	case event == deploy.AllowTraffic:
		w.For = fmt.Sprintf("the load balancer to show %s as healthy", w.Instance)
	case event == deploy.BlockTraffic:
		w.For = fmt.Sprintf("the load balancer to drain %s", w.Instance)
	default:
		w.For = fmt.Sprintf("%s to end on %s", w.Event, w.Instance)
	}
	if !since.IsZero() {
		w.Until = new(since.Add(limit).UTC().Truncate(time.Second))
	}
	return w
}
