package main

import (
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"crossfade/internal/counterpart"
)

// TestStoreScripts runs the sessions that need a PostgreSQL; its URL is STORE.
func TestStoreScripts(t *testing.T) {
	t.Parallel()
	url := counterpart.Postgres(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/postgres", RequireExplicitExec: true, RequireUniqueNames: true, Deadline: time.Now().Add(8 * time.Minute),
		Setup: func(e *testscript.Env) error {
			for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_REGION", "CROSSFADE_CONFIG", "CROSSFADE_STORE"} {
				e.Setenv(name, "")
			}
			e.Setenv("STORE", url)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "serve": serve, "stop": stop},
	})
}
