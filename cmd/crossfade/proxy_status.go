package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"crossfade/internal/follow"
	"crossfade/internal/operator"
)

func newProxyStatusCommand() *cobra.Command {
	var admin, output string
	c := &cobra.Command{
		Use: "status", Short: "Say what the proxy on this machine is doing", Args: cobra.NoArgs,
		Long: `Say what the proxy on this machine is doing: whether it is ready, whether it follows its server, and what it has of each target. The proxy's
admin page is asked.

The exit code is 0 when the proxy is ready, and 3 when it is not, or does not run.`,
		Example: `  crossfade proxy status
  crossfade proxy status --admin 127.0.0.1:8482 --output json | jq .following`,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), callTimeout)
			defer cancel()
			s, err := proxyStatus(ctx, admin)
			if err != nil {
				fmt.Fprintln(c.ErrOrStderr(), err)
				return exitNotRunning
			}
			if err := print(c.OutOrStdout(), output, s, func(w io.Writer) error { return writeProxyStatus(w, "http://"+admin, s) }); err != nil {
				return err
			}
			if !s.Ready {
				return exitNotRunning
			}
			return nil
		},
	}
	c.Flags().StringVar(&admin, "admin", defaultProxyAdmin, "host:port of the proxy's admin page")
	addOutputFlag(c, &output)
	return c
}

func proxyStatus(ctx context.Context, admin string) (s follow.Status, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/status", nil)
	if err != nil {
		return s, &usageError{fmt.Errorf("--admin: %w", err)}
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return s, fmt.Errorf("no proxy answers on %s: %w", admin, err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&s); err != nil || answer.StatusCode != http.StatusOK {
		return s, fmt.Errorf("what answers on %s is no proxy: %s", admin, answer.Status)
	}
	return s, nil
}

func writeProxyStatus(w io.Writer, admin string, s follow.Status) error {
	ready, following := "ready", "follows its server"
	if !s.Ready {
		ready = "not ready: " + s.Because
	}
	if !s.Following {
		following = "serves the last state that it knew"
	}
	fmt.Fprintf(w, "proxy %s is %s, and %s; its admin page is %s\n", s.Name, ready, following, admin)
	if s.Trouble != "" {
		fmt.Fprintf(w, "%s\n", s.Trouble)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, l := range s.Listeners {
		fmt.Fprintf(table, "listener %s\ton %s\n", l.Name, l.Address)
	}
	for _, t := range s.Targets {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d requests\t%s\n", t.TargetGroup, t.Instance, t.Address, t.State, t.Active, t.Reason)
	}
	return table.Flush()
}

func newProxyListCommand() *cobra.Command {
	var at reach
	var output string
	c := &cobra.Command{
		Use: "list", Short: "List the proxies that the server knows", Args: cobra.NoArgs,
		Long: `List the proxies that the server knows. A live one has been heard of in the last 15 seconds. A silent one may go on with what it knew last, so no
instance that it may still send requests to counts as out of traffic. A forgotten one has been silent for longer than loadBalancer.forgetProxyAfter.

` + reachHelp,
		Example: `  crossfade proxy list
  crossfade proxy list --output json`,
		RunE: func(c *cobra.Command, _ []string) error {
			return at.call(c.Context(), callTimeout, func(ctx context.Context, client *operator.Client) error {
				out, err := client.ListProxies(ctx)
				if err != nil {
					return err
				}
				return print(c.OutOrStdout(), output, out, func(w io.Writer) error { return printProxies(w, out.Proxies) })
			})
		},
	}
	at.addFlags(c)
	addOutputFlag(c, &output)
	return c
}

func printProxies(w io.Writer, proxies []operator.ProxyInfo) error {
	if len(proxies) == 0 {
		_, err := fmt.Fprintln(w, "no proxies: crossfade proxy runs one")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tSTATE\tSEEN\tPRINCIPAL\t")
	for _, p := range proxies {
		about := p.Behind
		if about == "" {
			about = "up to date"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", p.Name, p.State, p.Seen.UTC().Format(time.RFC3339), p.Principal, about)
	}
	return table.Flush()
}

func newProxyRemoveCommand() *cobra.Command {
	var at reach
	var output string
	c := &cobra.Command{
		Use: "remove NAME", Short: "Have the server forget a proxy that is gone for good", Args: cobra.ExactArgs(1),
		Long: `Have the server forget a proxy that is gone for good, so that deployments do not wait for it. Make sure that it does not run: requests that it
still sends to an instance are lost when that one ends. One that runs and follows is known again at once.

` + reachHelp,
		Example: `  crossfade proxy remove edge-1`,
		RunE: func(c *cobra.Command, args []string) error {
			return at.call(c.Context(), callTimeout, func(ctx context.Context, client *operator.Client) error {
				if err := client.RemoveProxy(ctx, args[0]); err != nil {
					return err
				}
				about := struct {
					Removed string `json:"removed"`
				}{args[0]}
				return print(c.OutOrStdout(), output, about, func(w io.Writer) error {
					_, err := fmt.Fprintf(w, "proxy %s is forgotten\n", args[0])
					return err
				})
			})
		},
	}
	at.addFlags(c)
	addOutputFlag(c, &output)
	return c
}
