package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

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
	var noWaitInReady, logs bool
	c := &cobra.Command{
		Use: "wait DEPLOYMENT_ID", Short: "Follow a deployment until it is ready, rerouted or complete", Args: cobra.ExactArgs(1),
		Long: `Follow a deployment live, print the beginning and the result of each lifecycle event once, and end with an exit code for the outcome:

  0    reached: what --for names has come, or the deployment is past it
  1    the waiting itself went wrong: there is no such deployment, or the key may not read it
  2    the command line or the environment is wrong
  3    the deployment failed
  4    the deployment was stopped
  5    the timeout came first; a deployment that is still Queued says so
  6    it is Ready and waits for approval: when the timeout came, or at once with --no-wait-in-ready
  130  the waiting was interrupted; the deployment goes on

--for ready is reached when the replacement environment is Ready, rerouted when the termination wait has started, complete when the
deployment succeeded. A deployment that failed or was stopped never counts as reached. A server that does not answer, such as one that
restarts, is asked again until the timeout. It is asked after a quarter of a second to two seconds, and at once when its stream of events says
that something has happened.

A failed event comes with the last lines that its script has written. With --logs the lines of all events are printed as they come; crossfade logs
prints them alone.

On a terminal a line below the others shows how the instances stand. With --output json each line is an object: its type is status, event,
log, gap (lines of a log that are missing), approval or outcome.

` + reachHelp,
		Example: `  crossfade wait d-ABCDEFGH1 --for ready && run-smoke-tests
  crossfade wait d-ABCDEFGH1 --for complete --logs
  crossfade wait d-ABCDEFGH1 --for complete --timeout 2h --output json
  crossfade wait "$(aws deploy create-deployment --query deploymentId --output text ...)" --for rerouted || crossfade explain ...`,
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
			lines, err := at.client(os.Environ())
			if err != nil {
				return err
			}
			live := output != "json" && term.IsTerminal(int(os.Stdout.Fd())) && variable(os.Environ(), "TERM") != "dumb"
			t := &waitTeller{out: c.OutOrStdout(), errs: c.ErrOrStderr(), json: output == "json", live: live, id: args[0], options: options}
			f := &follow.Follower{
				Reader: client, Clock: follow.Clock{Now: time.Now, Sleep: sleep}, Tell: t,
				ID: args[0], Goal: follow.Goal(goal), Timeout: timeout, NoWaitInReady: noWaitInReady,
			}
			stopLogs := func(bool) {}
			if logs {
				stopLogs = followLogs(lines, args[0], t).Stop
			} else {
				t.last = lastOf(c.Context(), lines, args[0])
			}
			events := client.Listen(args[0], func(ctx context.Context, d time.Duration) error { return sleep(ctx, d, nil) })
			f.Wake = events.Wake()
			outcome, info, err := f.Follow(c.Context())
			stopLogs(err == nil && info.Status != nil && over(*info.Status))
			events.Stop()
			if err != nil {
				err = errors.Join(err, t.clear())
			}
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
	cobra.CheckErr(c.RegisterFlagCompletionFunc("for", cobra.FixedCompletions([]cobra.Completion{
		"ready\tthe replacement environment is Ready", "rerouted\tthe termination wait has started", "complete\tthe deployment succeeded",
	}, cobra.ShellCompDirectiveNoFileComp)))
	c.Flags().DurationVar(&timeout, "timeout", 30*time.Minute, "how long to wait at most")
	c.Flags().BoolVar(&noWaitInReady, "no-wait-in-ready", false, "end with exit code 6 as soon as the deployment waits for approval")
	c.Flags().BoolVar(&logs, "logs", false, "print what scripts write as they write it")
	addOutputFlag(c, &output)
	return c
}

// over reports whether a deployment has ended.
func over(s control.DeploymentStatus) bool {
	return s == control.DeploymentStatusSucceeded || s == control.DeploymentStatusFailed || s == control.DeploymentStatusStopped
}

// sleep waits for the time to pass or for a wake-up.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
