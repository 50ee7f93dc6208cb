package postgres_test

import (
	"testing"

	"crossfade/internal/counterpart"
	"crossfade/internal/store"
	"crossfade/internal/store/storetest"
)

// BenchmarkStore waits for the disk, as servers do.
func BenchmarkStore(b *testing.B) {
	server := counterpart.PostgresServer(b)
	storetest.RunBenchmarks(b, func(t testing.TB) store.Store { return open(t, server.Database(t)) })
}
