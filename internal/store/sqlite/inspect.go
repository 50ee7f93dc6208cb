package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"crossfade/internal/store"
	"crossfade/internal/store/relational"
)

// Migrate makes a database where there is none, and brings an older schema up to date. Nobody else may have the directory open.
func Migrate(ctx context.Context, dir string, log *slog.Logger) (from, to int64, err error) {
	before, err := Inspect(ctx, dir, false)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, 0, err
	}
	s, err := Open(ctx, dir, log)
	if err != nil {
		return 0, 0, err
	}
	if err := s.Close(); err != nil {
		return 0, 0, err
	}
	to, err = known()
	return before.Schema, to, err
}

// known is the version of the schema that this Crossfade makes.
func known() (version int64, err error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(names) == 0 {
		return 0, fmt.Errorf("list the migrations: %w", err)
	}
	if _, err := fmt.Sscanf(filepath.Base(names[len(names)-1]), "%d_", &version); err != nil {
		return 0, fmt.Errorf("read the version of a migration: %w", err)
	}
	return version, nil
}

// Inspect looks at the database of a data directory, also while a server has it open, and changes nothing. Thorough, it holds each page and index of
// it against the others, which reads all. The error is fs.ErrNotExist when there is none.
func Inspect(ctx context.Context, dir string, thorough bool) (out store.Inspection, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return out, fmt.Errorf("find the data directory: %w", err)
	}
	path := filepath.Join(dir, databaseFile)
	if info, err := os.Stat(path); err != nil {
		return out, fmt.Errorf("find the database: %w", err)
	} else if info.Size() == 0 {
		return out, fmt.Errorf("find the database: %s is empty: %w", path, fs.ErrNotExist)
	}
	db, err := sql.Open("sqlite", fileURL(path, "mode=rw&_pragma=query_only(1)"))
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	out, err = inspect(ctx, db, thorough)
	if err != nil {
		return out, fmt.Errorf("inspect the database in %s: %w", dir, err)
	}
	return out, nil
}

func inspect(ctx context.Context, db *sql.DB, thorough bool) (out store.Inspection, err error) {
	read := newPool(db)
	defer func() { err = errors.Join(err, read.close()) }()
	latest, err := known()
	if err != nil {
		return out, err
	}
	schema, err := schemaOf(ctx, read)
	if err != nil {
		return out, err
	}
	tables, err := tableNames(ctx, read)
	if err != nil {
		return out, err
	}
	if !thorough {
		return store.Inspection{Schema: schema, Known: latest}, nil
	}
	if out, err = relational.Inspect(ctx, read, tables, schema, latest); err != nil {
		return out, err
	}
	err = read.Each(ctx, `PRAGMA integrity_check(20)`, nil, func(rows relational.Rows) (bool, error) {
		var said string
		err := rows.Scan(&said)
		if said != "ok" {
			out.Problems = append(out.Problems, "the file is damaged: "+said)
		}
		return true, err
	})
	if err != nil {
		return out, err
	}
	err = read.Each(ctx, `SELECT "table", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2`, nil, func(rows relational.Rows) (bool, error) {
		var table, parent string
		var n int64
		err := rows.Scan(&table, &parent, &n)
		out.Problems = append(out.Problems, fmt.Sprintf("%d rows of the table %s refer to rows of %s that are not there", n, table, parent))
		return true, err
	})
	return out, err
}

// schemaOf is the version of the schema; 0: there is none.
func schemaOf(ctx context.Context, r relational.Reader) (version int64, err error) {
	var there int
	if err := r.Row(ctx, `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'`, nil, &there); err != nil || there == 0 {
		return 0, err
	}
	err = r.Row(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version`, nil, &version)
	return version, err
}

// tableNames are the tables of the store, in order.
func tableNames(ctx context.Context, r relational.Reader) (out []string, err error) {
	err = r.Each(ctx, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name <> 'goose_db_version' ORDER BY name`, nil,
		func(rows relational.Rows) (bool, error) {
			var name string
			err := rows.Scan(&name)
			out = append(out, name)
			return true, err
		})
	return out, err
}
