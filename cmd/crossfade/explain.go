package main

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"

	"crossfade/internal/explain"
	"crossfade/internal/explain/follow"
	"crossfade/internal/operator"
)

// explainTimeout bounds the reading, of a deployment to thousands of instances too.
const explainTimeout = 2 * time.Minute

func newExplainCommand() *cobra.Command {
	var at reach
	var output string
	c := &cobra.Command{
		Use: "explain DEPLOYMENT_ID", Short: "Say why a deployment failed, was stopped or waits, and what to do next", Args: cobra.ExactArgs(1),
		Long: `Say why a deployment failed, was stopped or waits: the chain from the deployment over the stage, the instance and the lifecycle event to the
cause, with the last lines of the log and what to do next. A failure for health shows the arithmetic: how many instances succeeded and
failed, and how many the deployment config needs. A waiting deployment shows what it waits for, since when, and the command that ends the wait.

  0  it is explained, whatever became of it
  1  it can't be read: there is no such deployment, the key may not read it, or the server does not answer
  2  the command line or the environment is wrong

` + reachHelp,
		Example: `  crossfade explain d-ABCDEFGH1
  crossfade explain d-ABCDEFGH1 --output json | jq -r '.failures[] | .instance + " " + .cause'`,
		RunE: func(c *cobra.Command, args []string) error {
			client, options, err := at.reader(os.Environ())
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), explainTimeout)
			defer cancel()
			in, err := follow.Read(ctx, client, args[0], options)
			if err != nil {
				return err
			}
			x := explain.Explain(in)
			x.AddLogs(func(instance, event string) []string { return lastLines(ctx, at, args[0], instance, event) })
			return print(c.OutOrStdout(), output, x, x.WriteText)
		},
	}
	at.addFlags(c)
	addOutputFlag(c, &output)
	return c
}

// lastLines are the last lines that an event has written. A key that may not read logs, and a server that has none, have none to show: what is explained is
// explained without them.
func lastLines(ctx context.Context, at reach, id, instance, event string) (lines []string) {
	client, err := at.client(os.Environ())
	if err != nil {
		return nil
	}
	chunks, err := client.LastEventLogs(ctx, operator.LogQuery{DeploymentID: id, Target: instance, Event: event}, explain.Shown+1)
	if err != nil {
		return nil
	}
	for _, c := range chunks {
		for _, l := range c.Lines {
			lines = append(lines, harmless(l.Text))
		}
	}
	return lines
}
