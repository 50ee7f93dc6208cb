package transfer_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"crossfade/internal/counterpart"
	"crossfade/internal/store"
	"crossfade/internal/store/postgres"
	"crossfade/internal/store/sqlite"
	"crossfade/internal/store/storetest"
	"crossfade/internal/store/transfer"
)

var silent = slog.New(slog.DiscardHandler)

func openSQLite(t *testing.T, dir string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), dir, silent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openPostgres(t *testing.T, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, silent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// move moves everything, and returns what that was.
func move(ctx context.Context, from *sqlite.Store, to *postgres.Store, done func(transfer.Moved) error) (out []transfer.Moved, err error) {
	err = from.Export(ctx, func(source transfer.Source) error {
		return to.Import(ctx, func(target transfer.Target) (err error) {
			var failed error
			out, err = transfer.Copy(ctx, source, target, func(m transfer.Moved) { failed = errors.Join(failed, done(m)) })
			return errors.Join(err, failed)
		})
	})
	return out, err
}

func fine(transfer.Moved) error { return nil }

// fill puts a row into every table that has none; all of it is about something called {}, which is a document too.
func fill(t *testing.T, dir string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "crossfade.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	var names []string
	list(t, db, &names, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version'`)
	for _, name := range names {
		var n int
		if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM "`+name+`"`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			continue
		}
		var values []string
		list(t, db, &values, `SELECT CASE type WHEN 'TEXT' THEN '''{}''' WHEN 'INTEGER' THEN '1' WHEN 'BLOB' THEN 'x''00ff''' END FROM pragma_table_info(?) ORDER BY cid`, name)
		if _, err := db.ExecContext(t.Context(), `INSERT INTO "`+name+`" VALUES (`+strings.Join(values, ", ")+`)`); err != nil {
			t.Fatalf("fill %s: %v", name, err)
		}
	}
}

func list(t *testing.T, db *sql.DB, into *[]string, query string, args ...any) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Error(err)
		}
	}()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		*into = append(*into, s)
	}
}

// TestEverythingIsMoved moves an installation with a row in every table, and goes on with it.
func TestEverythingIsMoved(t *testing.T) {
	t.Parallel()
	dir, url := t.TempDir(), counterpart.Postgres(t)
	from := openSQLite(t, dir)
	var to *postgres.Store
	fill(t, dir)
	storetest.RunMove(t, from, func() store.Store {
		to = openPostgres(t, url)
		moved, err := move(t.Context(), from, to, fine)
		if err != nil {
			t.Fatal(err)
		}
		if len(moved) < 30 {
			t.Errorf("only %d tables were moved", len(moved))
		}
		for _, m := range moved {
			if m.Rows == 0 {
				t.Errorf("nothing was moved of the table %s", m.Table)
			}
		}
		return to
	})
	if _, err := move(t.Context(), from, to, fine); !errors.Is(err, transfer.ErrNotEmpty) {
		t.Errorf("moved over what was there: %v", err)
	}
	for name, inspect := range map[string]func() (store.Inspection, error){
		"SQLite":     func() (store.Inspection, error) { return sqlite.Inspect(t.Context(), dir, true) },
		"PostgreSQL": func() (store.Inspection, error) { return postgres.Inspect(t.Context(), url, true) },
	} {
		is, err := inspect()
		// What fill has made up belongs to no deployment.
		problems := 0
		for _, p := range is.Problems {
			if !strings.Contains(p, "deployment {} for one") {
				problems++
			}
		}
		if err != nil || problems > 0 || is.Schema != is.Known || len(is.Tables) < 30 {
			t.Errorf("%s: %+v, %v", name, is, err)
		}
	}
}

// TestAMoveThatFailsLeavesNothing fails after each table in turn.
func TestAMoveThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	dir, url := t.TempDir(), counterpart.Postgres(t)
	from, to := openSQLite(t, dir), openPostgres(t, url)
	fill(t, dir)
	oops := errors.New("oops")
	for fail := range 3 {
		n := 0
		_, err := move(t.Context(), from, to, func(transfer.Moved) error {
			if n++; n == 1+10*fail {
				return oops
			}
			return nil
		})
		if !errors.Is(err, oops) {
			t.Fatalf("failed with %v", err)
		}
		is, err := postgres.Inspect(t.Context(), url, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range is.Tables {
			if table.Rows > 0 && table.Name != "change" {
				t.Errorf("after a move that failed the table %s has %d rows", table.Name, table.Rows)
			}
		}
	}
	if _, err := move(t.Context(), from, to, fine); err != nil {
		t.Errorf("moved after all: %v", err)
	}
	if changes, err := to.Changes(t.Context(), 1, "", 10); err != nil || changes.Position != 1 {
		t.Errorf("the feed of changes: %+v, %v", changes, err)
	}
}

func TestMigrateAndInspect(t *testing.T) {
	t.Parallel()
	url, dir := counterpart.Postgres(t), t.TempDir()
	if is, err := postgres.Inspect(t.Context(), url, true); err != nil || is.Schema != 0 || len(is.Tables) != 0 {
		t.Errorf("an empty database: %+v, %v", is, err)
	}
	for name, migrate := range map[string]func() (int64, int64, error){
		"SQLite":     func() (int64, int64, error) { return sqlite.Migrate(t.Context(), dir, silent) },
		"PostgreSQL": func() (int64, int64, error) { return postgres.Migrate(t.Context(), url, silent) },
	} {
		from, to, err := migrate()
		if err != nil || from != 0 || to < 12 {
			t.Errorf("%s: from %d to %d, %v", name, from, to, err)
		}
		if again, _, err := migrate(); err != nil || again != to {
			t.Errorf("%s again: from %d, %v", name, again, err)
		}
	}
}

// TestProblemsAreFound breaks a database in ways that no server does.
func TestProblemsAreFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	openSQLite(t, dir)
	db, err := sql.Open("sqlite", filepath.Join(dir, "crossfade.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`INSERT INTO deployment_spec (deployment_id, spec) VALUES ('d-1', '{}')`,
		`INSERT INTO target (deployment_id, id, lane, rank, turn, status, doc) VALUES ('d-2', 'i', '', 0, 0, 'Pending', '{}')`,
		`INSERT INTO instance_state (group_id, instance, doc) VALUES ('g', 'i', '{}')`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	is, err := sqlite.Inspect(t.Context(), dir, true)
	if got := fmt.Sprint(is.Problems); err != nil || len(is.Problems) != 3 || !strings.Contains(got, "deployment d-1 for one") ||
		!strings.Contains(got, "1 targets have no deployment, deployment d-2") || !strings.Contains(got, "1 rows of the table instance_state refer to rows of deployment_group") {
		t.Errorf("found %q, %v", is.Problems, err)
	}
}
