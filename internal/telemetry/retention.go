package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Retention returns a function that counts what was cleaned up, by kind.
func (m *Metrics) Retention() func(kind string, n int64) {
	removed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "crossfade_retention_removed_total", Help: "What was cleaned up: deployments, rows of theirs, bytes of logs, revisions, bundles and their bytes.",
	}, []string{"kind"})
	m.registry.MustRegister(removed)
	return func(kind string, n int64) { removed.WithLabelValues(kind).Add(float64(n)) }
}
