package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"crossfade/internal/store/transfer"
)

// Import lets fn fill an empty database, in one transaction: when fn fails nothing of it is there. No server writes meanwhile.
func (s *Store) Import(ctx context.Context, fn func(transfer.Target) error) (err error) {
	config := s.config.Copy()
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "0" // the other store is read in between
	config.RuntimeParams["application_name"] += " store copy"         // no server takes it for one of them that stalls
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connect to the database %s: %w", s.name(), err)
	}
	defer func() {
		err = errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
	}()
	err = pgx.BeginFunc(ctx, conn, func(t pgx.Tx) error {
		if _, err := t.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(writeLock)); err != nil {
			return fmt.Errorf("wait for servers that write: %w", err)
		}
		to := &filled{tx: t, bytes: map[string]map[string]bool{}}
		if err := to.learn(ctx); err != nil {
			return fmt.Errorf("read the schema: %w", err)
		}
		return fn(to)
	})
	if err != nil {
		return fmt.Errorf("fill the database %s: %w", s.name(), err)
	}
	// The planner knows nothing of the tables yet.
	if _, err := conn.Exec(ctx, `ANALYZE`); err != nil {
		return fmt.Errorf("everything was moved; have PostgreSQL count what it got, by the statement ANALYZE: %w", err)
	}
	return nil
}

// filled is a transaction that fills the database.
type filled struct {
	tx     pgx.Tx
	tables []transfer.Table
	bytes  map[string]map[string]bool // columns of bytes, by table
}

var _ transfer.Target = (*filled)(nil)

// learn reads which tables there are.
func (f *filled) learn(ctx context.Context) error {
	index := map[string]int{}
	rows, err := f.tx.Query(ctx, `SELECT c.relname, a.attname, a.attidentity <> '', a.atttypid = 'bytea'::regtype
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relname <> 'goose_db_version' AND a.attnum > 0 AND NOT a.attisdropped
		ORDER BY c.relname, a.attnum`)
	if err != nil {
		return err
	}
	var table, column string
	var number, raw bool
	_, err = pgx.ForEachRow(rows, []any{&table, &column, &number, &raw}, func() error {
		i, known := index[table]
		if !known {
			i = len(f.tables)
			index[table] = i
			f.tables = append(f.tables, transfer.Table{Name: table})
			f.bytes[table] = map[string]bool{}
		}
		t := &f.tables[i]
		t.Columns = append(t.Columns, column)
		if number {
			t.Number = column
		}
		f.bytes[table][column] = raw
		return nil
	})
	if err != nil {
		return err
	}
	rows, err = f.tx.Query(ctx, `SELECT DISTINCT c.relname, p.relname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class p ON p.oid = k.confrelid
		WHERE k.contype = 'f' AND c.relnamespace = current_schema()::regnamespace`)
	if err != nil {
		return err
	}
	var parent string
	_, err = pgx.ForEachRow(rows, []any{&table, &parent}, func() error {
		if i, known := index[table]; known {
			f.tables[i].Refers = append(f.tables[i].Refers, parent)
		}
		return nil
	})
	return err
}

// Schema implements transfer.Source.
func (f *filled) Schema(ctx context.Context) (version int64, err error) {
	err = f.tx.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&version)
	return version, err
}

// Tables implements transfer.Source.
func (f *filled) Tables(context.Context) ([]transfer.Table, error) { return f.tables, nil }

// Rows implements transfer.Source.
func (f *filled) Rows(ctx context.Context, t transfer.Table, row func([]any) error) error {
	var columns []string
	for _, c := range t.Columns {
		columns = append(columns, pgx.Identifier{c}.Sanitize())
	}
	rows, err := f.tx.Query(ctx, `SELECT `+strings.Join(columns, ", ")+` FROM `+pgx.Identifier{t.Name}.Sanitize())
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		if err := row(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Empty implements transfer.Target. A new schema has the first entry of the feed of changes, which nobody wrote.
func (f *filled) Empty(ctx context.Context) error {
	if _, err := f.tx.Exec(ctx, `DELETE FROM change WHERE replica = ''`); err != nil {
		return fmt.Errorf("clear the feed of changes: %w", err)
	}
	for _, t := range f.tables {
		var some bool
		if err := f.tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM `+pgx.Identifier{t.Name}.Sanitize()+`)`).Scan(&some); err != nil {
			return fmt.Errorf("look whether the table %s is empty: %w", t.Name, err)
		}
		if some {
			return fmt.Errorf("%w: the table %s has rows; name a database that no server has used, so that nothing is lost", transfer.ErrNotEmpty, t.Name)
		}
	}
	return nil
}

// Kept implements transfer.Target: text as every write changes it, bytes as they are.
func (f *filled) Kept(t transfer.Table, row []any) []any {
	for i, v := range row {
		text, isText := v.(string)
		b, isBytes := v.([]byte)
		switch raw := f.bytes[t.Name][t.Columns[i]]; {
		case raw && isText:
			row[i] = []byte(text)
		case !raw && isText:
			row[i] = values([]any{text})[0]
		case !raw && isBytes:
			row[i] = values([]any{string(b)})[0]
		}
	}
	return row
}

// Fill implements transfer.Target.
func (f *filled) Fill(ctx context.Context, t transfer.Table, next func() ([]any, error)) (int64, error) {
	return f.tx.CopyFrom(ctx, pgx.Identifier{t.Name}, t.Columns, pgx.CopyFromFunc(next))
}

// Number implements transfer.Target.
func (f *filled) Number(ctx context.Context, t transfer.Table) error {
	_, err := f.tx.Exec(ctx, `SELECT setval(pg_get_serial_sequence($1, $2), $3, $4)`, pgx.Identifier{t.Name}.Sanitize(), t.Number, max(t.Last, 1), t.Last > 0)
	return err
}
