package explain

import (
	"fmt"
	"slices"
	"strings"

	"crossfade/internal/deploy"
	"crossfade/internal/wire/control"
)

// Explain computes the chain. It has an answer for every status; a deployment that succeeded just says so.
func Explain(in Input) Explanation {
	info := in.Info
	x := Explanation{
		DeploymentID: value(info.DeploymentId), Application: value(info.ApplicationName), Group: value(info.DeploymentGroupName),
		Config: value(info.DeploymentConfigName), Status: string(value(info.Status)), Messages: info.DeploymentStatusMessages, Next: []string{},
	}
	if e := info.ErrorInformation; e != nil {
		x.ErrorCode, x.ErrorMessage = string(value(e.Code)), value(e.Message)
	}
	x.failures(in)
	switch value(info.Status) {
	case control.DeploymentStatusSucceeded:
		x.Summary = "It succeeded."
	case control.DeploymentStatusFailed:
		x.Summary = x.whyFailed()
	case control.DeploymentStatusStopped:
		x.Summary = "It was stopped."
		if x.ErrorCode == deploy.CodeTimeout {
			x.Summary = "It was stopped because nobody approved it in time."
		}
	default:
		x.waits(in)
	}
	x.rollback(info)
	x.next(in)
	return x
}

// failures lists the failed targets in the order of their failing, and counts each stage that has some.
func (x *Explanation) failures(in Input) {
	type failed struct {
		Failure
		at int64
	}
	var all []failed
	for _, t := range in.Targets {
		if e, ok := failedEvent(t); ok {
			all = append(all, failed{failureOf(t, e), value(e.EndTime).UnixMilli()})
		}
	}
	slices.SortStableFunc(all, func(a, b failed) int {
		if a.at != b.at {
			return int(max(-1, min(1, a.at-b.at)))
		}
		return strings.Compare(a.Instance, b.Instance)
	})
	for _, f := range all {
		x.Failures = append(x.Failures, f.Failure)
		if !slices.ContainsFunc(x.Arithmetic, func(a Arithmetic) bool { return a.Stage == f.Stage && a.Environment == f.Environment }) {
			x.Arithmetic = append(x.Arithmetic, arithmeticOf(in, f.Stage, f.Environment))
		}
	}
}

func (x *Explanation) whyFailed() string {
	if len(x.Failures) == 0 {
		return "It failed before or beside its instances: none of them failed."
	}
	first := x.Failures[0]
	others := ""
	if n := len(x.Failures) - 1; n > 0 {
		others = fmt.Sprintf(" (and %d more)", n)
	}
	if x.ErrorCode != deploy.CodeHealthConstraints {
		return fmt.Sprintf("It failed with %s; instance %s%s failed too.", x.ErrorCode, first.Instance, others)
	}
	return fmt.Sprintf("It failed because too few instances were left healthy; the first to fail was %s%s. %s", first.Instance, others, first.Says)
}

func (x *Explanation) rollback(info control.DeploymentInfo) {
	r := info.RollbackInfo
	if r == nil {
		return
	}
	x.Rollback = value(r.RollbackMessage)
	if id := value(r.RollbackDeploymentId); id != "" {
		x.Rollback = strings.TrimSpace(x.Rollback + " The rollback is deployment " + id + ".")
	}
	if id := value(r.RollbackTriggeringDeploymentId); id != "" {
		x.Rollback = strings.TrimSpace(x.Rollback + " It rolls back deployment " + id + ".")
	}
}

// codeNext is what to do about an error that no instance caused.
var codeNext = map[string]string{
	deploy.CodeNoInstances:              "Compare the group's tag filters (and targetInstances) with the tags that aws deploy list-on-premises-instances shows, then deploy again.",
	deploy.CodeHealthConstraintsInvalid: "Choose a deployment config with a lower minimum, or add instances, and deploy again.",
	deploy.CodeOverMaxInstances:         "Split the deployment group into smaller ones.",
	deploy.CodeNoBalancer:               "Set loadBalancerInfo with aws deploy update-deployment-group, and deploy again.",
	deploy.CodeBalancerInvalid:          "Correct the names in loadBalancerInfo with aws deploy update-deployment-group, and deploy again.",
	deploy.CodeNoBlueGreen:              "Set blueGreenDeploymentConfiguration with aws deploy update-deployment-group, and deploy again.",
	deploy.CodeManualStop:               "Nothing is to be mended: deploy again when it is wished.",
	deploy.CodeTimeout:                  "Approve the next deployment in time with aws deploy continue-deployment, raise waitTimeInMinutes in the group, or look for what hung.",
	deploy.CodeInternal:                 "Read the server's log; this is a defect to report.",
}

func (x *Explanation) next(in Input) {
	add := func(s string) {
		if s != "" && !slices.Contains(x.Next, s) {
			x.Next = append(x.Next, s)
		}
	}
	for _, f := range x.Failures {
		add(f.Next)
	}
	for _, w := range x.Waiting {
		add(w.Command)
	}
	add(codeNext[x.ErrorCode])
	if r := in.Info.RollbackInfo; r != nil && value(r.RollbackDeploymentId) != "" {
		add("crossfade explain " + *r.RollbackDeploymentId)
	}
}
