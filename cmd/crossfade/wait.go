package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"crossfade/internal/explain"
	"crossfade/internal/explain/follow"
	"crossfade/internal/wire/control"
)

// exitCode ends a command that has said already how it ended with a code of its own.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// outcomeCodes are the exit codes of crossfade wait, part of the interface that scripts rely on.
var outcomeCodes = map[follow.Outcome]exitCode{follow.Reached: 0, follow.Failed: 3, follow.Stopped: 4, follow.TimedOut: 5, follow.WaitingApproval: 6}

// reader is the way to read deployments, and what a command to type needs to reach the same server.
func (r *reach) reader(environ []string) (*follow.Client, string, error) {
	c, err := r.client(environ)
	if err != nil {
		return nil, "", err
	}
	return &follow.Client{Endpoint: c.Endpoint, Region: c.Region, Credential: c.Credential, HTTP: c.HTTP, Now: c.Now},
		"--endpoint-url " + c.Endpoint + " --region " + c.Region, nil
}

func newWaitCommand() *cobra.Command {
	var at reach
	var goal, output string
	var timeout time.Duration
	var noWaitInReady bool
	c := &cobra.Command{
		Use: "wait DEPLOYMENT_ID", Short: "Follow a deployment until it is ready, rerouted or complete", Args: cobra.ExactArgs(1),
		Long: `Follow a deployment live, print each result of a lifecycle event once, and end with an exit code for the outcome:

  0  reached: what --for names has come, or the deployment is past it
  1  the waiting itself went wrong, such as an unknown deployment or a key that may not read it
  2  the command line or the environment is wrong
  3  the deployment failed
  4  the deployment was stopped
  5  the timeout came first
  6  Ready, and waiting for approval (only with --no-wait-in-ready)

--for ready is reached when the replacement environment is Ready, rerouted when the termination wait has started, complete when the
deployment succeeded. A server that does not answer, such as one that restarts, is asked again until the timeout.

` + reachHelp,
		Example: `  crossfade wait d-ABCDEFGH1 --for ready && run-smoke-tests
  crossfade wait d-ABCDEFGH1 --for complete --timeout 2h --output json`,
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains(follow.Goals(), follow.Goal(goal)) {
				return &usageError{fmt.Errorf("--for %q is not ready, rerouted or complete", goal)}
			}
			if timeout <= 0 {
				return &usageError{fmt.Errorf("--timeout %s is not longer than 0s", timeout)}
			}
			client, options, err := at.reader(os.Environ())
			if err != nil {
				return err
			}
			t := &waitTeller{out: c.OutOrStdout(), errs: c.ErrOrStderr(), json: output == "json", id: args[0], options: options}
			f := &follow.Follower{
				Reader: client, Clock: follow.Clock{Now: time.Now, Sleep: sleep}, Tell: t,
				ID: args[0], Goal: follow.Goal(goal), Timeout: timeout, NoWaitInReady: noWaitInReady,
			}
			outcome, info, err := f.Follow(c.Context())
			if errors.Is(err, context.Canceled) {
				return errInterrupted
			}
			if err != nil {
				return err
			}
			if err := t.end(outcome, f, info); err != nil {
				return err
			}
			if code := outcomeCodes[outcome]; code != 0 {
				return code
			}
			return nil
		},
	}
	at.addFlags(c)
	c.Flags().StringVar(&goal, "for", "", "what to wait for: ready, rerouted or complete (required)")
	cobra.CheckErr(c.MarkFlagRequired("for"))
	c.Flags().DurationVar(&timeout, "timeout", 30*time.Minute, "how long to wait at most")
	c.Flags().BoolVar(&noWaitInReady, "no-wait-in-ready", false, "end with exit code 6 when the deployment waits for approval")
	addOutputFlag(c, &output)
	return c
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// waitLine is one JSON object of crossfade wait.
type waitLine struct {
	Type         string     `json:"type"` // event, status, approval or outcome
	DeploymentID string     `json:"deploymentId"`
	Time         *time.Time `json:"time,omitempty"`
	Instance     string     `json:"instance,omitempty"`
	Label        string     `json:"label,omitempty"`
	Event        string     `json:"event,omitempty"`
	Status       string     `json:"status,omitempty"`
	ErrorCode    string     `json:"errorCode,omitempty"`
	Message      string     `json:"message,omitempty"`
	Command      string     `json:"command,omitempty"`
	Outcome      string     `json:"outcome,omitempty"`
	ExitCode     *int       `json:"exitCode,omitempty"`
}

// waitTeller prints what a follower tells: plain lines or one JSON object a line. Trouble with the server goes to errs.
type waitTeller struct {
	out, errs   io.Writer
	json        bool
	id, options string
}

func (t *waitTeller) print(line waitLine, text string) error {
	if !t.json {
		_, err := fmt.Fprintln(t.out, text)
		return err
	}
	line.DeploymentID = t.id
	e := json.NewEncoder(t.out)
	e.SetEscapeHTML(false)
	return e.Encode(line)
}

func (t *waitTeller) Event(e follow.Event) error {
	at := e.At.UTC()
	text := at.Format(time.RFC3339) + " " + e.Instance
	if e.Label != "" {
		text += " (" + e.Label + ")"
	}
	text += " " + e.Name + " " + e.Status
	if e.Code != "" {
		text += ": " + e.Code + ": " + e.Message
	}
	return t.print(waitLine{Type: "event", Time: &at, Instance: e.Instance, Label: e.Label, Event: e.Name, Status: e.Status, ErrorCode: e.Code, Message: e.Message}, text)
}

func (t *waitTeller) Status(s control.DeploymentStatus) error {
	return t.print(waitLine{Type: "status", Status: string(s)}, fmt.Sprintf("deployment %s is %s", t.id, s))
}

func (t *waitTeller) Approval() error {
	line := explain.ContinueCommand(t.id, control.DeploymentWaitTypeReadyWait, t.options)
	return t.print(waitLine{Type: "approval", Command: line}, "it waits for approval; to reroute the traffic, type\n  "+line)
}

func (t *waitTeller) Trouble(err error) error {
	say := "the server answers again"
	if err != nil {
		say = fmt.Sprintf("%v; trying again", err)
	}
	_, err = fmt.Fprintln(t.errs, "crossfade:", say)
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
	}
	text := map[follow.Outcome]string{
		follow.Reached:         fmt.Sprintf("reached: %s", f.Goal),
		follow.Failed:          fmt.Sprintf("failed: %s: %s\nto see why: crossfade explain %s", line.ErrorCode, line.Message, t.id),
		follow.Stopped:         fmt.Sprintf("stopped: %s: %s", line.ErrorCode, line.Message),
		follow.TimedOut:        fmt.Sprintf("timed out: %s was not reached within %s; to see what it waits for: crossfade explain %s", f.Goal, f.Timeout, t.id),
		follow.WaitingApproval: "waiting for approval",
	}[outcome]
	return t.print(line, text)
}
