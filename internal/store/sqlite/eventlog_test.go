package sqlite

import (
	"log/slog"
	"testing"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
	"crossfade/internal/store/relational"
)

// TestLogsGoWithTheirDeployment holds that nobody has to think of the logs who deletes a deployment.
func TestLogsGoWithTheirDeployment(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx := t.Context()
	a := deploy.Application{ID: "a", Account: "1", Name: "shop"}
	g := deploy.Group{ID: "g", Account: "1", ApplicationID: "a", Application: "shop", Name: "prod"}
	if err := s.CreateApplication(ctx, a, 1); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateGroup(ctx, g, 1); err != nil {
		t.Fatal(err)
	}
	err = s.Batch(ctx, func(b store.Batch) error {
		return b.Apply(ctx, deploy.New(deploy.Spec{ID: "d-1", Account: "1", ApplicationID: "a", Application: "shop", GroupID: "g", Group: "prod", Kind: deploy.KindInPlace}))
	})
	if err != nil {
		t.Fatal(err)
	}
	key := store.EventLogKey{DeploymentID: "d-1", Target: "web-1", Attempt: 1, Event: deploy.ApplicationStop}
	if _, err := s.AppendEventLog(ctx, store.LogChunk{EventLogKey: key, Lines: []store.LogLine{{Text: "line"}}}); err != nil {
		t.Fatal(err)
	}
	err = s.write.Do(ctx, func(t relational.Tx) error {
		_, err := t.Exec(`DELETE FROM deployment WHERE id = 'd-1'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"event_log", "event_log_chunk"} {
		var n int
		if err := s.read.Row(ctx, `SELECT count(*) FROM `+table, nil, &n); err != nil || n != 0 {
			t.Errorf("%s has %d rows, %v", table, n, err)
		}
	}
}
