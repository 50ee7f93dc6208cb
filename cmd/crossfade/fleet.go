package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"crossfade/internal/operator"
)

func newFleetCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "fleet", Short: "Look at the server's Auto Scaling groups and set their sizes",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newFleetListCommand(), newFleetScaleCommand())
	return c
}

func newFleetListCommand() *cobra.Command {
	var at reach
	var output string
	c := &cobra.Command{
		Use: "list", Short: "List the server's Auto Scaling groups with their instances", Args: cobra.NoArgs,
		Long: `List the Auto Scaling groups whose instances the server starts by itself: those under fleets in the configuration, and the copies that
blue/green deployments made of them. What hinders an instance from coming into service is said under its group.

` + reachHelp,
		Example: "  crossfade fleet list\n  crossfade fleet list --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			return at.call(c.Context(), callTimeout, func(ctx context.Context, client *operator.Client) error {
				fleets, err := client.ListFleets(ctx)
				if err != nil {
					return err
				}
				return print(c.OutOrStdout(), output, fleets, func(w io.Writer) error { return printFleets(w, fleets.Fleets) })
			})
		},
	}
	at.addFlags(c)
	addOutputFlag(c, &output)
	return c
}

// printFleets writes a line for each group and each instance.
func printFleets(w io.Writer, fleets []operator.FleetStatus) error {
	if len(fleets) == 0 {
		_, err := fmt.Fprintln(w, "no fleets: define some under fleets in the server's configuration")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range fleets {
		about := ""
		switch {
		case f.Deleted && len(f.Instances) == 0:
			about = "deleted; crossfade fleet scale brings it back"
		case f.Deleted:
			about = "is being deleted"
		case f.Origin != f.Name:
			about = "a copy of " + f.Origin
		}
		fmt.Fprintf(table, "%s\t%d of %d in service\t%s\n", f.Name, f.InService, f.Size, about)
		for _, i := range f.Instances {
			fmt.Fprintf(table, "  %s\t%s\t%s\n", i.Name, i.State, i.Zone)
		}
		for _, p := range f.Problems {
			fmt.Fprintf(table, "  %s\n", p)
		}
	}
	return table.Flush()
}

func newFleetScaleCommand() *cobra.Command {
	var at reach
	c := &cobra.Command{
		Use: "scale NAME SIZE", Short: "Set how many instances an Auto Scaling group has", Args: cobra.ExactArgs(2),
		Long: `Set how many instances one of the server's Auto Scaling groups is to have, and return at once; crossfade fleet list shows how far it is. The
size outlives a restart of the server and counts until the size in the configuration is changed. A group of the configuration that a
blue/green deployment ended comes back.

` + reachHelp,
		Example: "  crossfade fleet scale web 5",
		RunE: func(c *cobra.Command, args []string) error {
			size, err := strconv.ParseInt(args[1], 10, 32)
			if err != nil {
				return &usageError{fmt.Errorf("the size %q is not a whole number", args[1])}
			}
			return at.call(c.Context(), callTimeout, func(ctx context.Context, client *operator.Client) error {
				if err := client.SetFleetSize(ctx, operator.SetFleetSizeInput{Name: &args[0], Size: &size}); err != nil {
					return err
				}
				_, err := fmt.Fprintf(c.OutOrStdout(), "%s is to have %d instances\n", args[0], size)
				return err
			})
		},
	}
	at.addFlags(c)
	return c
}
