package postgres

import (
	"context"
	"database/sql"
	"io/fs"
	"log/slog"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"crossfade/internal/counterpart"
	"crossfade/internal/store/storetest"
)

func TestEveryEarlierSchemaIsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	storetest.RunEarlier(t, storetest.Schemas{Dialect: goose.DialectPostgres, Migrations: files, Database: func(t *testing.T) (*sql.DB, func(context.Context) (storetest.Opened, error)) {
		url := counterpart.Postgres(t)
		config, err := settings(url)
		if err != nil {
			t.Fatal(err)
		}
		return stdlib.OpenDB(*config), func(ctx context.Context) (storetest.Opened, error) {
			return Open(ctx, url, slog.New(slog.DiscardHandler))
		}
	}})
}
