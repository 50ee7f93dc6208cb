package sqlite

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"crossfade/internal/store"
	"crossfade/internal/store/storetest"
)

// TestContract runs the suite, takes every statement that it prepared, and asks SQLite how it would run them: none may read a table from end to
// end, and none may sort, except where the whole table is asked for.
func TestContract(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]bool{}
	t.Run("suite", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store {
			s, err := Open(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			// One test closes the store, which forgets the statements; the others have the same ones.
			t.Cleanup(func() {
				mu.Lock()
				for query := range s.read.statements {
					seen[query] = true
				}
				for query := range s.writer.statements {
					seen[query] = true
				}
				mu.Unlock()
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			return s
		})
	})
	if len(seen) < 20 {
		t.Fatalf("only %d statements were seen", len(seen))
	}
	s, err := Open(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for query := range seen {
		for _, step := range explain(t, s, query) {
			if bad(query, step) {
				t.Errorf("%s\n  for\n%s", step, query)
			}
		}
	}
}

// bad reports whether a step of a plan costs more than what it finds.
func bad(query, step string) bool {
	if strings.Contains(query, "FROM effect ORDER BY") || strings.Contains(query, "FROM effect WHERE (CAST") || strings.Contains(query, "FROM registration ORDER BY") ||
		query == "SELECT coalesce(sum(head + tail), 0) FROM event_log" {
		return false // a start reads all, and so does whoever gets a shard, or adds up the logs
	}
	// Scans of a subquery and of a constant row are no scans of a table.
	scan := strings.HasPrefix(step, "SCAN") && !strings.HasPrefix(step, "SCAN (") && step != "SCAN oldest" && !strings.HasPrefix(step, "SCAN CONSTANT")
	return scan || strings.Contains(step, "TEMP B-TREE")
}

func explain(t *testing.T, s *Store, query string) (steps []string) {
	t.Helper()
	verb, _, _ := strings.Cut(strings.TrimSpace(query), " ")
	if !slices.Contains([]string{"SELECT", "UPDATE", "DELETE"}, verb) {
		return nil
	}
	rows, err := s.readDB.QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?"))...)
	if err != nil {
		t.Fatalf("explain %s: %v", query, err)
	}
	defer func() {
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}
