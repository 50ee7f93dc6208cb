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
	switch info := in.Info; {
	case value(info.Status) == control.DeploymentStatusReady:
		x.readyWait(in)
	case value(info.Status) == control.DeploymentStatusQueued:
		x.turnWait(in)
	case value(info.Status) == control.DeploymentStatusCreated:
		x.Summary = "It has not started: its instances and its revision are being found out."
		x.Waiting = []Wait{{For: "the server to find its instances and to fetch its revision", Since: moment(value(info.CreateTime).Time)}}
		if n := len(info.DeploymentStatusMessages); n > 0 {
			x.Waiting[0].For += ": " + info.DeploymentStatusMessages[n-1]
		}
		x.stopHint(in)
	case value(info.InstanceTerminationWaitTimeStarted):
		x.terminationWait(in)
	default:
		x.Summary = "It is under way."
		x.work(in)
		x.stopHint(in)
	}
}

func (x *Explanation) stopHint(in Input) {
	x.hints = append(x.hints, command("stop-deployment --deployment-id "+x.DeploymentID, in.Options)+" ends it")
}

func (x *Explanation) readyWait(in Input) {
	o := value(value(in.Info.BlueGreenDeploymentConfiguration).DeploymentReadyOption)
	w := Wait{
		For:     "approval, which is ContinueDeployment READY_WAIT",
		Since:   moment(lastEnd(in.Targets, StageInstall)),
		Command: ContinueCommand(x.DeploymentID, control.DeploymentWaitTypeReadyWait, in.Options),
	}
	if value(o.ActionOnTimeout) == control.DeploymentReadyActionStopDeployment && w.Since != nil {
		minutes := value(o.WaitTimeInMinutes)
		w.For += fmt.Sprintf("; after %d minutes without it the deployment is stopped", minutes)
		w.Until = moment(w.Since.Add(time.Duration(minutes) * time.Minute))
	}
	x.Summary, x.Waiting = "It is Ready and waits for approval to reroute the traffic.", []Wait{w}
	x.stopHint(in)
}

func (x *Explanation) turnWait(in Input) {
	x.Summary = "It is Queued: it waits its turn in its deployment group and has not begun."
	w := Wait{For: "the deployments of the group that were created before it to end", Since: moment(value(in.Info.CreateTime).Time)}
	if n := len(in.Ahead); n > 0 {
		first := in.Ahead[0]
		w.For = fmt.Sprintf("deployment %s of the same group to end; it is %s", first.DeploymentID, first.Status)
		if n > 1 {
			w.For += fmt.Sprintf(", and %d more are before this one", n-1)
		}
		x.hints = append(x.hints, "crossfade explain "+first.DeploymentID+" says what that one waits for")
	}
	x.Waiting = []Wait{w}
	x.stopHint(in)
}

func (x *Explanation) terminationWait(in Input) {
	minutes := value(value(value(in.Info.BlueGreenDeploymentConfiguration).TerminateBlueInstancesOnDeploymentSuccess).TerminationWaitTimeInMinutes)
	since := lastEnd(in.Targets, StageBlock)
	until := since.Add(time.Duration(minutes) * time.Minute)
	if !since.IsZero() && in.Now.After(until) {
		x.Summary = "The traffic is rerouted; the original environment is being terminated."
		x.Waiting = []Wait{{For: "the fleet to terminate the original environment", Since: moment(until)}}
		return
	}
	x.Summary = "The traffic is rerouted; it waits before it terminates the original environment."
	w := Wait{
		For:     fmt.Sprintf("the termination wait of %d minutes to pass, or ContinueDeployment TERMINATION_WAIT; until then a rollback is quick", minutes),
		Since:   moment(since),
		Command: ContinueCommand(x.DeploymentID, control.DeploymentWaitTypeTerminationWait, in.Options),
	}
	if w.Since != nil {
		w.Until = moment(until)
	}
	x.Waiting = []Wait{w}
}

// work says what a deployment waits for that is InProgress: for what its instances do, or for the time between two steps of its config.
func (x *Explanation) work(in Input) {
	pending := 0
	for _, t := range in.Targets {
		switch value(t.Status) {
		case control.TargetStatusInProgress:
			if e, ok := currentEvent(t); ok {
				x.Waiting = append(x.Waiting, waitOf(in, t, e))
			}
		case control.TargetStatusPending:
			pending++
		}
	}
	config := value(in.Config)
	switch {
	case len(x.Waiting) > 0:
	case config.ZonalConfig != nil && pending > 0 && lastEnd(in.Targets, StageDeploy) != (time.Time{}):
		x.Waiting = []Wait{zoneWait(*config.ZonalConfig, lastEnd(in.Targets, StageDeploy), pending)}
	case config.TrafficRoutingConfig != nil && lastEnd(in.Targets, StageReroute) != (time.Time{}):
		if w, ok := shiftWait(*config.TrafficRoutingConfig, lastEnd(in.Targets, StageReroute)); ok {
			x.Waiting = []Wait{w}
		}
	}
	if len(x.Waiting) == 0 {
		x.Waiting = []Wait{{For: "the server to take the next step; no instance is at work"}}
	}
}

// zoneWait is the time to watch a zone before the next. The API doesn't show which zone it is; where the first one is watched for longer or
// shorter than the others, the longer time bounds the wait.
func zoneWait(z control.ZonalConfig, since time.Time, pending int) Wait {
	seconds := value(z.MonitorDurationInSeconds)
	about := fmt.Sprintf("monitorDurationInSeconds is %d", seconds)
	if f := z.FirstZoneMonitorDurationInSeconds; f != nil && *f != seconds {
		about += fmt.Sprintf(", firstZoneMonitorDurationInSeconds %d", *f)
		seconds = max(seconds, *f)
	}
	return Wait{
		For:   fmt.Sprintf("the time to watch the zone that was deployed to, before the next zone with the other %s begins (%s)", counted(pending, "instance", "instances"), about),
		Since: moment(since), Until: moment(since.Add(time.Duration(seconds) * time.Second)),
	}
}

func shiftWait(r control.TrafficRoutingConfig, since time.Time) (Wait, bool) {
	w := Wait{Since: moment(since)}
	switch {
	case r.TimeBasedLinear != nil:
		l := r.TimeBasedLinear
		w.For = fmt.Sprintf("the traffic to be shifted in steps, %d %% every %d minutes", value(l.LinearPercentage), value(l.LinearInterval))
	case r.TimeBasedCanary != nil:
		c := r.TimeBasedCanary
		w.For = fmt.Sprintf("the traffic to be shifted: %d %% first, the rest after %d minutes", value(c.CanaryPercentage), value(c.CanaryInterval))
		w.Until = moment(since.Add(time.Duration(value(c.CanaryInterval)) * time.Minute))
	default:
		return w, false
	}
	return w, true
}

// waitOf says what one target under way waits for. An event that is still pending there is a command that the agent has not taken, or a host
// that another deployment has.
func waitOf(in Input, t control.InstanceTarget, e control.LifecycleEvent) Wait {
	w := Wait{Instance: value(t.TargetId), Environment: environment(t), Event: value(e.LifecycleEventName)}
	since, limit := value(e.StartTime).Time, deploy.EventLimit
	pending := value(e.Status) == control.LifecycleEventStatusPending
	if pending {
		since, limit = value(t.LastUpdatedAt).Time, deploy.PickUpLimit
		if value(in.Info.Creator) == control.DeploymentCreatorAutoscaling && w.Event == value(t.LifecycleEvents[0].LifecycleEventName) {
			limit = deploy.EventLimit // its instance is still booting
		}
	}
	w.Since = moment(since)
	holder := in.Holders[w.Instance]
	switch event := deploy.EventName(w.Event); {
	case pending && holder != "":
		w.For = fmt.Sprintf("deployment %s to leave %s, which serves one deployment at a time; then %s begins", holder, w.Instance, w.Event)
		return w
	case pending && w.Since != nil && in.Now.After(since.Add(limit)):
		// The server would have given an idle host up by now.
		w.For = fmt.Sprintf("another deployment to leave %s, which serves one deployment at a time; then %s begins", w.Instance, w.Event)
		return w
	case pending:
		w.For = fmt.Sprintf("the agent of %s to ask for %s; a running agent asks at once, and one that does not within %s counts as dead", w.Instance, w.Event, limit)
	case event == deploy.AllowTraffic:
		w.For = fmt.Sprintf("the load balancer to show %s as healthy", w.Instance)
	case event == deploy.BlockTraffic:
		w.For = fmt.Sprintf("the load balancer to drain %s", w.Instance)
	default:
		w.For = fmt.Sprintf("%s to end on %s", w.Event, w.Instance)
	}
	if w.Since != nil {
		w.Until = moment(since.Add(limit))
	}
	return w
}

// lastEnd is when the last event of the stage ended; the zero time when none has.
func lastEnd(targets []control.InstanceTarget, stage Stage) time.Time {
	var last time.Time
	for _, t := range targets {
		for _, e := range t.LifecycleEvents {
			if stageOf(t, value(e.LifecycleEventName)) == stage && e.EndTime != nil && e.EndTime.After(last) {
				last = e.EndTime.Time
			}
		}
	}
	return last
}

// moment is a time to show, to the second; nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC().Truncate(time.Second))
}
