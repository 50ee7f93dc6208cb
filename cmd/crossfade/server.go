package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"crossfade/internal/config"
	"crossfade/internal/server"
	"crossfade/internal/sigv4"
	"crossfade/internal/telemetry"
)

// serverFlags says which flag sets which key of the configuration.
var serverFlags = map[string]string{
	"listen": "listen", "data": "data", "store": "store", "region": "region", "account": "account", "endpoint": "endpoint",
	"insecure-plain-http": "insecurePlainHttp", "tls": "tls.on", "tls-cert": "tls.cert", "tls-key": "tls.key", "log-level": "log.level", "log-format": "log.format",
}

func newServerCommand() *cobra.Command {
	var file, output string
	defaults := config.Default()
	c := &cobra.Command{
		Use: "server", Short: "Run a server", Args: cobra.NoArgs,
		Long: `Run a server: the CodeDeploy API, the agents' door, the revision store and the load balancer, on one endpoint.

With nothing given it listens on ` + defaults.Listen + `, keeps its state in the directory ` + defaults.Data + ` of the working directory, and prints the
root access key that it makes at the first start; it is not shown again. CROSSFADE_ROOT_ACCESS_KEY_ID and
CROSSFADE_ROOT_SECRET_ACCESS_KEY give the key instead. SIGTERM and SIGINT end the server in good order, a second one at once.

Beyond loopback it speaks TLS, with --tls-cert and --tls-key or with a certificate of its own authority, which it makes at the first start: the
file and its fingerprint are printed, clients trust it with AWS_CA_BUNDLE, and hosts that enrol with a join token know it by the token.

With --store any number of servers share one PostgreSQL database and serve the same API. Keep its password in PGPASSWORD, or in a file that
PGPASSFILE names.

The configuration is one YAML file (--config or CROSSFADE_CONFIG), over it CROSSFADE_* variables, over them the flags.`,
		Example: `  crossfade server
  crossfade server --listen 127.0.0.1:0 --data /var/lib/crossfade --output json
  crossfade server --config examples/crossfade.yaml`,
		RunE: func(c *cobra.Command, _ []string) error {
			environ := os.Environ()
			if file == "" {
				file = variable(environ, "CROSSFADE_CONFIG")
			}
			cfg, err := config.Load(config.Sources{File: file, Environ: environ, Flags: c.Flags(), FlagKeys: serverFlags})
			if err != nil {
				return &usageError{err}
			}
			root, err := rootFrom(environ)
			if err != nil {
				return &usageError{err}
			}
			log, err := telemetry.NewLogger(c.ErrOrStderr(), cfg.Log.Level, cfg.Log.Format)
			if err != nil {
				return &usageError{err}
			}
			s, err := server.Start(c.Context(), server.Options{Config: cfg, Root: root, Log: log, Version: version()})
			if err != nil {
				return err
			}
			if err := announce(c.OutOrStdout(), output, s, cfg, root); err != nil {
				return errors.Join(err, s.Stop(context.WithoutCancel(c.Context())))
			}
			return serveUntilStopped(c.Context(), s, cfg.Linger+cfg.ShutdownTimeout)
		},
	}
	f := c.Flags()
	f.StringVar(&file, "config", "", "YAML file (default: $CROSSFADE_CONFIG)")
	f.String("listen", defaults.Listen, "host:port of the endpoint; port 0 takes a free one")
	f.String("data", defaults.Data, "directory of everything that must survive")
	f.String("store", "", "postgres://user@host/database that several servers share (default: SQLite in the data directory)")
	f.String("region", defaults.Region, "region that clients sign for")
	f.String("account", defaults.Account, "account of the root access key")
	f.String("endpoint", "", "URL by which clients reach the server (default: where it listens)")
	f.Bool("tls", false, "speak TLS on a loopback address too")
	f.Bool("insecure-plain-http", false, "speak plain HTTP on an address that other machines reach: whoever is on the way reads bundles, session tokens and\nall that is said, and can change what hosts run")
	f.String("tls-cert", "", "PEM file with the server's certificate (default: one of the server's own authority)")
	f.String("tls-key", "", "PEM file with the certificate's key")
	f.String("log-level", defaults.Log.Level, "debug, info, warn or error")
	f.String("log-format", defaults.Log.Format, "text or json")
	addOutputFlag(c, &output)
	return c
}

// serveUntilStopped waits for a signal or a fault, and stops the server.
func serveUntilStopped(ctx context.Context, s *server.Server, timeout time.Duration) error {
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-s.Failed():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	return errors.Join(failed, s.Stop(end))
}

// announce says where the server is. A key that was made just now is shown; one that was given is not.
func announce(w io.Writer, output string, s *server.Server, cfg config.Config, given sigv4.Credential) error {
	made := s.Root()
	if made == given {
		made = sigv4.Credential{}
	}
	about := struct {
		Endpoint        string `json:"endpoint"`
		Listen          string `json:"listen"`
		Data            string `json:"data"`
		Region          string `json:"region"`
		Account         string `json:"account"`
		CAFile          string `json:"caFile,omitempty"`
		CAFingerprint   string `json:"caFingerprint,omitempty"`
		AccessKeyID     string `json:"accessKeyId,omitempty"`
		SecretAccessKey string `json:"secretAccessKey,omitempty"`
	}{s.Endpoint(), s.Addr(), cfg.Data, cfg.Region, cfg.Account, "", "", made.AccessKeyID, made.SecretAccessKey}
	if file, fingerprint, ok := s.OwnAuthority(); ok {
		about.CAFile, about.CAFingerprint = file, "sha256:"+fingerprint
	}
	if output == "json" {
		return json.NewEncoder(w).Encode(about) // on one line: whoever starts the server reads up to its end
	}
	at := about.Endpoint
	if cfg.Endpoint != "" { // something is before it
		at = about.Listen + ", which clients reach as " + about.Endpoint
	}
	_, err := fmt.Fprintf(w, "listening on %s, data in %s, region %s, account %s\n", at, about.Data, about.Region, about.Account)
	if err == nil && about.CAFile != "" {
		_, err = fmt.Fprintf(w, "its certificate is from its own authority, %s\nclients trust it with\n\nexport AWS_CA_BUNDLE=%s\n", about.CAFingerprint, about.CAFile)
	}
	if err != nil || about.AccessKeyID == "" {
		return err
	}
	_, err = fmt.Fprintf(w, `
This is the root access key. It is shown this once; keep it.

export AWS_ACCESS_KEY_ID=%s
export AWS_SECRET_ACCESS_KEY=%s
export AWS_REGION=%s
export AWS_ENDPOINT_URL=%s

`, about.AccessKeyID, about.SecretAccessKey, about.Region, about.Endpoint)
	return err
}
