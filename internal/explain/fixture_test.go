package explain_test

import (
	"fmt"
	"time"

	"crossfade/internal/explain"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// begin is when the deployments of the tests were created; they are explained an hour later.
var begin = time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)

var (
	installEvents = []string{"ApplicationStop", "DownloadBundle", "BeforeInstall", "Install", "AfterInstall", "ApplicationStart", "ValidateService"}
	blockEvents   = []string{"BeforeBlockTraffic", "BlockTraffic", "AfterBlockTraffic"}
	allowEvents   = []string{"BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic"}
)

func names(lists ...[]string) []string {
	var all []string
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// deployment is one of the tests, changed as each needs it.
func deployment(status control.DeploymentStatus, targets ...control.InstanceTarget) explain.Input {
	return explain.Input{
		Info: control.DeploymentInfo{
			DeploymentId: new("d-TEST00001"), ApplicationName: new("shop"), DeploymentGroupName: new("prod"),
			DeploymentConfigName: new("CodeDeployDefault.OneAtATime"), Status: &status, CreateTime: wire.At(begin),
			InstanceTerminationWaitTimeStarted: new(false),
		},
		Targets: targets, Config: config("MOST_CONCURRENCY", 1),
		Now: begin.Add(time.Hour), Options: "--endpoint-url http://127.0.0.1:8470",
	}
}

func config(kind control.MinimumHealthyHostsType, value int32) *control.DeploymentConfigInfo {
	return &control.DeploymentConfigInfo{MinimumHealthyHosts: &control.MinimumHealthyHosts{Type: &kind, Value: &value}}
}

func ended(in explain.Input, code, format string, args ...any) explain.Input {
	in.Info.ErrorInformation = &control.ErrorInformation{Code: new(control.ErrorCode(code)), Message: new(fmt.Sprintf(format, args...))}
	return in
}

// target is an instance whose first `done` events have succeeded, a minute each, one minute after the other from `minute` on.
func target(name string, label control.TargetLabel, status control.TargetStatus, events []string, minute, done int) control.InstanceTarget {
	t := control.InstanceTarget{TargetId: &name, Status: &status, LastUpdatedAt: wire.At(begin)}
	if label != "" {
		t.InstanceLabel = &label
	}
	rest := control.LifecycleEventStatusPending
	if status == control.TargetStatusFailed || status == control.TargetStatusSkipped {
		rest = control.LifecycleEventStatusSkipped
	}
	for i, e := range events {
		v := control.LifecycleEvent{LifecycleEventName: new(e), Status: new(rest)}
		if i < done {
			v.Status = new(control.LifecycleEventStatusSucceeded)
			v.StartTime, v.EndTime = wire.At(begin.Add(time.Duration(minute+i)*time.Minute)), wire.At(begin.Add(time.Duration(minute+i+1)*time.Minute))
			t.LastUpdatedAt = v.EndTime
		}
		t.LifecycleEvents = append(t.LifecycleEvents, v)
	}
	return t
}

// fails makes the target's next event fail after the time.
func fails(t control.InstanceTarget, after time.Duration, code control.LifecycleErrorCode, script, message, log string) control.InstanceTarget {
	e := next(t)
	e.Status = new(control.LifecycleEventStatusFailed)
	e.StartTime, e.EndTime = t.LastUpdatedAt, wire.At(t.LastUpdatedAt.Add(after))
	e.Diagnostics = &control.Diagnostics{ErrorCode: &code, ScriptName: &script, Message: &message, LogTail: &log}
	return t
}

// runs makes the target's next event be under way.
func runs(t control.InstanceTarget) control.InstanceTarget {
	e := next(t)
	e.Status, e.StartTime = new(control.LifecycleEventStatusInProgress), t.LastUpdatedAt
	return t
}

// next is the target's first event that has not begun.
func next(t control.InstanceTarget) *control.LifecycleEvent {
	for i, e := range t.LifecycleEvents {
		if e.StartTime == nil {
			return &t.LifecycleEvents[i]
		}
	}
	panic("the target is through")
}

func blueGreen(in explain.Input) explain.Input {
	in.Info.BlueGreenDeploymentConfiguration = &control.BlueGreenDeploymentConfiguration{
		DeploymentReadyOption: &control.DeploymentReadyOption{ActionOnTimeout: new(control.DeploymentReadyActionStopDeployment), WaitTimeInMinutes: new(int32(120))},
		TerminateBlueInstancesOnDeploymentSuccess: &control.BlueInstanceTerminationOption{
			Action: new(control.InstanceActionTerminate), TerminationWaitTimeInMinutes: new(int32(240)),
		},
	}
	return in
}
