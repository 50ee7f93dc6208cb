package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"crossfade/internal/store"
	"crossfade/internal/store/relational"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"
)

// tx is the open write transaction. It is used under the writer's lock only.
type tx struct {
	conn       *sql.Conn
	statements map[string]*sql.Stmt
	// broken is the first error that leaves the transaction in doubt. After it nothing more is executed: SQLite may have rolled back, and
	// what follows would be written outside any transaction.
	broken error
	late   error // the first of what was run later
}

// prepare finds the statement in the cache. There are few texts, so it only grows.
func (t *tx) prepare(query string) (*sql.Stmt, error) {
	if t.broken != nil {
		return nil, t.broken
	}
	if s, ok := t.statements[query]; ok {
		return s, nil
	}
	s, err := t.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, t.doubt(err)
	}
	t.statements[query] = s
	return s, nil
}

// doubt sorts errors. A violated constraint has undone its own statement and nothing else.
func (t *tx) doubt(err error) error {
	var e *driver.Error
	if errors.As(err, &e) && e.Code()&0xff == codes.SQLITE_CONSTRAINT {
		if e.Code() == codes.SQLITE_CONSTRAINT_FOREIGNKEY {
			return fmt.Errorf("%w: %w", store.ErrNotFound, err)
		}
		return fmt.Errorf("%w: %w", store.ErrExists, err)
	}
	t.broken = err
	return err
}

// Exec implements relational.Tx.
func (t *tx) Exec(query string, args ...any) (int64, error) {
	s, err := t.prepare(query)
	if err != nil {
		return 0, err
	}
	r, err := s.Exec(args...)
	if err != nil {
		return 0, t.doubt(err)
	}
	return r.RowsAffected()
}

// Later implements relational.Tx. There is no way to travel, so it is now.
func (t *tx) Later(none error, query string, args ...any) {
	n, err := t.Exec(query, args...)
	if err == nil && n == 0 {
		err = none
	}
	if err != nil && t.late == nil {
		t.late = fmt.Errorf("write what was decided: %v", err) //nolint:errorlint // none of the store's own errors
	}
}

// LaterOf implements relational.Tx. A statement that is prepared costs no more for one row than for one of many.
func (t *tx) LaterOf(b relational.Bulk, rows [][]any) {
	for _, row := range rows {
		t.Later(b.None, b.One, row...)
	}
}

// EachOf implements relational.Tx.
func (t *tx) EachOf(ctx context.Context, b relational.Bulk, rows [][]any, scan func(relational.Rows) (bool, error)) error {
	for _, row := range rows {
		if err := t.Each(ctx, b.One, row, scan); err != nil {
			return err
		}
	}
	return nil
}

// Broken implements relational.Tx.
func (t *tx) Broken() error { return t.broken }

// control runs a statement that steers the transaction. When it fails the transaction is broken.
func (t *tx) control(query string) {
	if _, err := t.Exec(query); err != nil {
		t.broken = err
	}
}

// Row implements relational.Reader.
func (t *tx) Row(_ context.Context, query string, args []any, into ...any) error {
	s, err := t.prepare(query)
	if err != nil {
		return err
	}
	err = s.QueryRow(args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	if err != nil {
		return t.doubt(err)
	}
	return nil
}

// Each implements relational.Reader.
func (t *tx) Each(_ context.Context, query string, args []any, scan func(relational.Rows) (bool, error)) error {
	s, err := t.prepare(query)
	if err != nil {
		return err
	}
	rows, err := s.Query(args...)
	if err != nil {
		return t.doubt(err)
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

func (t *tx) close() error {
	var errs []error
	for _, s := range t.statements {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, t.conn.Close())...)
}

// pool is the read connections with their prepared statements.
type pool struct {
	db         *sql.DB
	mu         sync.RWMutex
	statements map[string]*sql.Stmt
}

// preparedMost bounds the statements that are kept prepared. Filters make more texts than are ever in use; those beyond run unprepared.
const preparedMost = 200

func newPool(db *sql.DB) *pool { return &pool{db: db, statements: map[string]*sql.Stmt{}} }

// prepare finds the statement in the cache, which it enters if there is room; else it is nil.
func (p *pool) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	p.mu.RLock()
	s, ok := p.statements[query]
	full := len(p.statements) >= preparedMost
	p.mu.RUnlock()
	if ok || full {
		return s, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s, ok := p.statements[query]; ok {
		return s, nil
	}
	s, err := p.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	p.statements[query] = s
	return s, nil
}

func (p *pool) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	s, err := p.prepare(ctx, query)
	switch {
	case err != nil:
		return nil, err
	case s == nil:
		return p.db.QueryContext(ctx, query, args...)
	}
	return s.QueryContext(ctx, args...)
}

// Row implements relational.Reader.
func (p *pool) Row(ctx context.Context, query string, args []any, into ...any) error {
	found := false
	err := p.Each(ctx, query, args, func(rows relational.Rows) (bool, error) {
		found = true
		return false, rows.Scan(into...)
	})
	if err == nil && !found {
		err = store.ErrNotFound
	}
	return err
}

// Each implements relational.Reader.
func (p *pool) Each(ctx context.Context, query string, args []any, scan func(relational.Rows) (bool, error)) error {
	rows, err := p.query(ctx, query, args)
	if err != nil {
		return err
	}
	return eachRow(rows, scan)
}

func (p *pool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, s := range p.statements {
		errs = append(errs, s.Close())
	}
	clear(p.statements)
	return errors.Join(errs...)
}
