package main

import "github.com/spf13/cobra"

// newRootCommand makes the command line. ran is set when a sub-command begins to run: errors before are about usage.
func newRootCommand(ran *bool) *cobra.Command {
	root := &cobra.Command{
		Use:   "crossfade",
		Short: "AWS CodeDeploy that you run yourself",
		Long: `Crossfade is AWS CodeDeploy that you run yourself: the same protocols, so that the AWS command line, the SDKs, Terraform and the official
host agent work unmodified, with real deployments on your own machines and real traffic rerouting.

Exit codes: 0 done; 1 it was tried and failed; 2 the command line, the environment or the configuration is wrong and nothing was done;
130 interrupted before it was done. crossfade wait and crossfade plan have more, which their help lists.`,
		Example: `  crossfade demo                      watch a blue/green deployment on this machine
  crossfade server                    run a server on 127.0.0.1:8470
  crossfade host add web-1 --out web-1.yml
  crossfade agent --endpoint http://127.0.0.1:8470 --config web-1.yml --root web-1`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newServerCommand(), newAgentCommand(), newAppSpecCommand(), newLocalCommand(), newHostCommand(), newGitHubCommand(), newDemoCommand(), newDemoAppCommand(), newWaitCommand(), newExplainCommand(), newLogsCommand(), newPlanCommand(), newPushCommand(), newFleetCommand(), newProxyCommand(), newAuditCommand(), newBackupCommand(), newRestoreCommand(), newStoreCommand(), newRetentionCommand(), newBenchCommand(), newBenchServerCommand(), newVersionCommand())
	mark(root, ran)
	return root
}

// mark makes every command note that it runs. Cobra's own hooks come before it has looked at the required flags.
func mark(c *cobra.Command, ran *bool) {
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			*ran = true
			return run(c, args)
		}
	}
	for _, sub := range c.Commands() {
		mark(sub, ran)
	}
}
