package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"crossfade/internal/explain"
	"crossfade/internal/explain/follow"
)

func newExplainCommand() *cobra.Command {
	var at reach
	var output string
	c := &cobra.Command{
		Use: "explain DEPLOYMENT_ID", Short: "Say why a deployment failed, was stopped or waits, and what to do next", Args: cobra.ExactArgs(1),
		Long: `Say why a deployment failed, was stopped or waits: the chain from the deployment over the environment, the instance and the lifecycle event to
the cause, with the last lines of the log and what to do next. A failure for health shows the arithmetic; a waiting deployment shows what it
waits for and the command that ends the wait.

` + reachHelp,
		Example: "  crossfade explain d-ABCDEFGH1\n  crossfade explain d-ABCDEFGH1 --output json",
		RunE: func(c *cobra.Command, args []string) error {
			client, options, err := at.reader(os.Environ())
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), callTimeout)
			defer cancel()
			in, err := readDeployment(ctx, client, args[0])
			if err != nil {
				return err
			}
			in.Options = options
			x := explain.Explain(in)
			return print(c.OutOrStdout(), output, x, x.WriteText)
		},
	}
	at.addFlags(c)
	addOutputFlag(c, &output)
	return c
}

// readDeployment reads all that explaining a deployment needs.
func readDeployment(ctx context.Context, client *follow.Client, id string) (explain.Input, error) {
	info, err := client.Deployment(ctx, id)
	if err != nil {
		return explain.Input{}, err
	}
	in := explain.Input{Info: info}
	ids, err := client.TargetIDs(ctx, id)
	if err != nil {
		return in, err
	}
	if in.Targets, err = client.Targets(ctx, id, ids); err != nil {
		return in, err
	}
	if info.DeploymentConfigName != nil {
		in.Minimum, err = client.Minimum(ctx, *info.DeploymentConfigName)
	}
	return in, err
}
