package counterpart_test

import (
	"net/url"
	"path/filepath"
	"testing"

	"crossfade/internal/counterpart"
)

func TestDatabasesOfTheirOwn(t *testing.T) {
	t.Parallel()
	one, two := counterpart.Postgres(t), counterpart.Postgres(t)
	if one == two {
		t.Errorf("two databases are %s", one)
	}
	t.Run("in a subtest", func(t *testing.T) {
		if three := counterpart.Postgres(t); three == one || three == two {
			t.Errorf("the database of the subtest is %s", three)
		}
	})
}

func TestAServerThatIsKilledAndStartedAgain(t *testing.T) {
	t.Parallel()
	p := counterpart.PostgresServer(t)
	u, err := url.Parse(p.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(u.Path)
	p.SQL(t, name, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
	for range 3 {
		p.Kill(t)
		p.Start(t)
		if got := p.SQL(t, name, "SELECT n FROM kept"); got != "7" {
			t.Errorf("after a restart: %q", got)
		}
	}
}
