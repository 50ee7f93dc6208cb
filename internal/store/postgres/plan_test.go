package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"crossfade/internal/counterpart"
	"crossfade/internal/store"
	"crossfade/internal/store/storetest"
)

// TestContract runs the suite, each test on a database of its own, takes every statement that it said, and asks PostgreSQL how it would run them: none may
// read a table from end to end, and none may sort, except where the whole table is asked for.
func TestContract(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]bool{}
	t.Run("suite", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store {
			s := opened(t)
			t.Cleanup(func() {
				mu.Lock()
				defer mu.Unlock()
				s.said.known.Range(func(_, said any) bool {
					seen[said.(string)] = true
					return true
				})
			})
			return s
		})
	})
	if len(seen) < 20 {
		t.Fatalf("only %d statements were seen", len(seen))
	}
	config, err := settings(fresh(t))
	if err != nil {
		t.Fatal(err)
	}
	set(config, byIndex)
	set(config, map[string]string{"plan_cache_mode": "force_generic_plan"})
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	for query := range seen {
		for _, step := range explain(t, conn, query) {
			if costly(query, step) {
				t.Errorf("%s\n  for\n%s", strings.TrimSpace(step), query)
			}
		}
	}
}

// costly reports whether a step of a plan costs more than what it finds.
func costly(query, step string) bool {
	switch {
	case strings.Contains(query, "FROM effect ORDER BY"), strings.Contains(query, "FROM effect WHERE (CAST"), strings.Contains(query, "FROM registration ORDER BY"),
		strings.Contains(query, "sum(head + tail), 0) FROM event_log"):
		return false // a start reads all, and so does whoever gets a shard, or adds up the logs
	case strings.Contains(step, "Seq Scan on"):
		return true
	case strings.Contains(step, "Join Filter") && strings.Contains(query, "unnest"): // each of the rows that are asked for is held against each that there is
		return true
	case strings.Contains(query, "JOIN deployment_group g ON g.application_id = a.id"):
		return false // the names of one application's groups
	case strings.Contains(step, "Sort") && !strings.Contains(step, "Sort Key"):
		return !strings.Contains(query, "UNION ALL") // of the first of each arm
	}
	return false
}

var mark = regexp.MustCompile(`\$\d+`)

func explain(t *testing.T, conn *pgx.Conn, query string) (steps []string) {
	t.Helper()
	if !regexp.MustCompile(`^\s*\(?(SELECT|UPDATE|DELETE)`).MatchString(query) {
		return nil
	}
	most := 0
	for _, m := range mark.FindAllString(query, -1) {
		var n int
		if _, err := fmt.Sscanf(m, "$%d", &n); err != nil {
			t.Fatal(err)
		}
		most = max(most, n)
	}
	args := ""
	if most > 0 {
		args = "(" + strings.TrimSuffix(strings.Repeat("NULL, ", most), ", ") + ")"
	}
	for _, text := range []string{"PREPARE asked AS " + query, "EXPLAIN (COSTS OFF) EXECUTE asked" + args, "DEALLOCATE asked"} {
		results, err := conn.PgConn().Exec(t.Context(), text).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for _, r := range results {
			for _, row := range r.Rows {
				steps = append(steps, string(row[0]))
			}
		}
	}
	return steps
}

// fresh is the URL of a database with the schema and nothing in it.
func fresh(t testing.TB) string {
	t.Helper()
	return counterpart.PostgresLike(t, "schema", func(url string) {
		if _, _, err := Migrate(t.Context(), url, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
	})
}
