package sqlite_test

import (
	"testing"

	"crossfade/internal/store"
	"crossfade/internal/store/storetest"
)

func BenchmarkStore(b *testing.B) {
	storetest.RunBenchmarks(b, func(t testing.TB) store.Store { return open(t, t.TempDir()) })
}
