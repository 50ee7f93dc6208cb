package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"crossfade/internal/agent/hostlock"
	"crossfade/internal/agent/local"
	"crossfade/internal/agent/script"
)

// localResult is what crossfade local prints as JSON.
type localResult struct {
	DeploymentID string       `json:"deploymentId"`
	Location     string       `json:"bundleLocation"`
	Group        string       `json:"deploymentGroup"`
	Root         string       `json:"root"`
	Succeeded    bool         `json:"succeeded"`
	Error        string       `json:"error,omitempty"`
	Events       []localEvent `json:"events"`
}

type localEvent struct {
	Event     string       `json:"event"`
	Status    local.Status `json:"status"`
	DurationS float64      `json:"durationSeconds"`
	Scripts   int          `json:"scripts"`
	Script    string       `json:"failedScript,omitempty"`
	Log       string       `json:"log,omitempty"`
}

// localTeller tells how a local deployment goes on.
type localTeller struct {
	out, errs io.Writer
	quiet     bool // JSON at the end, and nothing before it
	result    localResult
	broken    error // the first line that could not be written
}

var _ local.Teller = (*localTeller)(nil)

func (t *localTeller) printf(format string, args ...any) {
	if t.quiet {
		return
	}
	if _, err := fmt.Fprintf(t.out, format, args...); err != nil && t.broken == nil {
		t.broken = fmt.Errorf("print: %w", err)
	}
}

func (t *localTeller) begin(p local.Plan, root string) {
	t.result = localResult{DeploymentID: p.Spec.DeploymentID, Location: p.Location, Group: p.Spec.DeploymentGroupID, Root: root, Events: []localEvent{}}
	t.printf("deployment %s of %s, below %s\n", p.Spec.DeploymentID, p.Location, root)
}

// Waiting implements local.Teller.
func (t *localTeller) Waiting(on hostlock.Holder) {
	if _, err := fmt.Fprintf(t.errs, "waiting for %s\n", on); err != nil && t.broken == nil {
		t.broken = err
	}
}

// Begins implements local.Teller.
func (t *localTeller) Begins(string) {}

// Script implements local.Teller.
func (t *localTeller) Script(event, location string) { t.printf("  %-18s  runs %s\n", event, location) }

// Line implements local.Teller.
func (t *localTeller) Line(script.Stream, string) {}

// Ends implements local.Teller.
func (t *localTeller) Ends(o local.Outcome) {
	e := localEvent{Event: o.Event, Status: o.Status, DurationS: o.Duration.Seconds(), Scripts: o.Scripts}
	if o.Status == local.Nothing {
		t.printf("  %-18s  %s\n", o.Event, o.Status)
	} else {
		t.printf("  %-18s  %s after %s\n", o.Event, o.Status, o.Duration.Round(time.Millisecond))
	}
	if o.Status == local.Failed {
		e.Script, e.Log = o.Diagnostics.ScriptName, o.Diagnostics.Log
		for line := range strings.Lines(o.Diagnostics.Log) {
			t.printf("    %s\n", strings.TrimRight(line, "\n"))
		}
	}
	t.result.Events = append(t.result.Events, e)
}

// end says how it ended, in the words of codedeploy-local. The error is nil or the deployment's.
func (t *localTeller) end(err error) error {
	t.result.Succeeded = err == nil
	if !t.quiet {
		if err == nil {
			t.printf("AppSpec file valid. Local deployment successful\n")
			err = t.broken
		}
		return err
	}
	if err != nil {
		t.result.Error = err.Error()
	}
	if printErr := print(t.out, "json", t.result, nil); printErr != nil {
		return printErr
	}
	if err != nil {
		return errReported
	}
	return nil
}

// printSteps prints what a deployment would do.
func printSteps(w io.Writer, output string, p local.Plan, root string, steps []local.Step) error {
	about := struct {
		Location string       `json:"bundleLocation"`
		Group    string       `json:"deploymentGroup"`
		Root     string       `json:"root"`
		Steps    []local.Step `json:"steps"`
	}{p.Location, p.Spec.DeploymentGroupID, root, steps}
	return print(w, output, about, func(w io.Writer) error {
		var b strings.Builder
		fmt.Fprintf(&b, "a deployment of %s, below %s, would do this:\n", p.Location, root)
		for _, s := range steps {
			writeStep(&b, s)
		}
		b.WriteString("AppSpec file valid. Nothing was done\n")
		_, err := io.WriteString(w, b.String())
		return err
	})
}

func writeStep(b *strings.Builder, s local.Step) {
	switch {
	case s.Event == "DownloadBundle":
		fmt.Fprintf(b, "  %-18s  fetch and unpack the bundle\n", s.Event)
		return
	case len(s.Scripts) == 0 && s.Event != "Install":
		fmt.Fprintf(b, "  %-18s  %s\n", s.Event, local.Nothing)
		return
	}
	about := ""
	if s.From != "" {
		about = "  scripts of " + s.From
	}
	fmt.Fprintf(b, "  %-18s%s\n", s.Event, about)
	for _, script := range s.Scripts {
		fmt.Fprintf(b, "    run %s%s, for at most %s\n", script.Location, asWhom(script), time.Duration(script.Timeout)*time.Second)
	}
	for _, path := range s.Remove {
		fmt.Fprintf(b, "    remove %s, of the last installation\n", path)
	}
	for _, in := range s.Install {
		fmt.Fprintf(b, "    %s\n", in)
	}
	if s.Event == "Install" && len(s.Remove)+len(s.Install) == 0 {
		b.WriteString("    no files\n")
	}
}

func asWhom(s local.StepScript) string {
	text := ""
	if s.RunAs != "" {
		text = " as " + s.RunAs
	}
	if s.Sudo {
		text += " by sudo"
	}
	return text
}
