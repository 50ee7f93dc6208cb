package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"crossfade/internal/backup"
	"crossfade/internal/config"
	"crossfade/internal/store/sqlite"
)

// place is where a server keeps its state.
type place struct{ file string }

func (p *place) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&p.file, "config", "", "YAML file of the server (default: $CROSSFADE_CONFIG)")
	f.String("data", config.Default().Data, "data directory")
	f.String("store", "", "postgres://… of a server that keeps its state there (default: $CROSSFADE_STORE; none: SQLite in the data directory)")
}

// load is the configuration.
func (p *place) load(c *cobra.Command) (config.Config, error) {
	environ := os.Environ()
	if p.file == "" {
		p.file = variable(environ, "CROSSFADE_CONFIG")
	}
	cfg, err := config.Load(config.Sources{File: p.file, Environ: environ, Flags: c.Flags(), FlagKeys: map[string]string{"data": "data", "store": "store"}})
	if err != nil {
		return cfg, &usageError{err}
	}
	return cfg, nil
}

// find is the configuration and the database.
func (p *place) find(c *cobra.Command) (config.Config, backup.Database, error) {
	cfg, err := p.load(c)
	if err != nil {
		return cfg, nil, err
	}
	if cfg.Store != "" {
		return cfg, backup.Postgres{URL: cfg.Store}, nil
	}
	return cfg, sqlite.Snapshots{Dir: cfg.Data}, nil
}

// secretsHelp says what the file is.
const secretsHelp = `The file has every key of the server, those that open its secrets among them: keep it as you keep the server.`

func newBackupCommand() *cobra.Command {
	var at place
	var output string
	c := &cobra.Command{
		Use: "backup FILE", Short: "Write all of a server's state into one file, while it runs", Args: cobra.ExactArgs(1),
		Long: `Write all of a server's state into one file: the database as it is at one moment, keys, the server's own authority, bundles, the audit log.
It is run on the server's machine as the server's user, whether the server runs or not, and nobody waits for it. A tar with a manifest of SHA-256
sums at its end comes of it, readable by its owner only. Beside it there must be room for the database once more while it is made.

With --store the database is copied by pg_dump, which must be on the PATH and not older than PostgreSQL's server.

` + secretsHelp,
		Example: `  crossfade backup /backup/crossfade-$(date +%F).tar --data /var/lib/crossfade
  crossfade backup crossfade.tar --config /etc/crossfade.yaml --store postgres://crossfade@db.example.com/crossfade`,
		RunE: func(c *cobra.Command, args []string) error {
			cfg, database, err := at.find(c)
			if err != nil {
				return err
			}
			m, err := backup.Write(c.Context(), backup.Options{
				Data: cfg.Data, Bundles: cfg.Revisions.Directory, Database: database, File: args[0], Version: version(), Now: time.Now,
			})
			if err != nil {
				return interrupted(err)
			}
			return print(c.OutOrStdout(), output, m, func(w io.Writer) error { return printManifest(w, args[0]+" has", m) })
		},
	}
	at.addFlags(c)
	addOutputFlag(c, &output)
	return c
}

func newRestoreCommand() *cobra.Command {
	var at place
	var output string
	var only bool
	c := &cobra.Command{
		Use: "restore FILE", Short: "Make a data directory of a backup", Args: cobra.ExactArgs(1),
		Long: `Make a data directory, and with --store a PostgreSQL database, of a backup. Directory and database must be empty or not there. The whole file is
held against its manifest before anything is written; what fails leaves nothing.

A server that is started on the directory goes on where the backup was made: deployments that waited still wait, or go on at once when their
time has come meanwhile. What happened after the backup is unknown to it. Stop the server that the backup is of before you start this one: two
of them would both tell the same hosts what to do, and move the same traffic.

With --verify the file is checked and nothing is written.

` + secretsHelp,
		Example: `  crossfade restore crossfade.tar --data /var/lib/crossfade
  crossfade restore crossfade.tar --data /var/lib/crossfade --store postgres://crossfade@db.example.com/crossfade
  crossfade restore crossfade.tar --verify`,
		RunE: func(c *cobra.Command, args []string) error {
			if only {
				m, err := backup.Verify(c.Context(), args[0])
				if err != nil {
					return interrupted(err)
				}
				return print(c.OutOrStdout(), output, m, func(w io.Writer) error { return printManifest(w, args[0]+" is whole:", m) })
			}
			cfg, database, err := at.find(c)
			if err != nil {
				return err
			}
			m, err := backup.Restore(c.Context(), backup.RestoreOptions{File: args[0], Data: cfg.Data, Database: database})
			if err != nil {
				return interrupted(err)
			}
			return print(c.OutOrStdout(), output, m, func(w io.Writer) error {
				if err := printManifest(w, cfg.Data+" was made of", m); err != nil || cfg.Revisions.Directory == "" {
					return err
				}
				_, err := fmt.Fprintf(w, "the bundles are in %s: move what is in it to %s, where the configuration has them\n", filepath.Join(cfg.Data, "revisions"), cfg.Revisions.Directory)
				return err
			})
		},
	}
	at.addFlags(c)
	addOutputFlag(c, &output)
	c.Flags().BoolVar(&only, "verify", false, "check the file and write nothing")
	return c
}

// interrupted tells an interruption from a failure.
func interrupted(err error) error {
	if errors.Is(err, context.Canceled) {
		return errInterrupted
	}
	return err
}

func printManifest(w io.Writer, what string, m backup.Manifest) error {
	_, err := fmt.Fprintf(w, "%s %d files, %.1f MiB, database %s, of %s\n", what, len(m.Files), float64(m.Bytes())/(1<<20), m.Database, m.MadeAt.Format(time.RFC3339))
	for _, name := range m.LeftOut {
		if err == nil {
			_, err = fmt.Fprintf(w, "left out, because it is neither file nor directory: %s\n", name)
		}
	}
	return err
}
