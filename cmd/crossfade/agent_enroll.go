package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"crossfade/internal/agent/enroll"
	"crossfade/internal/join"
)

// defaultDirectory is where an enrolled host's identity is, unless told otherwise.
func defaultDirectory() string {
	if runtime.GOOS == "windows" {
		return `C:\ProgramData\Crossfade\agent`
	}
	return "/etc/crossfade-agent"
}

// maxTokenInput bounds what is read of a file or of standard input, in bytes.
const maxTokenInput = 64 << 10

// readJoinToken reads a join token that is given by itself, as @file, or as - for standard input.
func readJoinToken(given string, in io.Reader) (join.Token, error) {
	file, isFile := strings.CutPrefix(given, "@")
	switch {
	case given == "-":
	case isFile:
		f, err := os.Open(file)
		if err != nil {
			return join.Token{}, fmt.Errorf("read the join token: %w", err)
		}
		defer f.Close()
		in = f
	default:
		in = strings.NewReader(given)
	}
	content, err := io.ReadAll(io.LimitReader(in, maxTokenInput))
	if err != nil {
		return join.Token{}, fmt.Errorf("read the join token: %w", err)
	}
	return join.ParseToken(string(content))
}

func newAgentEnrollCommand() *cobra.Command {
	var o enroll.Options
	var token, dir, ca, output string
	var tags []string
	c := &cobra.Command{
		Use: "enroll", Short: "Get this host its identity with a join token", Args: cobra.NoArgs,
		Long: `Get this host an identity of its own with a join token that crossfade host token made: the server registers the host, and --dir gets the host's
identity, its credentials, and the certificates that the server and signers of deployments are checked against. The credentials hold for an hour;
crossfade agent renews them from then on.

Give the token by a file or on standard input: what is on a command line, every user of this machine can see.

The server is known by the fingerprint of its authority in the token, before anything is said to it. The directory is as good for the official
agent: host.yml in it is an on-premises configuration file, and crossfade agent install --renew-only keeps the credentials in it fresh.`,
		Example: `  crossfade agent enroll --token @join-token
  ssh admin@server crossfade host token --name web-1 | sudo crossfade agent enroll --token -
  sudo crossfade agent install --now`,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if o.Token, err = readJoinToken(token, c.InOrStdin()); err != nil {
				return &usageError{err}
			}
			if o.Tags, err = parseTags(tags); err != nil {
				return err
			}
			if ca != "" {
				if o.Authorities, err = os.ReadFile(ca); err != nil {
					return &usageError{fmt.Errorf("read --ca: %w", err)}
				}
			}
			if o.Name == "" && o.Token.Name == "" {
				if o.Name, err = os.Hostname(); err != nil {
					return &usageError{fmt.Errorf("this machine has no name, so give one with --name: %w", err)}
				}
			}
			for _, p := range []*string{&dir, &o.Root} {
				if *p != "" {
					if *p, err = filepath.Abs(*p); err != nil {
						return &usageError{err}
					}
				}
			}
			o.Directory, o.Proxy, o.Now = enroll.Directory(dir), http.ProxyFromEnvironment, time.Now
			if err := o.Check(); err != nil {
				return &usageError{err}
			}
			host, err := enroll.Enroll(c.Context(), o)
			if err != nil {
				return err
			}
			about := struct {
				Name      string    `json:"name"`
				ARN       string    `json:"iamSessionArn"`
				Endpoint  string    `json:"endpoint"`
				Dir       string    `json:"dir"`
				ExpiresAt time.Time `json:"expiresAt"`
			}{host.Name, host.ARN, host.Endpoint, dir, host.Session.ExpiresAt.UTC()}
			return print(c.OutOrStdout(), output, about, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "host %s is enrolled at %s as %s; start its agent with\n  crossfade agent --dir %s\nor as a service with\n  crossfade agent install --dir %s --now\n",
					about.Name, about.Endpoint, about.ARN, dir, dir)
				return err
			})
		},
	}
	f := c.Flags()
	f.StringVar(&token, "token", "", "the join token: itself, @file, or - for standard input (required)")
	f.StringVar(&o.Name, "name", "", "the host's name (default: the token's, else this machine's)")
	f.StringVar(&o.Endpoint, "endpoint", "", "URL of the server (default: the token's)")
	f.StringVar(&dir, "dir", defaultDirectory(), "directory of the host's identity")
	f.StringVar(&o.Root, "root", "", "directory of deployments and progress, for the agent to know (default: the agent's own)")
	f.StringArrayVar(&tags, "tag", nil, "Key=Value, if the token allows it; may be given several times")
	f.StringVar(&ca, "ca", "", "PEM file with the certificates that the server's is checked against (default: what the token says, else the system's)")
	f.BoolVar(&o.Again, "again", false, "replace the host that --dir holds")
	f.BoolVar(&o.Plain, "plain-http", false, "accept a server without TLS beyond this machine: whoever listens gets the host's credentials")
	cobra.CheckErr(c.MarkFlagRequired("token"))
	addOutputFlag(c, &output)
	return c
}

func newAgentRenewCommand() *cobra.Command {
	var dir, output string
	c := &cobra.Command{
		Use: "renew", Short: "Renew this host's credentials once", Args: cobra.NoArgs,
		Long: `Renew the credentials of an enrolled host once, for hosts on which the official agent runs: crossfade agent install --renew-only does this every
twenty minutes. A running crossfade agent renews by itself.`,
		Example: "  crossfade agent renew\n  crossfade agent renew --dir /etc/crossfade-agent --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			d := enroll.Directory(dir)
			if _, err := d.Load(); err != nil {
				return &usageError{err}
			}
			s, err := renewer(d, slog.New(slog.DiscardHandler), nil).Renew(c.Context())
			if err != nil {
				return err
			}
			about := struct {
				ExpiresAt  time.Time `json:"expiresAt"`
				RenewUntil time.Time `json:"renewUntil"`
			}{s.ExpiresAt.UTC(), s.RenewUntil.UTC()}
			return print(c.OutOrStdout(), output, about, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "the credentials in %s hold until %s\n", dir, about.ExpiresAt.Format(time.RFC3339))
				return err
			})
		},
	}
	c.Flags().StringVar(&dir, "dir", defaultDirectory(), "directory of the host's identity")
	addOutputFlag(c, &output)
	return c
}

func renewer(d enroll.Directory, log *slog.Logger, renewed func()) *enroll.Renewer {
	return &enroll.Renewer{Directory: d, Proxy: http.ProxyFromEnvironment, Now: time.Now, Chance: rand.Float64, Renewed: renewed, Log: log}
}

// useDirectory takes what was not said on the command line from the directory of an enrolled host. The default one counts when nothing else says who
// the host is. It returns the directory, or nothing when the agent runs without one.
func (a *agentFlags) useDirectory(environ []string, c *cobra.Command) (enroll.Directory, error) {
	given := c.Flags().Changed
	d := enroll.Directory(a.dir)
	if !given("dir") {
		if given("endpoint") || given("config") || given("agent-config") || variable(environ, "CROSSFADE_ENDPOINT") != "" || !d.Exists() {
			return "", nil
		}
	}
	s, err := d.Load()
	if err != nil {
		return "", err
	}
	for flag, p := range map[string]struct {
		to   *string
		from string
	}{
		"endpoint": {&a.endpoint, s.Endpoint}, "config": {&a.config, s.Host}, "ca": {&a.ca, s.CA}, "signer-ca": {&a.signer, s.SignerCA}, "root": {&a.root, s.Root},
	} {
		if !given(flag) && p.from != "" {
			*p.to = p.from
		}
	}
	return d, nil
}

// keepFresh renews the directory's credentials until stop is called. It goes on while a stopping agent finishes what it has begun.
func keepFresh(ctx context.Context, d enroll.Directory, log *slog.Logger, renewed func()) (stop func()) {
	if d == "" {
		return func() {}
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { renewer(d, log, renewed).Run(run) })
	return func() {
		cancel()
		running.Wait()
	}
}
