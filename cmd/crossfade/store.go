package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"crossfade/internal/config"
	contract "crossfade/internal/store"
	"crossfade/internal/store/postgres"
	"crossfade/internal/store/sqlite"
	"crossfade/internal/store/transfer"
)

const storeHelp = `The store is the one that the server's configuration names: --store or CROSSFADE_STORE, else SQLite in the data directory. Keep a password in PGPASSWORD
or in a file that PGPASSFILE names, not on the command line.`

func newStoreCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "store", Short: "Look after the database without a server", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newStoreCheckCommand(), newStoreMigrateCommand(), newStoreCopyCommand())
	return c
}

// inspected is what crossfade store check tells.
type inspected struct {
	Store string `json:"store"`
	contract.Inspection
}

func newStoreCheckCommand() *cobra.Command {
	var at place
	var output string
	c := &cobra.Command{
		Use: "check", Short: "Tell a database's version and size, and whether it is whole", Args: cobra.NoArgs,
		Long: `Tell the version of a database's schema, count its rows, and look for rows that contradict each other; nothing is changed, and a server may have it
open. Of SQLite every page and index is held against the others; PostgreSQL's own pg_amcheck does that there. What is not as it must be is told, and
the exit code is 1 then.

` + storeHelp,
		Example: "  crossfade store check --data /var/lib/crossfade\n  crossfade store check --store postgres://crossfade@db.example.com/crossfade --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := at.load(c)
			if err != nil {
				return err
			}
			out := inspected{Store: cfg.StoreName()}
			if cfg.Store != "" {
				out.Inspection, err = postgres.Inspect(c.Context(), cfg.Store, true)
			} else {
				out.Inspection, err = sqlite.Inspect(c.Context(), cfg.Data, true)
			}
			if err != nil {
				return interrupted(err)
			}
			if err := print(c.OutOrStdout(), output, out, func(w io.Writer) error { return printInspected(w, out) }); err != nil {
				return err
			}
			switch n := len(out.Problems); {
			case n > 0:
				return fmt.Errorf("%d problems were found: stop the servers, and restore a backup", n)
			case out.Schema > out.Known:
				return errors.New("a newer Crossfade has written the database: use that version")
			}
			return nil
		},
	}
	at.addFlags(c)
	addOutputFlag(c, &output)
	return c
}

func printInspected(w io.Writer, out inspected) error {
	var b strings.Builder
	version := fmt.Sprintf("schema %d", out.Schema)
	switch {
	case out.Schema == 0:
		version = "no tables yet"
	case out.Schema < out.Known:
		version += fmt.Sprintf(", which is brought to %d by the next start of a server, or by crossfade store migrate", out.Known)
	case out.Schema > out.Known:
		version += fmt.Sprintf(", and this Crossfade knows %d", out.Known)
	}
	fmt.Fprintf(&b, "%s: %s\n", out.Store, version)
	for _, t := range out.Tables {
		fmt.Fprintf(&b, "%12d  %s\n", t.Rows, t.Name)
	}
	for _, p := range out.Problems {
		fmt.Fprintf(&b, "problem: %s\n", p)
	}
	if len(out.Problems) == 0 && out.Schema > 0 {
		b.WriteString("no problems were found\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// migrated is what crossfade store migrate tells.
type migrated struct {
	Store string `json:"store"`
	From  int64  `json:"from"` // 0: there were no tables
	To    int64  `json:"to"`
}

func newStoreMigrateCommand() *cobra.Command {
	var at place
	var output string
	c := &cobra.Command{
		Use: "migrate", Short: "Bring a database's schema up to date", Args: cobra.NoArgs,
		Long: `Make the tables of a database, or bring them to the version of this Crossfade, as the start of a server does. It serves those whose servers may not
change tables, and those who want to see it done before. SQLite must not be in use by a server.

` + storeHelp,
		Example: "  crossfade store migrate --store postgres://owner@db.example.com/crossfade",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := at.load(c)
			if err != nil {
				return err
			}
			out := migrated{Store: cfg.StoreName()}
			if cfg.Store != "" {
				out.From, out.To, err = postgres.Migrate(c.Context(), cfg.Store, quiet())
			} else {
				out.From, out.To, err = sqlite.Migrate(c.Context(), cfg.Data, quiet())
			}
			if err != nil {
				return interrupted(err)
			}
			return print(c.OutOrStdout(), output, out, func(w io.Writer) error {
				said := fmt.Sprintf("brought from schema %d to %d", out.From, out.To)
				switch out.From {
				case 0:
					said = fmt.Sprintf("made with schema %d", out.To)
				case out.To:
					said = fmt.Sprintf("has schema %d already", out.To)
				}
				_, err := fmt.Fprintf(w, "%s: %s\n", out.Store, said)
				return err
			})
		},
	}
	at.addFlags(c)
	addOutputFlag(c, &output)
	return c
}

// copied is what crossfade store copy tells.
type copied struct {
	From   string           `json:"from"`
	To     string           `json:"to"`
	Rows   int64            `json:"rows"`
	Tables []transfer.Moved `json:"tables"`
}

func newStoreCopyCommand() *cobra.Command {
	var at place
	var output string
	c := &cobra.Command{
		Use: "copy", Short: "Copy everything from SQLite to an empty PostgreSQL", Args: cobra.NoArgs,
		Long: `Copy everything that the SQLite database in the data directory has into an empty PostgreSQL database, the one of --store. The server must be stopped.
One transaction writes all: what fails leaves nothing. Each table is read again before the end, and its rows and their digest must be the same.

SQLite is left as it is, for the way back. Servers that are started with --store go on where it was stopped: deployments that waited still wait.
Keep the data directory: keys, the server's own authority, bundles and the audit log stay there. Move crossfade.db out of it once you are content,
so that nobody starts a server on it again.

` + storeHelp,
		Example: "  crossfade store copy --data /var/lib/crossfade --store postgres://crossfade@db.example.com/crossfade",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := at.load(c)
			if err != nil {
				return err
			}
			if cfg.Store == "" {
				return &usageError{errors.New("name the PostgreSQL database to copy to with --store")}
			}
			from := cfg
			from.Store = ""
			out := copied{From: from.StoreName(), To: cfg.StoreName()}
			if out.Tables, err = copyStore(c.Context(), cfg, c.ErrOrStderr()); err != nil {
				return interrupted(err)
			}
			for _, t := range out.Tables {
				out.Rows += t.Rows
			}
			return print(c.OutOrStdout(), output, out, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "copied %d rows of %d tables from %s to %s\nstart servers with --store from now on\n", out.Rows, len(out.Tables), out.From, out.To)
				return err
			})
		},
	}
	at.addFlags(c)
	addOutputFlag(c, &output)
	return c
}

// copyStore copies, and says on progress which tables are done.
func copyStore(ctx context.Context, cfg config.Config, progress io.Writer) (moved []transfer.Moved, err error) {
	// Open would make a database where there is none.
	if _, err := sqlite.Inspect(ctx, cfg.Data, false); err != nil {
		return nil, err
	}
	from, err := sqlite.Open(ctx, cfg.Data, quiet())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := postgres.Open(ctx, cfg.Store, quiet())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	err = from.Export(ctx, func(source transfer.Source) error {
		return to.Import(ctx, func(target transfer.Target) error {
			var said error
			moved, err = transfer.Copy(ctx, source, target, func(m transfer.Moved) {
				_, err := fmt.Fprintf(progress, "%12d  %s\n", m.Rows, m.Table)
				said = errors.Join(said, err)
			})
			return errors.Join(err, said)
		})
	})
	return moved, err
}

// quiet is for what is told in other ways.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
