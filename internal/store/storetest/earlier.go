package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// Schemas is how a store's database has looked from version to version.
type Schemas struct {
	Dialect    goose.Dialect
	Migrations fs.FS
	// Database makes an empty one, and says how the store opens it.
	Database func(t *testing.T) (db *sql.DB, open func(ctx context.Context) (Opened, error))
}

// Opened is a store as its package opens it.
type Opened interface {
	store.Store
	store.Replicas
	Close() error
}

// tagsIndexed is the version that gave tags a table; what follows it are rows as they were written before.
const (
	tagsIndexed       = 13
	applicationBefore = `INSERT INTO application (id, account, name, platform, tags, created_at) VALUES ('a', '1', 'shop', 'Server', '{}', 1)`
	instancesBefore   = `INSERT INTO instance (account, name, arn, iam_user_arn, iam_session_arn, host, tags, registered_at, deregistered_at, address)
		VALUES ('1', 'web-1', 'a', 'u', '', 'u', '{"Name":"web \u003cone\u003e","zone":"a","zero":"\u0000"}', 1, NULL, ''), ('1', 'web-2', 'a', 'v', '', 'v', '{}', 1, 2, '')`
)

// RunEarlier leaves a database as each earlier version made it, with rows of that time, and opens it.
func RunEarlier(t *testing.T, schemas Schemas) {
	t.Helper()
	names := must1[[]string](t)(fs.Glob(schemas.Migrations, "*.sql"))
	if len(names) < 3 {
		t.Fatalf("only the migrations %s", strings.Join(names, ", "))
	}
	for _, name := range names[:len(names)-1] {
		var version int64
		if _, err := fmt.Sscanf(name, "%d_", &version); err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, open := schemas.Database(t)
			provider := must1[*goose.Provider](t)(goose.NewProvider(schemas.Dialect, db, schemas.Migrations, goose.WithDisableGlobalRegistry(true)))
			must1[[]*goose.MigrationResult](t)(provider.UpTo(t.Context(), version))
			must1[sql.Result](t)(db.ExecContext(t.Context(), applicationBefore))
			if version < tagsIndexed {
				must1[sql.Result](t)(db.ExecContext(t.Context(), instancesBefore))
			}
			must(t, db.Close())
			s := must1[Opened](t)(open(t.Context()))
			defer func() { must(t, s.Close()) }()
			upToDate(t, s, version < tagsIndexed)
		})
	}
}

// upToDate holds that what was there before can be found, also by what was indexed later, and that what came later can be used.
func upToDate(t *testing.T, s Opened, instances bool) {
	t.Helper()
	ctx := t.Context()
	equal(t, "what was there before", must1[deploy.Application](t)(s.Application(ctx, "1", "shop")).Name, "shop")
	for _, f := range []deploy.TagFilter{
		{Key: "Name", Value: "web <one>", Type: deploy.KeyAndValue}, {Key: "zone", Type: deploy.KeyOnly}, {Value: "a", Type: deploy.ValueOnly}, {Value: "\x00", Type: deploy.ValueOnly},
	} {
		found := must1[[]deploy.Instance](t)(s.Instances(ctx, "1", store.InstanceFilter{Tags: []deploy.TagFilter{f}}, store.Page{}))
		if instances && (len(found) != 1 || found[0].Name != "web-1") {
			t.Errorf("found by %+v: %+v", f, found)
		}
	}
	must(t, s.PutGitHubToken(ctx, store.GitHubToken{Account: "1", Name: "shop"}, 1))
	_, last, err := s.NoticeBounds(ctx)
	must(t, err)
	equal(t, "notices", last, 0)
	equal(t, "logs", len(must1[[]store.LogChunk](t)(s.EventLog(ctx, store.EventLogQuery{DeploymentID: "d"}))), 0)
	equal(t, "duties", len(must1[store.Attended](t)(s.Attend(ctx, store.Attendance{Replica: "a", Sole: []string{"x"}})).Held), 1)
	equal(t, "instance states", len(must1[[]deploy.InstanceState](t)(s.InstanceStates(ctx, "g"))), 0)
}
