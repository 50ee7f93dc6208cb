package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"crossfade/internal/store"
	"crossfade/internal/store/relational"
)

// writeLock is the advisory lock that one transaction holds in all servers. The number means nothing.
const writeLock = 7_305_808_869_229_538_160

// session is the one connection of this server that writes. It is made when it is needed, and anew after it was lost.
type session struct {
	*dialect
	db   *sql.DB
	conn *sql.Conn // nil: there is none now
	// broken is the first error that leaves the transaction in doubt. After it nothing more is executed.
	broken error
	// aborted is a violated constraint, after which the database takes nothing but going back to the savepoint.
	aborted error
}

var (
	_ relational.Session = (*session)(nil)
	_ relational.Clock   = (*session)(nil)
)

// patience bounds one statement of a write, so that a database that does not answer ends the write and not the server.
const patience = 30 * time.Second

func limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// Begin implements relational.Session. A connection that broke while nobody used it is tried once more, since nothing was written yet.
func (s *session) Begin() error {
	fresh := s.conn == nil
	err := s.begin()
	if err != nil && !fresh {
		err = s.begin()
	}
	return err
}

func (s *session) begin() error {
	s.broken, s.aborted = nil, nil
	ctx, cancel := limited()
	defer cancel()
	if s.conn == nil {
		conn, err := s.db.Conn(ctx)
		if err != nil {
			return err
		}
		s.conn = conn
	}
	_, err := s.conn.ExecContext(ctx, `BEGIN`)
	if err == nil {
		_, err = s.conn.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(writeLock))
	}
	if err != nil {
		s.drop()
	}
	return err
}

// drop gives the connection up. The database takes back what was not committed.
func (s *session) drop() {
	if s.conn == nil {
		return
	}
	// ErrBadConn keeps it from going back into the pool. It is as broken as it will ever be, so what its end says is no news.
	if err := s.conn.Raw(func(any) error { return driver.ErrBadConn }); err == nil {
		s.broken = errors.Join(s.broken, s.conn.Close())
	}
	s.conn = nil
}

// control runs a statement that steers the transaction. When it fails the transaction is broken.
func (s *session) control(query string) {
	if s.broken == nil {
		_, s.broken = s.exec(query)
	}
}

func (s *session) exec(query string, args ...any) (int64, error) {
	ctx, cancel := limited()
	defer cancel()
	r, err := s.conn.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// Savepoint implements relational.Session.
func (s *session) Savepoint() { s.control(`SAVEPOINT member`) }

// RollbackTo implements relational.Session.
func (s *session) RollbackTo() {
	s.aborted = nil
	s.control(`ROLLBACK TO SAVEPOINT member`)
}

// Release implements relational.Session.
func (s *session) Release() { s.control(`RELEASE SAVEPOINT member`) }

// Commit implements relational.Session. After an error the transaction may have been committed nevertheless, when the connection was lost on the
// way. What was aborted is refused here: PostgreSQL would answer a COMMIT of it with success, and roll it back.
func (s *session) Commit() error {
	if s.aborted != nil {
		return s.aborted
	}
	s.control(`COMMIT`)
	return s.broken
}

// Rollback implements relational.Session.
func (s *session) Rollback() {
	s.broken, s.aborted = nil, nil
	if s.conn == nil {
		return
	}
	if s.control(`ROLLBACK`); s.broken != nil {
		s.drop()
	}
	s.broken = nil
}

// Close implements relational.Session.
func (s *session) Close() error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}

// Broken implements relational.Tx.
func (s *session) Broken() error { return s.broken }

// usable is why nothing more can be executed.
func (s *session) usable() error {
	if s.broken != nil {
		return s.broken
	}
	return s.aborted
}

// doubt sorts errors. A violated constraint costs the member its work and nobody else.
func (s *session) doubt(err error) error {
	if kind := constraint(err); kind != nil {
		s.aborted = fmt.Errorf("%w: %w", kind, err)
		return s.aborted
	}
	s.broken = err
	return err
}

// The classes of errors that are about a constraint: see PostgreSQL's appendix of error codes.
const (
	foreignKeyViolation = "23503"
	constraintClass     = "23"
)

func constraint(err error) error {
	said, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case !ok || len(said.Code) != 5 || said.Code[:2] != constraintClass:
		return nil
	case said.Code == foreignKeyViolation:
		return store.ErrNotFound
	default:
		return store.ErrExists
	}
}

// Exec implements relational.Tx.
func (s *session) Exec(query string, args ...any) (int64, error) {
	if err := s.usable(); err != nil {
		return 0, err
	}
	n, err := s.exec(s.say(query), values(args)...)
	if err != nil {
		return 0, s.doubt(err)
	}
	return n, nil
}

// Row implements relational.Reader.
func (s *session) Row(_ context.Context, query string, args []any, into ...any) error {
	if err := s.usable(); err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	err := s.conn.QueryRowContext(ctx, s.say(query), values(args)...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	if err != nil {
		return s.doubt(err)
	}
	return nil
}

// Each implements relational.Reader.
func (s *session) Each(_ context.Context, query string, args []any, scan func(*sql.Rows) (bool, error)) error {
	if err := s.usable(); err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	rows, err := s.conn.QueryContext(ctx, s.say(query), values(args)...)
	if err != nil {
		return s.doubt(err)
	}
	return eachRow(rows, scan)
}

// Now implements relational.Clock.
func (s *session) Now(ctx context.Context) (time.Time, error) {
	var at time.Time
	if err := s.Row(ctx, `SELECT clock_timestamp()`, nil, &at); err != nil {
		return time.Time{}, fmt.Errorf("read the database's clock: %w", err)
	}
	return at.UTC(), nil
}

func eachRow(rows *sql.Rows, scan func(*sql.Rows) (bool, error)) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		more, err := scan(rows)
		if err != nil || !more {
			return err
		}
	}
	return rows.Err()
}
