package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"crossfade/internal/store"
	"crossfade/internal/store/relational"
)

// writeLock is the advisory lock that one transaction holds in all servers. The number means nothing.
const writeLock = 7_305_808_869_229_538_160

const (
	// patience bounds one journey to the database, so that one that does not answer ends the write and not the server.
	patience = 30 * time.Second
	// writerPatience has the database itself give up before, in milliseconds: then it is known that nothing was written.
	writerPatience = "25000"
)

// session is the one connection of this server that writes. It is made when it is needed, and anew after it was lost.
type session struct {
	*dialect
	config *pgx.ConnConfig
	conn   *pgx.Conn // nil: there is none now
	later  []later   // statements that travel with the next one
	// broken is the first error that leaves the transaction in doubt. After it nothing more is executed.
	broken error
	// unsure is set when a commit may have come to be, committed when the database has said that it did.
	unsure, committed bool
	// aborted is why the member's work can't be kept. Nothing more of it is executed.
	aborted error
}

// later is a statement whose rows nobody reads.
type later struct {
	none  error // what it is when fewer rows than least are changed
	least int64
	query string
	args  []any
}

var (
	_ relational.Session = (*session)(nil)
	_ relational.Clock   = (*session)(nil)
)

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
	s.broken, s.aborted, s.unsure, s.committed, s.later = nil, nil, false, false, nil
	if s.conn == nil {
		if err := s.connect(); err != nil {
			return err
		}
	}
	// Whatever the database was told to do for others: what was committed before the turn came must be seen.
	s.control(`BEGIN ISOLATION LEVEL READ COMMITTED`)
	s.later = append(s.later, later{query: `SELECT pg_advisory_xact_lock($1)`, args: []any{int64(writeLock)}})
	err := s.travel("", nil, nil)
	if err != nil {
		s.drop()
	}
	if c := code(err); c == statementCancelled || c == lockNotAvailable {
		err = errors.Join(err, s.evict())
	}
	return err
}

// evict ends the session of a server whose turn it has been for long, and of which the database waits for more: it stalls in the middle of what it says,
// which the database takes for a statement under way and not for idleness.
func (s *session) evict() error {
	if err := s.connect(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := s.conn.Exec(ctx, `
		SELECT pg_terminate_backend(a.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND (l.classid::bigint << 32 | l.objid::bigint) = $1 AND a.datname = current_database()
			AND a.application_name = current_setting('application_name') AND a.wait_event_type = 'Client'
			AND a.xact_start < clock_timestamp() - current_setting('lock_timeout')::interval / 2`, int64(writeLock))
	if err != nil {
		s.drop()
		return fmt.Errorf("end the session of a server that stalls: %w", err)
	}
	return nil
}

// connect makes the connection. What was acknowledged is on disk, whatever the database was told to be content with for others.
func (s *session) connect() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, s.config.Copy())
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	_, err = conn.Exec(ctx, `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`)
	if err != nil {
		return errors.Join(fmt.Errorf("set the connection up: %w", err), conn.Close(ctx))
	}
	s.conn = conn
	return nil
}

// drop gives the connection up. The database takes back what was not committed. It is as broken as it will ever be, so what its end says is no news.
func (s *session) drop() {
	if s.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.conn.Close(ctx); err != nil && s.broken == nil {
		s.broken = err
	}
	s.conn = nil
}

// control has a statement that steers the transaction travel with the next one.
func (s *session) control(query string) { s.later = append(s.later, later{query: query}) }

// travel runs what was to be run later, and one more statement when there is one, in one journey.
func (s *session) travel(query string, args []any, read func(pgx.BatchResults) error) error {
	if err := s.usable(); err != nil {
		return err
	}
	if len(s.later) == 0 && query == "" {
		return nil
	}
	var batch pgx.Batch
	for _, l := range s.later {
		batch.Queue(l.query, l.args...)
	}
	if query != "" {
		batch.Queue(query, args...)
	}
	sent := s.later
	s.later = s.later[:0]
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	results := s.conn.SendBatch(ctx, &batch)
	err := s.arrive(sent, results)
	if err == nil && query != "" {
		err = read(results)
	}
	failed := err
	if closeErr := results.Close(); failed == nil {
		failed = closeErr
	}
	if failed == nil || errors.Is(failed, store.ErrNotFound) || errors.Is(failed, errScan) {
		return failed
	}
	if s.aborted == nil {
		failed = s.doubt(failed)
	}
	return failed
}

// arrive takes what became of statements that were to be run later. Their errors are none of the store's own.
func (s *session) arrive(sent []later, results pgx.BatchResults) error {
	for _, l := range sent {
		tag, err := results.Exec()
		if err != nil && costsMember(err) {
			err = fmt.Errorf("write what was decided: %v", err) //nolint:errorlint // see above
			s.aborted = err
		}
		if err != nil {
			return err
		}
		s.committed = l.query == commit && tag.String() == commit
		if l.none != nil && tag.RowsAffected() < l.least && s.aborted == nil {
			s.aborted = fmt.Errorf("write what was decided: %w", l.none)
		}
	}
	return s.aborted
}

// Savepoint implements relational.Session.
func (s *session) Savepoint() { s.control(`SAVEPOINT member`) }

// RollbackTo implements relational.Session. What the member had still to run never was.
func (s *session) RollbackTo() {
	s.aborted = nil
	// A savepoint that has not travelled yet can't be gone back to.
	for i, l := range s.later {
		if l.query == `SAVEPOINT member` {
			s.later = s.later[:i+1]
			return
		}
	}
	s.later = s.later[:0]
	s.steer(`ROLLBACK TO SAVEPOINT member`)
}

// Release implements relational.Session.
func (s *session) Release() { s.control(`RELEASE SAVEPOINT member`) }

// steer runs a statement that works in a transaction that was aborted, too.
func (s *session) steer(query string) {
	if s.broken != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, s.broken = s.conn.PgConn().Exec(ctx, query).ReadAll()
}

// Settle implements relational.Session.
func (s *session) Settle() error { return s.travel("", nil, nil) }

const commit = `COMMIT`

// Commit implements relational.Session. A database that is being stopped may say that the commit came to be, and then that the session is over.
func (s *session) Commit() error {
	if s.aborted != nil {
		return s.aborted
	}
	s.control(commit)
	err := s.travel("", nil, nil)
	switch {
	case s.committed && err != nil:
		s.drop()
		return nil
	case !s.committed && err == nil:
		return errors.New("the database took the transaction back")
	}
	s.unsure = err != nil && !refuses(err)
	return err
}

// Rollback implements relational.Session.
func (s *session) Rollback() {
	s.broken, s.aborted, s.later = nil, nil, nil
	if s.conn == nil {
		return
	}
	if s.steer(`ROLLBACK`); s.broken != nil {
		s.drop()
	}
	s.broken = nil
}

// Again implements relational.Session.
func (s *session) Again(err error) bool { return !s.unsure && passes(err) }

// Close implements relational.Session.
func (s *session) Close() error {
	if s.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := s.conn.Close(ctx)
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

// doubt sorts errors. What is the member's own fault costs it its work, and nobody else.
func (s *session) doubt(err error) error {
	switch kind := constraint(err); {
	case kind != nil:
		s.aborted = fmt.Errorf("%w: %w", kind, err)
		return s.aborted
	case costsMember(err):
		s.aborted = err
	default:
		s.broken = err
	}
	return err
}

// Later implements relational.Tx.
func (s *session) Later(none error, query string, args ...any) {
	s.later = append(s.later, later{none: none, least: 1, query: s.say(query), args: values(args)})
}

// LaterOf implements relational.Tx.
func (s *session) LaterOf(b relational.Bulk, rows [][]any) {
	if len(rows) > 0 {
		s.later = append(s.later, later{none: b.None, least: int64(len(rows)), query: s.say(b.All), args: columns(rows)})
	}
}

// EachOf implements relational.Tx.
func (s *session) EachOf(ctx context.Context, b relational.Bulk, rows [][]any, scan func(relational.Rows) (bool, error)) error {
	if len(rows) == 0 {
		return nil
	}
	return s.Each(ctx, b.All, columns(rows), scan)
}

// Exec implements relational.Tx.
func (s *session) Exec(query string, args ...any) (n int64, err error) {
	err = s.travel(s.say(query), values(args), func(results pgx.BatchResults) error {
		tag, err := results.Exec()
		n = tag.RowsAffected()
		return err
	})
	return n, err
}

// Row implements relational.Reader.
func (s *session) Row(ctx context.Context, query string, args []any, into ...any) error {
	found := false
	err := s.Each(ctx, query, args, func(row relational.Rows) (bool, error) {
		found = true
		return false, row.Scan(into...)
	})
	if err == nil && !found {
		err = store.ErrNotFound
	}
	return err
}

// errScan marks an error of whoever reads rows, which is none of the database.
var errScan = errors.New("read a row")

// Each implements relational.Reader.
func (s *session) Each(_ context.Context, query string, args []any, scan func(relational.Rows) (bool, error)) error {
	var refused error
	err := s.travel(s.say(query), values(args), func(results pgx.BatchResults) error {
		rows, err := results.Query()
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			more, err := scan(row{rows})
			if err != nil {
				refused = err
				return errScan
			}
			if !more {
				break
			}
		}
		rows.Close()
		return rows.Err()
	})
	if refused != nil {
		return refused
	}
	return err
}

// Now implements relational.Clock.
func (s *session) Now(ctx context.Context) (time.Time, error) {
	var at time.Time
	if err := s.Row(ctx, `SELECT clock_timestamp()`, nil, &at); err != nil {
		return time.Time{}, fmt.Errorf("read the database's clock: %w", err)
	}
	return at.UTC(), nil
}
