package postgres

import (
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"crossfade/internal/counterpart"
	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// TestEveryEarlierSchemaIsBroughtUpToDate leaves a database as each earlier schema made it, with rows of that time, and opens it.
func TestEveryEarlierSchemaIsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil || len(names) < 2 {
		t.Fatalf("migrations %v, %v", names, err)
	}
	for _, name := range names[:len(names)-1] {
		var version int64
		if _, err := fmt.Sscanf(name, "%d_", &version); err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := counterpart.Postgres(t)
			config, err := settings(url)
			if err != nil {
				t.Fatal(err)
			}
			db := stdlib.OpenDB(*config)
			provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithDisableGlobalRegistry(true))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := provider.UpTo(t.Context(), version); err != nil {
				t.Fatal(err)
			}
			const tagsIndexed = 13 // before it, tags had no table
			for _, query := range []string{
				`INSERT INTO application (id, account, name, platform, tags, created_at) VALUES ('a', '1', 'shop', 'Server', '{}', 1)`,
				`INSERT INTO instance (account, name, arn, iam_user_arn, iam_session_arn, host, tags, registered_at, deregistered_at, address)
					VALUES ('1', 'web-1', 'a', 'u', '', 'u', '{"Name":"web \u003cone\u003e","zone":"a","zero":"\u0000"}', 1, NULL, ''), ('1', 'web-2', 'a', 'v', '', 'v', '{}', 1, 2, '')`,
			} {
				if version >= tagsIndexed && strings.Contains(query, "INTO instance") {
					continue
				}
				if _, err := db.ExecContext(t.Context(), query); err != nil {
					t.Fatal(err)
				}
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), url, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}()
			if _, err := s.Application(t.Context(), "1", "shop"); err != nil {
				t.Errorf("what was there before: %v", err)
			}
			for _, f := range []deploy.TagFilter{
				{Key: "Name", Value: "web <one>", Type: deploy.KeyAndValue}, {Key: "zone", Type: deploy.KeyOnly}, {Value: "a", Type: deploy.ValueOnly}, {Value: "\x00", Type: deploy.ValueOnly},
			} {
				found, err := s.Instances(t.Context(), "1", store.InstanceFilter{Tags: []deploy.TagFilter{f}}, store.Page{})
				if err != nil || version < tagsIndexed && (len(found) != 1 || found[0].Name != "web-1") {
					t.Errorf("found by %+v: %+v, %v", f, found, err)
				}
			}
		})
	}
}
