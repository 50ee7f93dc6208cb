package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crossfade/internal/operator"
	"crossfade/internal/retention"
)

// retentionTimeout is how long the server may take to look for what would go: it reads thousands of rows.
const retentionTimeout = 2 * time.Minute

func newRetentionCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "retention", Short: "See what is cleaned up, and clean up now", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newRetentionPlanCommand(), newRetentionRunCommand())
	return c
}

func newRetentionPlanCommand() *cobra.Command {
	var at reach
	var output string
	c := &cobra.Command{
		Use: "plan", Short: "Show what would be cleaned up now, and why", Args: cobra.NoArgs,
		Long: `Show what a round of cleaning would remove now of your account, and why; nothing is removed. What is over a bound and stays is told too:
deployments that have not ended, and what their groups need to roll back and to deploy again. The bounds are those under retention in the
server's configuration.

` + reachHelp,
		Example: "  crossfade retention plan\n  crossfade retention plan --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			return at.call(c.Context(), retentionTimeout, func(ctx context.Context, client *operator.Client) error {
				out, err := client.Retention(ctx)
				if err != nil {
					return err
				}
				return print(c.OutOrStdout(), output, out, func(w io.Writer) error { return printRetention(w, out) })
			})
		},
	}
	at.addFlags(c)
	addOutputFlag(c, &output)
	return c
}

func newRetentionRunCommand() *cobra.Command {
	var at reach
	c := &cobra.Command{
		Use: "run", Short: "Clean up now instead of in the next hour", Args: cobra.NoArgs,
		Long: `Have the server clean up now, by the bounds under retention in its configuration, and do not wait for it: crossfade retention plan shows what
is left, and the server's log says what went.

` + reachHelp,
		Example: "  crossfade retention run",
		RunE: func(c *cobra.Command, _ []string) error {
			return at.call(c.Context(), callTimeout, func(ctx context.Context, client *operator.Client) error {
				if err := client.RunRetention(ctx); err != nil {
					return err
				}
				_, err := fmt.Fprintln(c.OutOrStdout(), "the server cleans up")
				return err
			})
		},
	}
	at.addFlags(c)
	return c
}

// printRetention writes a line for each group and application of which something is over a bound.
func printRetention(w io.Writer, out operator.GetRetentionOutput) error {
	var b strings.Builder
	fmt.Fprintf(&b, "kept: %s\n", out.Kept.Words)
	if out.Last != nil {
		fmt.Fprintf(&b, "last round: %s, %d deployments, %d rows, %.1f MiB of logs, %d revisions, %d bundles with %.1f MiB, in %s\n",
			out.Last.Began.UTC().Format(time.RFC3339), out.Last.Deployments, out.Last.Rows, mebibytes(out.Last.LogBytes), out.Last.Revisions, out.Last.Bundles,
			mebibytes(out.Last.BundleBytes), out.Last.Took.Round(time.Millisecond))
	}
	lines := 0
	line := func(what, of string, s retention.Share) {
		if s.Count == 0 && len(s.Held) == 0 {
			return
		}
		lines++
		fmt.Fprintf(&b, "%s: %d would go", what, s.Count)
		if s.Count > 0 {
			var why []string
			for _, reason := range slices.Sorted(maps.Keys(s.Why)) {
				why = append(why, fmt.Sprintf("%d for their %s", s.Why[reason], reason))
			}
			fmt.Fprintf(&b, " (%s): %s", strings.Join(why, ", "), strings.Join(s.Examples, ", "))
			if s.Count > len(s.Examples) {
				b.WriteString(" …")
			}
		}
		for _, hold := range slices.Sorted(maps.Keys(s.Held)) {
			fmt.Fprintf(&b, "; %d stay: %s", s.Held[hold], hold)
		}
		fmt.Fprintf(&b, "%s\n", of)
	}
	for _, s := range out.Plan.Deployments {
		line("deployments of "+s.Name, "", s)
	}
	logs := ""
	if out.Plan.Logs.Bytes > 0 {
		logs = fmt.Sprintf(" (%.1f MiB)", mebibytes(out.Plan.Logs.Bytes))
	}
	line("logs of deployments", logs, out.Plan.Logs)
	for _, s := range out.Plan.Revisions {
		line("revisions of "+s.Name, "", s)
	}
	switch {
	case out.Plan.More:
		b.WriteString("there is more than that\n")
	case lines == 0:
		b.WriteString("nothing would go\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }
