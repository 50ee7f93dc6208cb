package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5/stdlib"

	"crossfade/internal/store"
	"crossfade/internal/store/relational"
)

// Migrate makes the tables where there are none, and brings an older schema up to date.
func Migrate(ctx context.Context, url string, log *slog.Logger) (from, to int64, err error) {
	before, err := Inspect(ctx, url, false)
	if err != nil {
		return 0, 0, err
	}
	s, err := Open(ctx, url, log)
	if err != nil {
		return 0, 0, err
	}
	return before.Schema, before.Known, s.Close()
}

// Inspect looks at a database, also while servers have it open, and changes nothing. Thorough, it reads the tables.
func Inspect(ctx context.Context, url string, thorough bool) (out store.Inspection, err error) {
	config, err := settings(url)
	if err != nil {
		return out, err
	}
	s := &Store{config: config}
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	if out, err = inspect(ctx, &pool{dialect: &dialect{}, db: db}, thorough); err != nil {
		return out, fmt.Errorf("inspect the database %s: %w", s.name(), err)
	}
	return out, nil
}

func inspect(ctx context.Context, read *pool, thorough bool) (out store.Inspection, err error) {
	latest, err := known()
	if err != nil {
		return out, err
	}
	var schema int64
	var some bool
	err = read.Row(ctx, `SELECT to_regclass('goose_db_version') IS NOT NULL`, nil, &some)
	if err == nil && some {
		err = read.Row(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`, nil, &schema)
	}
	if err != nil || !thorough {
		return store.Inspection{Schema: schema, Known: latest}, err
	}
	var tables []string
	collect := func(into *[]string) func(relational.Rows) (bool, error) {
		return func(rows relational.Rows) (bool, error) {
			var s string
			err := rows.Scan(&s)
			*into = append(*into, s)
			return true, err
		}
	}
	err = read.Each(ctx, `SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relname <> 'goose_db_version'
		ORDER BY relname`, nil, collect(&tables))
	if err != nil {
		return out, err
	}
	if out, err = relational.Inspect(ctx, read, tables, schema, latest); err != nil {
		return out, err
	}
	var encoding string
	if err := read.Row(ctx, `SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()`, nil, &encoding); err != nil {
		return out, err
	}
	if encoding != "UTF8" {
		out.Problems = append(out.Problems, "the database's encoding is "+encoding+", which has not every letter: make a database with the encoding UTF8")
	}
	var broken []string
	err = read.Each(ctx, `
		SELECT 'the index ' || c.relname || ' is not valid: rebuild it with REINDEX' FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
		WHERE c.relnamespace = current_schema()::regnamespace AND NOT i.indisvalid
		UNION ALL
		SELECT 'the constraint ' || conname || ' of the table ' || conrelid::regclass::text || ' was never held against all rows' FROM pg_constraint
		WHERE connamespace = current_schema()::regnamespace AND NOT convalidated`, nil, collect(&broken))
	out.Problems = append(out.Problems, broken...)
	return out, err
}

// known is the version of the schema that this Crossfade makes.
func known() (version int64, err error) {
	names, err := migrations.ReadDir("migrations")
	if err != nil || len(names) == 0 {
		return 0, fmt.Errorf("list the migrations: %w", err)
	}
	if _, err := fmt.Sscanf(names[len(names)-1].Name(), "%d_", &version); err != nil {
		return 0, fmt.Errorf("read the version of a migration: %w", err)
	}
	return version, nil
}
