package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"crossfade/internal/eventlog"
	"crossfade/internal/operator"
)

// tailMost is how many last lines a server gives.
const tailMost = 1000

func newLogsCommand() *cobra.Command {
	var at reach
	var query operator.LogQuery
	var output string
	var followed, times bool
	var last int
	c := &cobra.Command{
		Use: "logs DEPLOYMENT_ID", Short: "Print what the scripts of a deployment write, also while they run", Args: cobra.ExactArgs(1),
		Long: `Print what the scripts of a deployment's lifecycle events have written, on all its instances or on one, without a login on any of them. Each
line says the instance, the event and the stream: stdout, stderr, or agent for what the agent says itself. Lines of several instances are in the
order in which they came.

With --follow it goes on while scripts run and ends when the deployment has ended. A server that does not answer, such as one that restarts, is
asked again, and no line is printed twice.

Crossfade's agent sends lines while a script runs. The official agents send nothing until an event has failed; then its last 4 KiB are what
there is, with the time at which they came. Of the log of one event the first 256 KiB and the last 768 KiB are kept; a line says where something
is missing.

With --output json each line is an object: its type is line, or gap where lines are missing.

  0    the logs were read, whatever became of the deployment
  1    they can't be read: there is no such deployment, or the key may not read it
  2    the command line or the environment is wrong
  130  interrupted

` + reachHelp,
		Example: `  crossfade logs d-ABCDEFGH1 --follow
  crossfade logs d-ABCDEFGH1 --instance web-1 --event AfterInstall --times
  crossfade logs d-ABCDEFGH1 --output json | jq -r 'select(.stream == "stderr") | .instance + ": " + .text'`,
		RunE: func(c *cobra.Command, args []string) error {
			if last < 0 || last > tailMost {
				return &usageError{fmt.Errorf("--tail %d is not from 1 to %d", last, tailMost)}
			}
			client, err := at.client(os.Environ())
			if err != nil {
				return err
			}
			query.DeploymentID = args[0]
			color := output != "json" && term.IsTerminal(int(os.Stdout.Fd())) && variable(os.Environ(), "TERM") != "dumb" && variable(os.Environ(), "NO_COLOR") == ""
			p := &logPrinter{out: c.OutOrStdout(), errs: c.ErrOrStderr(), json: output == "json", times: times, color: color, id: args[0]}
			err = printLogs(c.Context(), client, query, last, followed, p)
			if errors.Is(err, context.Canceled) {
				return errInterrupted
			}
			return err
		},
	}
	at.addFlags(c)
	c.Flags().StringVar(&query.Target, "instance", "", "only of this instance")
	c.Flags().StringVar(&query.Event, "event", "", "only of this lifecycle event, such as AfterInstall")
	c.Flags().BoolVarP(&followed, "follow", "f", false, "go on until the deployment has ended")
	c.Flags().IntVar(&last, "tail", 0, "begin with the last lines, so many of them (at most 1000; default: all that are kept)")
	c.Flags().BoolVar(&times, "times", false, "print the time of each line by its host's clock, in UTC")
	addOutputFlag(c, &output)
	return c
}

// printLogs prints what there is, from the beginning or from the last lines on, and then what comes.
func printLogs(ctx context.Context, c *operator.Client, q operator.LogQuery, last int, followed bool, p *logPrinter) error {
	if last > 0 {
		chunks, err := c.LastEventLogs(ctx, q, last)
		if err != nil {
			return err
		}
		for _, chunk := range chunks {
			if err := p.Chunk(chunk); err != nil {
				return err
			}
			q.After = chunk.Position
		}
	}
	if followed {
		_, err := c.FollowEventLogs(ctx, q, p, func(ctx context.Context, d time.Duration) error { return sleep(ctx, d, nil) })
		return err
	}
	if last == 0 {
		if err := c.EventLogs(ctx, q, p.Chunk); err != nil {
			return err
		}
	}
	if p.printed {
		return nil
	}
	_, err := fmt.Fprintln(p.errs, "crossfade: there are no lines: Crossfade's agent sends them while a script runs, the official agents when an event has failed")
	return err
}

var _ operator.LogTeller = (*logPrinter)(nil)

// Chunk implements operator.LogTeller.
func (p *logPrinter) Chunk(c eventlog.Chunk) error {
	p.printed = true
	for _, l := range logLines(c) {
		if err := p.print(l); err != nil {
			return err
		}
	}
	return nil
}

// Trouble implements operator.LogTeller.
func (p *logPrinter) Trouble(err error) error {
	say := "the server answers again"
	if err != nil {
		say = fmt.Sprintf("%v; trying again", err)
	}
	_, err = fmt.Fprintln(p.errs, "crossfade:", say)
	return err
}
