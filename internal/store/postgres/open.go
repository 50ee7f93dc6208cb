package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"crossfade/internal/store"
	"crossfade/internal/store/relational"
)

const (
	// stallLimit is how long a transaction may stand still, in milliseconds: its server was stopped or is cut off, and all others wait.
	stallLimit = "2000"
	// connectTimeout bounds one try to connect.
	connectTimeout = 10 * time.Second
	// idleLimit is how long a connection that nobody needs is kept.
	idleLimit = 5 * time.Minute
)

// Store is a database. Make one with Open.
type Store struct {
	*relational.Store
	config *pgx.ConnConfig
	log    *slog.Logger
	db     *sql.DB
	said   *dialect
	read   *pool
	write  *relational.Writer
}

var (
	_ store.Store    = (*Store)(nil)
	_ store.Replicas = (*Store)(nil)
	_ store.Secrets  = (*Store)(nil)
)

// Is reports whether a URL is one of a PostgreSQL.
func Is(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

// Open opens the database at the URL and brings an older schema up to date, or makes one where there is none. What the URL leaves out is taken from
// PostgreSQL's own variables and files (PGPASSWORD, PGPASSFILE, PGSSLROOTCERT …). It fails when the database was written by a newer Crossfade.
func Open(ctx context.Context, url string, log *slog.Logger) (*Store, error) {
	config, err := settings(url)
	if err != nil {
		return nil, err
	}
	set(config, byIndex)
	s := &Store{config: config, log: log}
	s.db = stdlib.OpenDB(*config)
	readers := max(8, 4*runtime.GOMAXPROCS(0))
	s.db.SetMaxOpenConns(readers)
	s.db.SetMaxIdleConns(readers)
	s.db.SetConnMaxIdleTime(idleLimit)
	err = s.suits(ctx)
	if err == nil {
		err = migrate(ctx, s.db, log)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the database %s: %w", s.name(), err), s.db.Close())
	}
	s.said = &dialect{}
	s.write = relational.NewWriter(&session{dialect: s.said, config: writing(config)})
	s.read = &pool{dialect: s.said, db: s.db, patience: patience}
	s.Store = relational.New(s.read, s.write, false)
	return s, nil
}

// settings reads a URL.
func settings(url string) (*pgx.ConnConfig, error) {
	if !Is(url) {
		return nil, errors.New("the store is no URL of a PostgreSQL, such as postgres://crossfade@db.example.com/crossfade")
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("read the URL of the database: %w", err)
	}
	config.ConnectTimeout = connectTimeout
	set(config, map[string]string{
		"application_name": "crossfade", "idle_in_transaction_session_timeout": stallLimit,
		"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3",
	})
	return config, nil
}

// set sets parameters of sessions that the URL does not.
func set(config *pgx.ConnConfig, parameters map[string]string) {
	for name, value := range parameters {
		if _, given := config.RuntimeParams[name]; !given {
			config.RuntimeParams[name] = value
		}
	}
}

// byIndex has the planner go by indexes, in their order, as every statement of package relational is made for and as SQLite can't but do. By its own
// guesses, which know neither the arguments nor how long a page is, it would read and sort ten thousand targets to find the next one.
var byIndex = map[string]string{
	"enable_seqscan": "off", "enable_bitmapscan": "off", "enable_sort": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
	"enable_material": "off", "random_page_cost": "0.05", "seq_page_cost": "0.05", "max_parallel_workers_per_gather": "0", "jit": "off",
}

// leastVersion is the oldest PostgreSQL that the store is held to work on, as server_version_num says it.
const leastVersion = 150_000

// suits holds that the database can keep what the store keeps.
func (s *Store) suits(ctx context.Context) error {
	var version int
	var encoding string
	err := s.db.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()`).
		Scan(&version, &encoding)
	switch {
	case err != nil:
		return fmt.Errorf("ask what it is: %w", err)
	case version < leastVersion:
		return fmt.Errorf("it is a PostgreSQL %d: use 15 or later", version/10_000)
	case encoding != "UTF8":
		return fmt.Errorf("its encoding is %s, which has not every letter: make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0", encoding)
	}
	return nil
}

// writing is the configuration of the connection that writes, which waits for a lock and must not for ever.
func writing(config *pgx.ConnConfig) *pgx.ConnConfig {
	config = config.Copy()
	set(config, map[string]string{"lock_timeout": writerPatience, "statement_timeout": writerPatience})
	return config
}

// name tells which database it is, without the password.
func (s *Store) name() string {
	return fmt.Sprintf("%s of %s on %s:%d", s.config.Database, s.config.User, s.config.Host, s.config.Port)
}

//go:embed migrations/*.sql
var migrations embed.FS

// provider knows the migrations. Servers that start at the same time migrate one after the other.
func provider(db *sql.DB, log *slog.Logger) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, fmt.Errorf("make the lock of migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithDisableGlobalRegistry(true), goose.WithSlog(log), goose.WithSessionLocker(locker))
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return p, nil
}

func migrate(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	p, err := provider(db, log)
	if err != nil {
		return err
	}
	is, known, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if is > known {
		return fmt.Errorf("a newer Crossfade wrote it (schema %d, this one knows %d): start that version, or restore a backup from before the upgrade", is, known)
	}
	done, err := p.Up(ctx)
	if err != nil {
		return fmt.Errorf("bring the schema up to date: %w", err)
	}
	for _, m := range done {
		log.Info("schema brought up to date", "migration", filepath.Base(m.Source.Path), "took", m.Duration)
	}
	return nil
}

// Ping implements store.Store. It writes nothing: all servers ask often, and would wait for each other.
func (s *Store) Ping(ctx context.Context) error {
	var standby, readOnly bool
	err := s.db.QueryRowContext(ctx, `SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::boolean`).Scan(&standby, &readOnly)
	switch {
	case err != nil:
		return fmt.Errorf("ask the database %s: %w", s.name(), err)
	case standby:
		return fmt.Errorf("the database %s is a standby, which takes no writes", s.name())
	case readOnly:
		return fmt.Errorf("the database %s takes no writes: default_transaction_read_only is on", s.name())
	}
	return nil
}

// Close implements store.Store. It waits for writes under way; later calls fail. It may be called again.
func (s *Store) Close() error {
	if err := errors.Join(s.write.Close(), s.db.Close()); err != nil {
		return fmt.Errorf("close the database %s: %w", s.name(), err)
	}
	return nil
}

// Registrations returns the registry of the built-in load balancer in the store: Registrations[builtin.Registration](s) is a builtin.Registry.
func Registrations[R relational.Registration](s *Store) relational.Registry[R] {
	return relational.Registrations[R](s.Store)
}

// pool is the connections that read.
type pool struct {
	*dialect
	db *sql.DB
	// patience bounds one read: a connection may be dead without anybody saying so, and whoever reads would wait for as long as the network tries. Zero: as
	// long as it takes.
	patience time.Duration
}

// bounded is a context that ends with patience, too.
func (p *pool) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if p.patience == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, p.patience)
}

// Row implements relational.Reader.
func (p *pool) Row(ctx context.Context, query string, args []any, into ...any) error {
	ctx, cancel := p.bounded(ctx)
	defer cancel()
	err := p.db.QueryRowContext(ctx, p.say(query), values(args)...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	return err
}

// Each implements relational.Reader.
func (p *pool) Each(ctx context.Context, query string, args []any, scan func(relational.Rows) (bool, error)) error {
	ctx, cancel := p.bounded(ctx)
	defer cancel()
	rows, err := p.db.QueryContext(ctx, p.say(query), values(args)...)
	if err != nil {
		return err
	}
	return eachRow(rows, scan)
}

func eachRow(rows *sql.Rows, scan func(relational.Rows) (bool, error)) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		more, err := scan(rows)
		if err != nil || !more {
			return err
		}
	}
	return rows.Err()
}
