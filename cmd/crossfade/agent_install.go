package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"crossfade/internal/agent/enroll"
	"crossfade/internal/agent/systemd"
)

// userRoot is the directory of deployments of an agent that is not root; systemd makes it.
const userRoot = "/var/lib/crossfade-agent/deployment-root"

func newAgentInstallCommand() *cobra.Command {
	a := systemd.Agent{}
	var show, now, renewOnly bool
	c := &cobra.Command{
		Use: "install", Short: "Make a systemd service of this host's agent", Args: cobra.NoArgs,
		Long: `Write the systemd unit of the agent of an enrolled host, ` + "/etc/systemd/system/" + systemd.AgentUnit + `, and let it start with the machine. A restart of the
service lets running scripts finish and leaves alone what scripts started. What the unit forbids, and why it does not forbid more, stands in it.

With --renew-only a timer is written that keeps the host's credentials fresh and runs no agent, for hosts with the official agent.`,
		Example: `  sudo crossfade agent install --now
  crossfade agent install --print
  sudo crossfade agent install --user deploy --now
  sudo crossfade agent install --renew-only --now`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := wholePaths(&a.Binary, &a.Directory, &a.Root); err != nil {
				return &usageError{err}
			}
			settings, settingsErr := enroll.Directory(a.Directory).Load()
			if a.User != "root" && a.Root == "" && settings.Root == "" {
				a.Root = userRoot
			}
			make := a.Units
			if renewOnly {
				make = a.RenewUnits
			}
			units, err := make()
			if err != nil {
				return &usageError{err}
			}
			if show {
				return printUnits(c.OutOrStdout(), units)
			}
			machine := systemd.ThisMachine()
			if err := machine.Check(); err != nil {
				return orUsage(err)
			}
			if settingsErr != nil {
				return &usageError{settingsErr}
			}
			if err := give(enroll.Directory(a.Directory), a.User); err != nil {
				return err
			}
			if err := machine.Install(c.Context(), units, now); err != nil {
				return err
			}
			main := units[len(units)-1].Name
			text := main + " is installed and starts with the machine; start it now with\n  systemctl start " + main + "\n"
			if now {
				text = main + " is installed and started; see it with\n  systemctl status " + main + "\n"
			}
			_, err = io.WriteString(c.OutOrStdout(), text)
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&a.Directory, "dir", defaultDirectory(), "directory of the host's identity")
	f.StringVar(&a.Root, "root", "", "directory of deployments and progress (default: what crossfade agent enroll was told, else the agent's own; "+userRoot+" for another user than root)")
	f.StringVar(&a.User, "user", "root", "who the agent runs as; only root can run scripts as others and give files to others")
	f.StringVar(&a.Binary, "binary", "", "path of crossfade (default: this program)")
	f.DurationVar(&a.StopTimeout, "stop-timeout", 2*time.Hour, "how long running scripts may take after the service is told to stop; a shutdown of the machine waits for them")
	f.BoolVar(&show, "print", false, "print what would be written, and write nothing")
	f.BoolVar(&now, "now", false, "start the service too, or start it anew")
	f.BoolVar(&renewOnly, "renew-only", false, "only keep the host's credentials fresh, by a timer")
	return c
}

// wholePaths makes paths whole; an empty binary is this program.
func wholePaths(binary, dir, root *string) (err error) {
	if *binary == "" {
		if *binary, err = os.Executable(); err != nil {
			return fmt.Errorf("find this program, so give its path with --binary: %w", err)
		}
	}
	for _, p := range []*string{binary, dir, root} {
		if *p == "" {
			continue
		}
		if *p, err = filepath.Abs(*p); err != nil {
			return err
		}
	}
	return nil
}

// orUsage makes a mistake of a machine that can't have services: nothing was tried.
func orUsage(err error) error {
	if errors.Is(err, systemd.ErrNoSystemd) {
		return &usageError{err}
	}
	return err
}

func printUnits(w io.Writer, units []systemd.Unit) error {
	var b bytes.Buffer
	for i, u := range units {
		if len(units) > 1 {
			if i > 0 {
				b.WriteString("\n")
			}
			fmt.Fprintf(&b, "# %s\n", u.Name)
		}
		b.Write(u.Text)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// give makes the directory the user's, who has to read and renew what is in it.
func give(d enroll.Directory, name string) error {
	if name == "root" {
		return nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return &usageError{fmt.Errorf("--user %s: %w", name, err)}
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return fmt.Errorf("the user %s has the id %q, which is no number", name, u.Uid)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return fmt.Errorf("the group of the user %s has the id %q, which is no number", name, u.Gid)
	}
	return d.Give(uid, gid)
}

func newAgentUninstallCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "uninstall", Short: "Take the agent's systemd service away", Args: cobra.NoArgs,
		Long: `Stop the agent's service and timer and remove their units. The host's identity, deployments and what scripts started stay; crossfade host remove takes
the host away from the server. Where nothing is installed, nothing is done.`,
		Example: "  sudo crossfade agent uninstall",
		RunE: func(c *cobra.Command, _ []string) error {
			removed, err := systemd.ThisMachine().Uninstall(c.Context())
			for _, name := range removed {
				if _, err := fmt.Fprintf(c.OutOrStdout(), "%s is removed\n", name); err != nil {
					return err
				}
			}
			return orUsage(err)
		},
	}
	return c
}
