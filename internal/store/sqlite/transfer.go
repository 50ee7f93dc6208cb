package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"crossfade/internal/store/relational"
	"crossfade/internal/store/transfer"
)

// Export gives fn everything that the store has, as it is at one moment. Nobody else has the directory open as long as the store is.
func (s *Store) Export(ctx context.Context, fn func(transfer.Source) error) (err error) {
	t, err := s.readDB.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin to read the database in %s: %w", s.dir, err)
	}
	defer func() {
		if end := t.Rollback(); !errors.Is(end, sql.ErrTxDone) {
			err = errors.Join(err, end)
		}
	}()
	return fn(export{t})
}

// export is a transaction that reads.
type export struct{ tx *sql.Tx }

var _ transfer.Source = export{}

// Row implements relational.Reader.
func (e export) Row(ctx context.Context, query string, args []any, into ...any) error {
	return e.tx.QueryRowContext(ctx, query, args...).Scan(into...)
}

// Each implements relational.Reader.
func (e export) Each(ctx context.Context, query string, args []any, scan func(relational.Rows) (bool, error)) error {
	rows, err := e.tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	return eachRow(rows, scan)
}

// Schema implements transfer.Source.
func (e export) Schema(ctx context.Context) (int64, error) { return schemaOf(ctx, e) }

// Tables implements transfer.Source.
func (e export) Tables(ctx context.Context) (out []transfer.Table, err error) {
	names, err := tableNames(ctx, e)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		t := transfer.Table{Name: name}
		collect := func(into *[]string) func(relational.Rows) (bool, error) {
			return func(rows relational.Rows) (bool, error) {
				var s string
				err := rows.Scan(&s)
				*into = append(*into, s)
				return true, err
			}
		}
		if err := e.Each(ctx, `SELECT name FROM pragma_table_info(?) ORDER BY cid`, []any{name}, collect(&t.Columns)); err != nil {
			return nil, err
		}
		if err := e.Each(ctx, `SELECT DISTINCT "table" FROM pragma_foreign_key_list(?)`, []any{name}, collect(&t.Refers)); err != nil {
			return nil, err
		}
		err := e.Row(ctx, `SELECT p.name, coalesce((SELECT seq FROM sqlite_sequence WHERE name = m.name), 0)
			FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table' AND m.name = ? AND m.sql LIKE '%AUTOINCREMENT%' AND p.pk = 1`,
			[]any{name}, &t.Number, &t.Last)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// Rows implements transfer.Source.
func (e export) Rows(ctx context.Context, t transfer.Table, row func([]any) error) error {
	values, into := make([]any, len(t.Columns)), make([]any, len(t.Columns))
	for i := range values {
		into[i] = &values[i]
	}
	return e.Each(ctx, `SELECT "`+strings.Join(t.Columns, `", "`)+`" FROM "`+t.Name+`"`, nil, func(rows relational.Rows) (bool, error) {
		if err := rows.Scan(into...); err != nil {
			return false, err
		}
		return true, row(values)
	})
}
