package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
)

// Postgres copies a PostgreSQL database with its own programs, pg_dump and pg_restore, which know every version and type of it. They must be on the
// PATH, not older than the database's server.
type Postgres struct{ URL string }

// Kind implements Database.
func (Postgres) Kind() string { return "postgres" }

// Files implements Database. A server on PostgreSQL has no database in its data directory; one that was moved there may still have the old one.
func (Postgres) Files() []string {
	return []string{"crossfade.db", "crossfade.db-wal", "crossfade.db-shm", "crossfade.lock"}
}

// Copy implements Database: a dump in pg_dump's own format, of one moment.
func (p Postgres) Copy(ctx context.Context, file string) error {
	return p.run(ctx, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--file="+file)
}

// Restore implements Database, whole or not at all. Tables that are there already make it fail.
func (p Postgres) Restore(ctx context.Context, file string) error {
	return p.run(ctx, "pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", file)
}

// run starts a program with the address of the database. The password goes by the environment, because everybody sees the arguments of a process.
func (p Postgres) run(ctx context.Context, program string, args ...string) error {
	u, err := url.Parse(p.URL)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return errors.New("the store is no URL such as postgres://user@host/database")
	}
	environ := os.Environ()
	if password, ok := u.User.Password(); ok {
		environ = append(environ, "PGPASSWORD="+password)
		u.User = url.User(u.User.Username())
	}
	if query := u.Query(); query.Has("password") {
		environ = append(environ, "PGPASSWORD="+query.Get("password"))
		query.Del("password")
		u.RawQuery = query.Encode()
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return fmt.Errorf("find %s: %w; install PostgreSQL's client programs, or copy the database with your own tools and the data directory as files", program, err)
	}
	var said bytes.Buffer
	c := exec.CommandContext(ctx, path, append(args, "--dbname="+u.String())...)
	c.Env, c.Stderr = environ, &said
	if err := c.Run(); err != nil {
		text := strings.TrimSpace(said.String())
		if strings.Contains(text, "already exists") {
			return fmt.Errorf("the database has tables already: name one that is empty, so that nothing is lost (%s)", text)
		}
		return fmt.Errorf("%s: %w: %s", program, err, text)
	}
	return nil
}
