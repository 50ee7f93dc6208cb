package sqlite

import (
	"context"
	"database/sql"
	"io/fs"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/pressly/goose/v3"

	"crossfade/internal/store/storetest"
)

func TestEveryEarlierSchemaIsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	storetest.RunEarlier(t, storetest.Schemas{Dialect: goose.DialectSQLite3, Migrations: files, Database: func(t *testing.T) (*sql.DB, func(context.Context) (storetest.Opened, error)) {
		dir := t.TempDir()
		db, err := sql.Open("sqlite", filepath.Join(dir, "crossfade.db"))
		if err != nil {
			t.Fatal(err)
		}
		return db, func(ctx context.Context) (storetest.Opened, error) {
			return Open(ctx, dir, slog.New(slog.DiscardHandler))
		}
	}})
}
