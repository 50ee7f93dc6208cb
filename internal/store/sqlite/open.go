package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"crossfade/internal/store"
	"crossfade/internal/store/relational"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver
)

// Store is a database in a data directory. Make one with Open.
type Store struct {
	*relational.Store
	dir    string
	log    *slog.Logger
	lock   *os.File
	readDB *sql.DB
	read   *pool
	write  *relational.Writer
	writer *session // write's
}

var _ store.Store = (*Store)(nil)

// Open opens the database in the data directory, makes directory and database where there are none, and brings an older schema up to date.
// It fails when another server has the directory open, and when the database was written by a newer Crossfade.
func Open(ctx context.Context, dir string, log *slog.Logger) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the data directory: %w", err)
	}
	if err := prepareDirectory(dir, log); err != nil {
		return nil, err
	}
	s := &Store{dir: dir, log: log}
	if s.lock, err = lockDirectory(dir); err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the database in %s: %w", dir, err), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	writeDB, err := sql.Open("sqlite", s.dsn("journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "busy_timeout(10000)",
		"cache_size(-32768)", "temp_store(MEMORY)", "wal_autocheckpoint(4000)", "journal_size_limit(67108864)"))
	if err != nil {
		return err
	}
	writeDB.SetMaxOpenConns(1)
	if err := s.migrate(ctx, writeDB); err != nil {
		return errors.Join(err, writeDB.Close())
	}
	conn, err := writeDB.Conn(ctx)
	if err != nil {
		return errors.Join(err, writeDB.Close())
	}
	s.writer = &session{tx: &tx{conn: conn, statements: map[string]*sql.Stmt{}}, db: writeDB}
	s.write = relational.NewWriter(s.writer)
	if s.readDB, err = sql.Open("sqlite", s.dsn("query_only(1)", "busy_timeout(10000)", "cache_size(-8192)", "temp_store(MEMORY)")); err != nil {
		return err
	}
	readers := max(4, 2*runtime.GOMAXPROCS(0))
	s.readDB.SetMaxOpenConns(readers)
	s.readDB.SetMaxIdleConns(readers)
	s.read = newPool(s.readDB)
	s.Store = relational.New(s.read, s.write, true)
	return s.readDB.PingContext(ctx)
}

func (s *Store) dsn(pragmas ...string) string {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Join(s.dir, databaseFile)), RawQuery: url.Values{"_pragma": pragmas}.Encode()}
	return u.String()
}

//go:embed migrations/*.sql
var migrations embed.FS

func (s *Store) migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true), goose.WithSlog(s.log))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	is, known, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if is > known {
		return fmt.Errorf("a newer Crossfade wrote it (schema %d, this one knows %d): start that version again, or restore a backup from before the upgrade", is, known)
	}
	done, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("bring the schema up to date: %w", err)
	}
	for _, m := range done {
		s.log.Info("schema brought up to date", "migration", filepath.Base(m.Source.Path), "took", m.Duration)
	}
	return nil
}

// Ping implements store.Store. It writes, because a full disk still reads.
func (s *Store) Ping(ctx context.Context) error {
	err := s.write.Do(ctx, func(t relational.Tx) error {
		_, err := t.Exec(`INSERT INTO ping (id, at) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at`, time.Now().UnixNano())
		return err
	})
	if err != nil {
		return fmt.Errorf("write to the database in %s: %w", s.dir, err)
	}
	if err := s.readDB.PingContext(ctx); err != nil {
		return fmt.Errorf("read the database in %s: %w", s.dir, err)
	}
	return nil
}

// Close implements store.Store. It waits for writes and reads under way; later calls fail. It may be called again.
func (s *Store) Close() error {
	var errs []error
	if s.read != nil {
		errs = append(errs, s.read.close())
	}
	if s.readDB != nil {
		errs = append(errs, s.readDB.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	// The lock goes last, and with the file: nobody else may come before the database is closed.
	if err := s.lock.Close(); !errors.Is(err, os.ErrClosed) {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close the database in %s: %w", s.dir, err)
	}
	return nil
}

// Registrations returns the registry of the built-in load balancer in the store: Registrations[builtin.Registration](s) is a builtin.Registry.
func Registrations[R relational.Registration](s *Store) relational.Registry[R] {
	return relational.Registrations[R](s.Store)
}
