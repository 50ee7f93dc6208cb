package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"crossfade/internal/operator"
)

func newGitHubCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "github", Short: "Keep tokens for GitHub",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newGitHubAddTokenCommand())
	return c
}

// maxTokenFile bounds what is read of a token's file, in bytes; the server bounds the token.
const maxTokenFile = 64 << 10

func newGitHubAddTokenCommand() *cobra.Command {
	var at reach
	var file string
	c := &cobra.Command{
		Use: "add-token NAME", Short: "Keep a GitHub token in the server", Args: cobra.ExactArgs(1),
		Long: `Keep a GitHub token in the server under a name, in place of the one that has the name. The server seals it under its key file and shows it
nowhere; aws deploy list-git-hub-account-token-names lists the names, and delete-git-hub-account-token deletes one. An account keeps 25.

A deployment of a commit uses the token that is named like the repository's owner, else the one named default, else none. The server downloads
the commit with it, from the source host under revisions.github in the configuration; hosts never see the token.

The token is read from a file and not from the command line, where other users of the machine would see it; - is the standard input.

` + reachHelp,
		Example: `  crossfade github add-token shop --token-file token.txt
  pass show github | crossfade github add-token shop --token-file -`,
		RunE: func(c *cobra.Command, args []string) error {
			token, err := readToken(c.InOrStdin(), file)
			if err != nil {
				return &usageError{err}
			}
			return at.call(c.Context(), callTimeout, func(ctx context.Context, client *operator.Client) error {
				if err := client.AddGitHubToken(ctx, operator.AddGitHubTokenInput{Name: &args[0], Token: &token}); err != nil {
					return err
				}
				_, err := fmt.Fprintf(c.OutOrStdout(), "GitHub token %s is kept\n", args[0])
				return err
			})
		},
	}
	at.addFlags(c)
	c.Flags().StringVar(&file, "token-file", "", "file with the token and nothing else, or - for the standard input (required)")
	cobra.CheckErr(c.MarkFlagRequired("token-file"))
	return c
}

// readToken reads a token without the white space around it, such as the end of its line.
func readToken(stdin io.Reader, path string) (string, error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return "", fmt.Errorf("read the token: %w", err)
		}
		defer f.Close()
		in = f
	}
	content, err := io.ReadAll(io.LimitReader(in, maxTokenFile+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("read the token: %w", err)
	case len(content) > maxTokenFile:
		return "", fmt.Errorf("read the token: %s has more than %d bytes, and no token has: name the file with the token alone", path, maxTokenFile)
	}
	token := strings.TrimSpace(string(content))
	if token == "" {
		return "", errors.New("read the token: " + path + " is empty")
	}
	return token, nil
}
