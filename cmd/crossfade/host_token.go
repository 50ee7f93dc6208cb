package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"crossfade/internal/operator"
	"crossfade/internal/wire/control"
)

// parseTags reads Key=Value words.
func parseTags(words []string) ([]control.Tag, error) {
	var tags []control.Tag
	for _, w := range words {
		key, value, ok := strings.Cut(w, "=")
		if !ok || key == "" || value == "" {
			return nil, &usageError{fmt.Errorf("--tag %q is not Key=Value", w)}
		}
		tags = append(tags, control.Tag{Key: &key, Value: &value})
	}
	return tags, nil
}

func newHostTokenCommand() *cobra.Command {
	var at reach
	var name, output string
	var anyName, ownTags, replace bool
	var tags []string
	var expires time.Duration
	var uses int
	c := &cobra.Command{
		Use: "token", Short: "Make a join token, with which a host enrols by itself", Args: cobra.NoArgs,
		Long: `Make a join token: one line that a host gives to crossfade agent enroll to get an identity of its own and credentials that end and are renewed. The
token is for one host and an hour, unless told otherwise. It is shown once; whoever has it can enrol in the host's place until it is used, so hand it
over as you would a password.

` + reachHelp,
		Example: `  crossfade host token --name web-1 --tag Environment=blue
  crossfade host token --any-name --uses 20 --expires 24h --tag Environment=green > join-token
  crossfade host token --name web-1 --replace      the machine was made anew`,
		RunE: func(c *cobra.Command, _ []string) error {
			in := operator.CreateJoinTokenInput{OwnTags: &ownTags, Replace: &replace, Uses: new(int64(uses)), ExpiresIn: new(int64(expires / time.Second))}
			switch {
			case (name == "") != anyName:
				return &usageError{errors.New("say which host the token is for: either --name NAME or --any-name")}
			case name != "":
				in.Name = &name
			}
			var err error
			if in.Tags, err = parseTags(tags); err != nil {
				return err
			}
			return at.call(c.Context(), callTimeout, func(ctx context.Context, client *operator.Client) error {
				made, err := client.CreateJoinToken(ctx, in)
				if err != nil {
					return err
				}
				if output != "json" {
					// The token alone is what a script wants; what it is goes to the other stream.
					if _, err := fmt.Fprintf(c.ErrOrStderr(), "join token %s, until %s; on the host: crossfade agent enroll --token -\n", *made.ID, made.ExpiresAt.UTC().Format(time.RFC3339)); err != nil {
						return err
					}
				}
				about := struct {
					ID        string    `json:"id"`
					Token     string    `json:"token"`
					ExpiresAt time.Time `json:"expiresAt"`
				}{*made.ID, *made.Token, made.ExpiresAt.UTC()}
				return print(c.OutOrStdout(), output, about, func(w io.Writer) error {
					_, err := fmt.Fprintln(w, about.Token)
					return err
				})
			})
		},
	}
	at.addFlags(c)
	f := c.Flags()
	f.StringVar(&name, "name", "", "the host's name")
	f.BoolVar(&anyName, "any-name", false, "let the host choose its name")
	f.StringArrayVar(&tags, "tag", nil, "Key=Value that the host gets; may be given several times")
	f.BoolVar(&ownTags, "own-tags", false, "let the host bring tags of its own, which may put it into any deployment group")
	f.BoolVar(&replace, "replace", false, "let the host take the place of the one that has its name, whose credentials end")
	f.DurationVar(&expires, "expires", time.Hour, "how long the token can be used, from 1m to 720h")
	f.IntVar(&uses, "uses", 1, "how many hosts it is for")
	addOutputFlag(c, &output)
	c.AddCommand(newHostTokenRevokeCommand())
	return c
}

func newHostTokenRevokeCommand() *cobra.Command {
	var at reach
	c := &cobra.Command{
		Use: "revoke ID", Short: "End a join token", Args: cobra.ExactArgs(1),
		Long:    "End a join token at once. Hosts that have enrolled with it stay; crossfade host remove takes them away.\n\n" + reachHelp,
		Example: "  crossfade host token revoke AKIAJX5EXAMPLEIDXYZQ",
		RunE: func(c *cobra.Command, args []string) error {
			return at.call(c.Context(), callTimeout, func(ctx context.Context, client *operator.Client) error {
				if err := client.RevokeJoinToken(ctx, operator.RevokeJoinTokenInput{ID: &args[0]}); err != nil {
					return err
				}
				_, err := fmt.Fprintf(c.OutOrStdout(), "join token %s is revoked\n", args[0])
				return err
			})
		},
	}
	at.addFlags(c)
	return c
}

func newHostTokensCommand() *cobra.Command {
	var at reach
	var output string
	c := &cobra.Command{
		Use: "tokens", Short: "List the join tokens", Args: cobra.NoArgs,
		Long:    "List the join tokens, with those that ended in the last days. None shows its secret again.\n\n" + reachHelp,
		Example: "  crossfade host tokens",
		RunE: func(c *cobra.Command, _ []string) error {
			return at.call(c.Context(), callTimeout, func(ctx context.Context, client *operator.Client) error {
				all, err := client.ListJoinTokens(ctx)
				if err != nil {
					return err
				}
				return print(c.OutOrStdout(), output, all, func(w io.Writer) error { return printJoinTokens(w, all.Tokens) })
			})
		},
	}
	at.addFlags(c)
	addOutputFlag(c, &output)
	return c
}

func printJoinTokens(w io.Writer, tokens []operator.JoinTokenInfo) error {
	if len(tokens) == 0 {
		_, err := fmt.Fprintln(w, "no join tokens: crossfade host token makes one")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSTATE\tUSED\tEXPIRES\tHOST\tTAGS")
	for _, t := range tokens {
		name, tags := t.Name, []string{}
		if name == "" {
			name = "(any)"
		}
		if t.Replace {
			name += " (may replace)"
		}
		for _, g := range t.Tags {
			tags = append(tags, *g.Key+"="+*g.Value)
		}
		if t.OwnTags {
			tags = append(tags, "(and the host's own)")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.State, strconv.Itoa(t.Used)+" of "+strconv.Itoa(t.Uses),
			t.ExpiresAt.UTC().Format(time.RFC3339), name, strings.Join(tags, " "))
	}
	return table.Flush()
}
