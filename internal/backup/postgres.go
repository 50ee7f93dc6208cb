package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"slices"
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

// run starts a program with the address of the database.
func (p Postgres) run(ctx context.Context, program string, args ...string) error {
	address, secrets, err := p.address()
	if err != nil {
		return err
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return fmt.Errorf("find %s: %w; install PostgreSQL's client programs, or copy the database with your own tools and the data directory as files", program, err)
	}
	var said bytes.Buffer
	c := exec.CommandContext(ctx, path, append(args, "--dbname="+address)...)
	c.Env, c.Stderr = append(os.Environ(), secrets...), &said
	if err := c.Run(); err != nil {
		text := strings.TrimSpace(said.String())
		if strings.Contains(text, "already exists") {
			return fmt.Errorf("the database has tables already: name one that is empty, so that nothing is lost (%s)", text)
		}
		return fmt.Errorf("%s: %w: %s", program, err, text)
	}
	return nil
}

// The parameters of a URL that libpq knows besides those of the session, and those that only the server's own driver knows, which say nothing about
// the database. Whatever else stands there is a parameter of the session. See "Connection URIs" and "Parameter Key Words" in libpq's documentation.
var (
	libpqParameters = []string{
		"host", "hostaddr", "port", "dbname", "user", "passfile", "require_auth", "channel_binding", "connect_timeout", "client_encoding", "options", "application_name",
		"fallback_application_name", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout", "gssencmode", "sslmode", "sslcert", "sslkey",
		"sslpassword", "sslcertmode", "sslrootcert", "sslcrl", "sslcrldir", "sslsni", "sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version", "krbsrvname", "gsslib",
		"gssdelegation", "service", "target_session_attrs", "load_balance_hosts",
	}
	driverParameters = []string{"default_query_exec_mode", "statement_cache_capacity", "description_cache_capacity", "krbspn"}
)

// address is the URL as PostgreSQL's programs read it, which refuse parameters of sessions that the server takes from it. The password goes by the
// environment, because everybody sees the arguments of a process.
func (p Postgres) address() (address string, environ []string, err error) {
	u, err := url.Parse(p.URL)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "", nil, errors.New("the store is no URL such as postgres://user@host/database")
	}
	if password, ok := u.User.Password(); ok {
		environ = append(environ, "PGPASSWORD="+password)
		u.User = url.User(u.User.Username())
	}
	given, taken := u.Query(), url.Values{}
	var session []string
	for _, name := range slices.Sorted(maps.Keys(given)) {
		switch value := given.Get(name); {
		case name == "password":
			environ = append(environ, "PGPASSWORD="+value)
		case name == "database":
			taken.Set("dbname", value)
		case slices.Contains(libpqParameters, name):
			taken.Set(name, value)
		case !slices.Contains(driverParameters, name):
			session = append(session, "-c "+name+"="+strings.NewReplacer(`\`, `\\`, " ", `\ `).Replace(value))
		}
	}
	if len(session) > 0 {
		taken.Set("options", strings.TrimSpace(taken.Get("options")+" "+strings.Join(session, " ")))
	}
	// libpq takes a + for what it is.
	u.RawQuery = strings.ReplaceAll(taken.Encode(), "+", "%20")
	return u.String(), environ, nil
}
