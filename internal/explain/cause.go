package explain

import (
	"fmt"
	"strings"

	"crossfade/internal/deploy"
	"crossfade/internal/wire/control"
)

// What the diagnostics' messages are known by; the API has one error code, UnknownError, for all of them.
const (
	saysDead      = "agent was not able to receive the lifecycle event" // CodeDeploy's own words
	saysSilent    = "without a result from the agent"
	saysRestarted = "after an agent restart"
)

// failureOf explains one failed target.
func failureOf(t control.InstanceTarget, e control.LifecycleEvent) Failure {
	d := value(e.Diagnostics)
	f := Failure{
		Instance: value(t.TargetId), Environment: environment(t), Event: value(e.LifecycleEventName), ErrorCode: string(value(d.ErrorCode)),
		Script: value(d.ScriptName), Message: value(d.Message), Log: tailOf(value(d.LogTail)),
	}
	f.Stage = stageOf(t, f.Event)
	f.Cause = causeOf(f)
	f.Says, f.Next = words(f)
	return f
}

func causeOf(f Failure) Cause {
	event := deploy.EventName(f.Event)
	switch {
	case strings.Contains(f.Message, saysDead):
		return CauseAgentDead
	case event == deploy.BlockTraffic || event == deploy.AllowTraffic:
		return CauseLoadBalancer
	case strings.Contains(f.Message, saysSilent):
		return CauseAgentSilent
	case strings.Contains(f.Message, saysRestarted):
		return CauseAgentRestarted
	}
	switch control.LifecycleErrorCode(f.ErrorCode) {
	case control.LifecycleErrorCodeScriptFailed:
		return CauseScript
	case control.LifecycleErrorCodeScriptTimedOut:
		return CauseScriptTimeout
	case control.LifecycleErrorCodeScriptMissing, control.LifecycleErrorCodeScriptNotExecutable:
		return CauseAppSpec
	}
	switch event {
	case deploy.DownloadBundle:
		return CauseDownload
	case deploy.Install:
		return CauseInstall
	default:
		return CauseUnknown
	}
}

// words says what the cause is and what to do.
func words(f Failure) (says, next string) {
	script := f.Script
	if script == "" {
		script = "a script"
	}
	switch f.Cause {
	case CauseAgentDead:
		return fmt.Sprintf("The agent of %s is dead or can't reach the server: it did not ask for its next command within %s, so %s never ran.", f.Instance, deploy.PickUpLimit, f.Event),
			fmt.Sprintf("Start the agent on %s, read its log for errors of connection or identity, then deploy again.", f.Instance)
	case CauseAgentSilent:
		return fmt.Sprintf("The agent of %s took %s and did not report a result within %s.", f.Instance, f.Event, deploy.EventLimit),
			fmt.Sprintf("Look on %s whether the agent is alive and a script of %s hangs; give scripts a timeout in the AppSpec.", f.Instance, f.Event)
	case CauseAgentRestarted:
		return fmt.Sprintf("The agent of %s was restarted in the middle of %s, and no event is run twice.", f.Instance, f.Event),
			fmt.Sprintf("Find out what restarted the agent on %s, then deploy again.", f.Instance)
	case CauseScript:
		return fmt.Sprintf("%s of %s failed on %s.", script, f.Event, f.Instance),
			fmt.Sprintf("Fix %s in the revision, as the log says, and deploy the new revision.%s", script, stopHint(f))
	case CauseScriptTimeout:
		return fmt.Sprintf("%s of %s ran longer than its timeout on %s.", script, f.Event, f.Instance),
			fmt.Sprintf("Find out what %s waits for, or raise its timeout in the AppSpec, and deploy again.%s", script, stopHint(f))
	case CauseAppSpec:
		return fmt.Sprintf("%s, which the AppSpec names for %s, is missing or can't be run on %s.", script, f.Event, f.Instance),
			fmt.Sprintf("Correct the AppSpec, or put an executable %s into the bundle, and deploy the new revision.%s", script, stopHint(f))
	case CauseDownload:
		return fmt.Sprintf("The revision could not be downloaded to %s.", f.Instance),
			fmt.Sprintf("Check that the bundle is still where the revision says and that %s can reach it, then deploy again.", f.Instance)
	case CauseInstall:
		return fmt.Sprintf("The files of the revision could not be installed on %s.", f.Instance),
			"Correct what the message names; for files that are there already, deploy with --file-exists-behavior OVERWRITE or RETAIN."
	case CauseLoadBalancer:
		if deploy.EventName(f.Event) == deploy.BlockTraffic {
			return fmt.Sprintf("The load balancer did not take %s out of traffic.", f.Instance), "Check the load balancer and its deregistration delay, then deploy again."
		}
		return fmt.Sprintf("The load balancer never showed %s as healthy.", f.Instance),
			fmt.Sprintf("Check that the application answers the target group's health check on %s and that the instance's address is right, then deploy again.", f.Instance)
	default:
		return fmt.Sprintf("%s failed on %s.", f.Event, f.Instance), fmt.Sprintf("Read the message and the agent's log on %s.", f.Instance)
	}
}

// stopHint is the way out when it is the previous revision's script that fails: no new revision could mend it.
func stopHint(f Failure) string {
	switch deploy.EventName(f.Event) {
	case deploy.ApplicationStop, deploy.BeforeBlockTraffic, deploy.AfterBlockTraffic:
		return " It is the script of the revision installed before, so deploy with --ignore-application-stop-failures."
	default:
		return ""
	}
}
