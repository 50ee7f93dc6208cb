package sqlite

import (
	"database/sql"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"testing"

	"crossfade/internal/deploy"
	"crossfade/internal/store"

	"github.com/pressly/goose/v3"
)

// TestEveryEarlierSchemaIsBroughtUpToDate leaves a database as each earlier schema made it, with a row of that time, and opens it.
func TestEveryEarlierSchemaIsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil || len(names) < 3 {
		t.Fatalf("migrations %v, %v", names, err)
	}
	for _, name := range names[:len(names)-1] {
		var version int64
		if _, err := fmt.Sscanf(name, "%d_", &version); err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			db, err := sql.Open("sqlite", filepath.Join(dir, "crossfade.db"))
			if err != nil {
				t.Fatal(err)
			}
			provider, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := provider.UpTo(t.Context(), version); err != nil {
				t.Fatal(err)
			}
			if _, err := db.ExecContext(t.Context(), `INSERT INTO application (id, account, name, platform, tags, created_at) VALUES ('a', '1', 'shop', 'Server', '{}', 1)`); err != nil {
				t.Fatal(err)
			}
			const tagsIndexed = 13 // before it, tags had no table
			if version < tagsIndexed {
				_, err = db.ExecContext(t.Context(), `INSERT INTO instance (account, name, arn, iam_user_arn, iam_session_arn, host, tags, registered_at, deregistered_at, address)
					VALUES ('1', 'web-1', 'a', 'u', '', 'u', '{"Name":"web \u003cone\u003e","zone":"a"}', 1, NULL, ''), ('1', 'web-2', 'a', 'v', '', 'v', '{}', 1, 2, '')`)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), dir, slog.New(slog.DiscardHandler))
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
			for _, f := range []deploy.TagFilter{{Key: "Name", Value: "web <one>", Type: deploy.KeyAndValue}, {Key: "zone", Type: deploy.KeyOnly}, {Value: "a", Type: deploy.ValueOnly}} {
				found, err := s.Instances(t.Context(), "1", store.InstanceFilter{Tags: []deploy.TagFilter{f}}, store.Page{})
				if err != nil || version < tagsIndexed && (len(found) != 1 || found[0].Name != "web-1") {
					t.Errorf("found by %+v: %+v, %v", f, found, err)
				}
			}
			if err := s.PutGitHubToken(t.Context(), store.GitHubToken{Account: "1", Name: "shop"}, 1); err != nil {
				t.Errorf("what came later: %v", err)
			}
			if _, last, err := s.NoticeBounds(t.Context()); err != nil || last != 0 {
				t.Errorf("what came later: %d, %v", last, err)
			}
			if chunks, err := s.EventLog(t.Context(), store.EventLogQuery{DeploymentID: "d"}); err != nil || len(chunks) != 0 {
				t.Errorf("what came later: %v, %v", chunks, err)
			}
			if got, err := s.Attend(t.Context(), store.Attendance{Replica: "a", Sole: []string{"x"}}); err != nil || len(got.Held) != 1 {
				t.Errorf("what came later: %v, %v", got, err)
			}
			if states, err := s.InstanceStates(t.Context(), "g"); err != nil || len(states) != 0 {
				t.Errorf("what came later: %v, %v", states, err)
			}
		})
	}
}
