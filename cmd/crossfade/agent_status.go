package main

import (
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"crossfade/internal/agent/enroll"
	"crossfade/internal/agent/status"
)

// exitNotRunning is what crossfade agent status ends with when no agent runs, as systemctl status does.
const exitNotRunning exitCode = 3

func newAgentStatusCommand() *cobra.Command {
	var dir, root, output string
	c := &cobra.Command{
		Use: "status", Short: "Say what the agent on this host is doing", Args: cobra.NoArgs,
		Long: `Say what the agent on this host is doing: whether it runs and reaches its server, which lifecycle event and script it executes and which wait, what
came of the last twenty, and what each deployment group has installed. Everything is read from files in the agent's root directory; neither the
agent nor its server is asked. What the agent writes there is a second old at most, and the time of its last poll half a minute.

The exit code is 0 when the agent runs, and 3 when it does not.`,
		Example: `  crossfade agent status
  crossfade agent status --root ./web-1 --output json | jq .agent.running`,
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := status.Read(agentRoot(c, dir, root))
			if err != nil {
				return err
			}
			if err := print(c.OutOrStdout(), output, r, func(w io.Writer) error { return r.Write(w, time.Now()) }); err != nil {
				return err
			}
			if !r.Running {
				return exitNotRunning
			}
			return nil
		},
	}
	_, defaultRoot := agentDefaults()
	c.Flags().StringVar(&dir, "dir", defaultDirectory(), "directory of an enrolled host, which may say where the root is")
	c.Flags().StringVar(&root, "root", defaultRoot, "directory of deployments and progress")
	addOutputFlag(c, &output)
	return c
}

// agentRoot is the root directory of this host's agent: what was said, what the host enrolled with, or the one of the two defaults that is there.
func agentRoot(c *cobra.Command, dir, root string) string {
	if c.Flags().Changed("root") {
		return root
	}
	if s, err := enroll.Directory(dir).Load(); err == nil && s.Root != "" {
		return s.Root
	}
	if _, err := os.Stat(root); err != nil {
		if _, err := os.Stat(userRoot); err == nil {
			return userRoot
		}
	}
	return root
}
