package explain

import (
	"fmt"
	"strings"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/wire/control"
)

// What the diagnostics' messages are known by; the API has one error code, UnknownError, for all of them.
const (
	saysDead      = "agent was not able to receive the lifecycle event" // CodeDeploy's own words
	saysSilent    = "without a result from the agent"
	saysRestarted = "after an agent restart"
	saysOpen      = "failed to close STD" // a script's output was still open after its end
)

// FailureOf explains one failed lifecycle event of a target.
func FailureOf(t control.InstanceTarget, e control.LifecycleEvent) Failure {
	d := value(e.Diagnostics)
	f := Failure{
		Instance: value(t.TargetId), Environment: environment(t), Event: value(e.LifecycleEventName), ErrorCode: string(value(d.ErrorCode)),
		Script: value(d.ScriptName), Message: value(d.Message), Log: tailOf(value(d.LogTail)),
	}
	if e.EndTime != nil {
		f.at = e.EndTime.Time
		if e.StartTime != nil {
			f.limit = e.EndTime.Sub(e.StartTime.Time).Round(time.Minute)
		}
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
	case strings.Contains(f.Message, saysOpen):
		return CauseScriptOutput
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

// Began reports whether the event was really under way: one that the agent never asked for has a beginning, from which its time was counted,
// but nothing of it ran.
func Began(e control.LifecycleEvent) bool {
	switch value(e.Status) {
	case control.LifecycleEventStatusInProgress, control.LifecycleEventStatusSucceeded:
		return true
	case control.LifecycleEventStatusFailed:
		return !strings.Contains(value(value(e.Diagnostics).Message), saysDead)
	default:
		return false
	}
}

// words says what the cause is and what to do.
func words(f Failure) (says, next string) {
	limit := f.limit
	if limit <= 0 {
		limit = deploy.PickUpLimit
	}
	script := f.Script
	if script == "" {
		script = "a script"
	}
	switch f.Cause {
	case CauseAgentDead:
		return fmt.Sprintf("The agent of %s is dead or can't reach the server: it did not ask for %s within %s, so nothing of it ran.", f.Instance, f.Event, limit),
			fmt.Sprintf("Start the agent on %s, read its log for errors of connection or identity, then deploy again.", f.Instance)
	case CauseAgentSilent:
		return fmt.Sprintf("The agent of %s began %s and reported no result within %s: it died in the middle, or a script hangs.", f.Instance, f.Event, deploy.EventLimit),
			fmt.Sprintf("Look on %s whether the agent is alive and a script of %s hangs; give scripts a timeout in the AppSpec.", f.Instance, f.Event)
	case CauseAgentRestarted:
		return fmt.Sprintf("The agent of %s was restarted in the middle of %s, and no event is run twice.", f.Instance, f.Event),
			fmt.Sprintf("Find out what restarted the agent on %s, then deploy again.", f.Instance)
	case CauseScript:
		return fmt.Sprintf("%s of %s failed on %s.", script, f.Event, f.Instance),
			mend(f, script, fmt.Sprintf("Fix %s in the revision, as the log says, and deploy the new revision.", script))
	case CauseScriptTimeout:
		return fmt.Sprintf("%s of %s ran longer than its timeout on %s.", script, f.Event, f.Instance),
			mend(f, script, fmt.Sprintf("Find out what %s waits for, or raise its timeout in the AppSpec, and deploy again.", script))
	case CauseScriptOutput:
		return fmt.Sprintf("%s of %s ended on %s, but a process that it started still has its output open.", script, f.Event, f.Instance),
			mend(f, script, fmt.Sprintf("Redirect stdin, stdout and stderr of what %s starts in the background, and deploy the new revision.", script))
	case CauseAppSpec:
		return fmt.Sprintf("%s, which the AppSpec names for %s, is missing or can't be run on %s.", script, f.Event, f.Instance),
			mend(f, script, fmt.Sprintf("Correct the AppSpec, or put an executable %s into the bundle, and deploy the new revision.", script))
	case CauseDownload:
		return fmt.Sprintf("The revision could not be downloaded to %s or unpacked there.", f.Instance),
			fmt.Sprintf("Check that the bundle is whole and still where the revision says, and that %s can reach it, then deploy again.", f.Instance)
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

// mend is what to do about a script: usually what is said, but no new revision could mend one of the revision installed before.
func mend(f Failure, script, usually string) string {
	switch deploy.EventName(f.Event) {
	case deploy.ApplicationStop, deploy.BeforeBlockTraffic, deploy.AfterBlockTraffic:
		return fmt.Sprintf("%s is of the revision that was installed before, so a new one can't mend it: deploy with --ignore-application-stop-failures.", capital(script))
	default:
		return usually
	}
}

// capital is how the name of a script begins a sentence; a path stays as it is.
func capital(script string) string {
	if script == "a script" {
		return "The script"
	}
	return script
}
