package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/wire/control"
)

// Explain computes the chain. It has an answer for every status; a deployment that succeeded just says so.
func Explain(in Input) Explanation {
	info := in.Info
	x := Explanation{
		DeploymentID: value(info.DeploymentId), Application: value(info.ApplicationName), Group: value(info.DeploymentGroupName),
		Config: value(info.DeploymentConfigName), Status: string(value(info.Status)), At: in.Now.UTC().Truncate(time.Second),
		Messages: info.DeploymentStatusMessages, Next: []string{},
	}
	if e := info.ErrorInformation; e != nil {
		x.ErrorCode, x.ErrorMessage = string(value(e.Code)), value(e.Message)
	}
	x.failures(in)
	switch value(info.Status) {
	case control.DeploymentStatusSucceeded:
		x.Summary = "It succeeded."
		if n := len(x.Failures); n > 0 {
			x.Summary = fmt.Sprintf("It succeeded, because enough instances are healthy; %s.", counted(n, "instance failed", "instances failed"))
		}
	case control.DeploymentStatusFailed:
		x.Summary = x.whyFailed()
	case control.DeploymentStatusStopped:
		x.Summary = "It was stopped."
		if c, ok := codes[x.ErrorCode]; ok && c.stopped != "" {
			x.Summary = c.stopped
		}
	default:
		x.waits(in)
	}
	x.rollback(info)
	x.next(info)
	return x
}

// failures lists the failed targets in the order of their failing, and counts each stage that has some.
func (x *Explanation) failures(in Input) {
	places := placesOf(in.Targets)
	for _, t := range in.Targets {
		if e, ok := failedEvent(t); ok {
			f := FailureOf(t, e)
			if len(f.Log) > 0 {
				f.Logs = LogsCommand(x.DeploymentID, f.Instance, f.Event)
			}
			f.Place = places[place{f.Stage, f.Instance}]
			x.Failures = append(x.Failures, f)
		}
	}
	slices.SortStableFunc(x.Failures, func(a, b Failure) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return strings.Compare(a.Instance, b.Instance)
	})
	for _, f := range x.Failures {
		if !slices.ContainsFunc(x.Arithmetic, func(a Arithmetic) bool { return a.Stage == f.Stage && a.Environment == f.Environment }) {
			x.Arithmetic = append(x.Arithmetic, arithmeticOf(in, f.Stage, f.Environment))
		}
	}
}

func (x *Explanation) whyFailed() string {
	if x.ErrorCode != deploy.CodeHealthConstraints || len(x.Failures) == 0 {
		c := codes[x.ErrorCode]
		if c.failed == "" {
			c.failed = "It failed, and no instance is the cause."
		}
		if n := len(x.Failures); n > 0 {
			c.failed += fmt.Sprintf(" Besides, %s.", counted(n, "instance failed", "instances failed"))
		}
		return c.failed
	}
	first := x.Failures[0]
	others := ""
	if n := len(x.Failures) - 1; n > 0 {
		others = fmt.Sprintf(", the first of %d", n+1)
	}
	why := "too few instances are healthy"
	if first.Stage == StageBlock || first.Stage == StageWithdraw {
		why = "no instance may fail to leave the traffic"
	}
	return fmt.Sprintf("It failed because %s: %s failed at %s%s. %s", why, first.Instance, first.Event, others, first.Says)
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func (x *Explanation) rollback(info control.DeploymentInfo) {
	r := info.RollbackInfo
	if r == nil {
		return
	}
	x.Rollback = value(r.RollbackMessage)
	if id := value(r.RollbackDeploymentId); id != "" {
		x.hints = append(x.hints, "crossfade explain "+id+" says how the rollback goes")
		if !strings.Contains(x.Rollback, id) {
			x.Rollback = strings.TrimSpace(x.Rollback + " The rollback is deployment " + id + ".")
		}
	}
	if id := value(r.RollbackTriggeringDeploymentId); id != "" {
		x.hints = append(x.hints, "crossfade explain "+id+" says why it was rolled back")
		if !strings.Contains(x.Rollback, id) {
			x.Rollback = strings.TrimSpace(x.Rollback + " It rolls back deployment " + id + ".")
		}
	}
}

func (x *Explanation) next(info control.DeploymentInfo) {
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
	if c := codes[x.ErrorCode]; value(info.Status) == control.DeploymentStatusFailed || c.stopped != "" {
		add(c.next)
	}
	for _, h := range x.hints {
		add(h)
	}
}
