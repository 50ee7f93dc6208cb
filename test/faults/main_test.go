//go:build linux

// Package faults holds that nothing is lost: several servers on one PostgreSQL, hosts, blue/green deployments under traffic, and meanwhile servers
// that are killed, stopped, stalled and started anew with other clocks, connections that are cut and delayed, and a database that crashes.
//
// The servers are this test's own program, started again with a clock of their own; the database is a real one. Agents are simulated and speak the
// real protocol. What happens when is drawn from a seed, which a failure prints:
//
//	go test ./test/faults -faults.for 10m -faults.seed 42
package faults

import (
	"flag"
	"os"
	"testing"
	"time"
)

var (
	faultsFor  = flag.Duration("faults.for", 30*time.Second, "how long faults happen")
	faultsSeed = flag.Uint64("faults.seed", 0, "what happens when; 0: a new one")
)

func TestMain(m *testing.M) {
	if os.Getenv(replicaVariable) != "" {
		os.Exit(runReplica())
	}
	flag.Parse()
	os.Exit(m.Run())
}
