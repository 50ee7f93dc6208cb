package telemetry

import "github.com/prometheus/client_golang/prometheus"

// LostAudit returns a function that counts lines of the audit log that could not be written.
func (m *Metrics) LostAudit() func() {
	lost := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "crossfade_audit_lost_total", Help: "Lines of the audit log that could not be written; the calls that they tell of went on.",
	})
	m.registry.MustRegister(lost)
	return lost.Inc
}
