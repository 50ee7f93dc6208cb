package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"crossfade/internal/eventlog"
	"crossfade/internal/explain"
	"crossfade/internal/explain/follow"
	"crossfade/internal/wire/control"
)

// waitLine is one JSON object of crossfade wait.
type waitLine struct {
	Type         string     `json:"type"` // event, log, gap, status, approval or outcome
	DeploymentID string     `json:"deploymentId"`
	Time         *time.Time `json:"time,omitempty"`
	Instance     string     `json:"instance,omitempty"`
	Label        string     `json:"label,omitempty"`
	Event        string     `json:"event,omitempty"`
	Status       string     `json:"status,omitempty"`
	Cause        string     `json:"cause,omitempty"`
	ErrorCode    string     `json:"errorCode,omitempty"`
	Message      string     `json:"message,omitempty"`
	Command      string     `json:"command,omitempty"`
	Rollback     string     `json:"rollbackDeploymentId,omitempty"`
	Outcome      string     `json:"outcome,omitempty"`
	ExitCode     *int       `json:"exitCode,omitempty"`
	Number       *int64     `json:"number,omitempty"` // of a line in its event's log
	Stream       string     `json:"stream,omitempty"`
	Text         *string    `json:"text,omitempty"`
	Missing      int64      `json:"missing,omitempty"` // lines that a gap stands for
	Why          string     `json:"why,omitempty"`
}

// waitTeller prints what a follower tells: plain lines or one JSON object a line. Trouble with the server goes to errs. On a terminal a line
// below the others, which is written anew, shows how the targets stand. It is safe for concurrent use: lines of logs come beside the rest.
type waitTeller struct {
	out, errs   io.Writer
	json, live  bool
	id, options string
	// last reads the last lines of a failed event's log; nil: they are not shown with the failure.
	last  func(instance, event string) []eventlog.Chunk
	shown int // failed events with their lines, in the goroutine of Follow

	mu       sync.Mutex // guards what follows, and out
	progress string     // the live line; empty: none is shown
	drawn    bool
}

func (t *waitTeller) print(line waitLine, text string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.json {
		line.DeploymentID = t.id
		e := json.NewEncoder(t.out)
		e.SetEscapeHTML(false)
		return e.Encode(line)
	}
	if err := t.wipe(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(t.out, text)
	return err
}

// clear takes the live line away.
func (t *waitTeller) clear() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wipe()
}

// wipe is clear for those who have the lock.
func (t *waitTeller) wipe() error {
	if !t.drawn {
		return nil
	}
	t.drawn = false
	_, err := fmt.Fprint(t.out, "\r\x1b[K")
	return err
}

func (t *waitTeller) Progress(o control.DeploymentOverview) error {
	if !t.live {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.wipe(); err != nil {
		return err
	}
	t.progress = ""
	for _, n := range []struct {
		of   *int64
		what string
	}{
		{o.Pending, "pending"}, {o.InProgress, "in progress"}, {o.Ready, "ready"}, {o.Succeeded, "succeeded"}, {o.Failed, "failed"}, {o.Skipped, "skipped"},
	} {
		if n.of == nil || *n.of == 0 {
			continue
		}
		if t.progress != "" {
			t.progress += ", "
		}
		t.progress += fmt.Sprintf("%d %s", *n.of, n.what)
	}
	if t.progress == "" {
		return nil
	}
	t.drawn = true
	_, err := fmt.Fprintf(t.out, "%s: %s", t.id, t.progress)
	return err
}

func (t *waitTeller) Event(e follow.Event) error {
	at := e.At.UTC()
	line := waitLine{Type: "event", Time: &at, Instance: e.Instance, Label: e.Label, Event: e.Name, Status: string(e.Status)}
	text := at.Format(time.RFC3339) + " " + e.Instance
	if e.Label != "" {
		text += " (" + e.Label + ")"
	}
	text += " " + e.Name
	switch {
	case e.Status == control.LifecycleEventStatusInProgress:
		text += " begins"
	case e.Failure == nil:
		text += " succeeded"
	default:
		line.Cause, line.ErrorCode, line.Message = string(e.Failure.Cause), e.Failure.ErrorCode, e.Failure.Message
		text += " failed: " + e.Failure.Says
		if e.Failure.Message != "" {
			text += "\n  " + e.Failure.ErrorCode + ": " + e.Failure.Message
		}
	}
	if err := t.print(line, text); err != nil || e.Failure == nil || t.last == nil || t.shown == failedLogs {
		return err
	}
	t.shown++
	for _, c := range t.last(e.Instance, e.Name) {
		if err := t.Chunk(c); err != nil {
			return err
		}
	}
	return nil
}

// Chunk prints lines of a log.
func (t *waitTeller) Chunk(c eventlog.Chunk) error {
	for _, l := range logLines(c) {
		line := waitLine{Type: "log", Time: l.Time, Instance: l.Instance, Event: l.Event, Number: &l.Number, Stream: l.Stream, Text: l.Text}
		if l.Type == "gap" {
			line.Type, line.Missing, line.Why = "gap", l.Missing, l.Why
		}
		if err := t.print(line, "  "+l.head()+" "+l.said()); err != nil {
			return err
		}
	}
	return nil
}

func (t *waitTeller) Status(s control.DeploymentStatus) error {
	text := fmt.Sprintf("deployment %s is %s", t.id, s)
	if s == control.DeploymentStatusQueued {
		text += ": it waits its turn in its deployment group"
	}
	return t.print(waitLine{Type: "status", Status: string(s)}, text)
}

func (t *waitTeller) Approval() error {
	line := explain.ContinueCommand(t.id, control.DeploymentWaitTypeReadyWait, t.options)
	return t.print(waitLine{Type: "approval", Command: line}, "it waits for approval; to reroute the traffic, type\n  "+line)
}

func (t *waitTeller) Trouble(err error) error {
	if err != nil {
		return t.note(fmt.Sprintf("%v; trying again", err))
	}
	return t.note("the server answers again")
}

// note says something beside the output.
func (t *waitTeller) note(text string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.wipe(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(t.errs, "crossfade:", text)
	return err
}

// end prints how the waiting ended. The line to type that ends the Ready wait comes with each end in Ready.
func (t *waitTeller) end(outcome follow.Outcome, f *follow.Follower, info control.DeploymentInfo) error {
	if outcome == follow.Reached && *info.Status == control.DeploymentStatusReady {
		if err := t.Approval(); err != nil {
			return err
		}
	}
	code := int(outcomeCodes[outcome])
	line := waitLine{Type: "outcome", Outcome: string(outcome), ExitCode: &code}
	why := ""
	if info.Status != nil {
		line.Status = string(*info.Status)
	}
	if e := info.ErrorInformation; e != nil {
		if e.Code != nil {
			line.ErrorCode = string(*e.Code)
		}
		if e.Message != nil {
			line.Message = *e.Message
		}
		why = ": " + line.ErrorCode + ": " + line.Message
	}
	rollback := ""
	if r := info.RollbackInfo; r != nil && r.RollbackDeploymentId != nil {
		line.Rollback = *r.RollbackDeploymentId
		rollback = "\nit is rolled back by deployment " + line.Rollback
	}
	explain := "crossfade explain " + t.id
	return t.print(line, map[follow.Outcome]string{
		follow.Reached:         fmt.Sprintf("reached: %s", f.Goal),
		follow.Failed:          fmt.Sprintf("failed%s%s\nto see why: %s", why, rollback, explain),
		follow.Stopped:         fmt.Sprintf("stopped%s%s", why, rollback),
		follow.TimedOut:        fmt.Sprintf("timed out: %s was not reached within %s%s; to see what it waits for: %s", f.Goal, f.Timeout, still(line.Status), explain),
		follow.WaitingApproval: fmt.Sprintf("waiting for approval: %s was not reached, because nobody continued the deployment", f.Goal),
	}[outcome])
}

// still says how a deployment stands whose waiting timed out; the empty status is of one that could never be read.
func still(status string) string {
	switch status {
	case "":
		return ", because the server did not answer"
	case string(control.DeploymentStatusQueued):
		return ", because the deployment is still Queued behind another one of its group"
	default:
		return ", the deployment is " + status
	}
}
