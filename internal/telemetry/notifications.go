package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Notifications returns a function that counts what became of a message to a sink. Sinks must come from the configuration, never from a trigger.
func (m *Metrics) Notifications() func(sink, outcome string) {
	messages := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "crossfade_notifications_total", Help: "Tries to send messages of triggers and changes of state: delivered, retried, or lost when given up.",
	}, []string{"sink", "outcome"})
	m.registry.MustRegister(messages)
	return func(sink, outcome string) { messages.WithLabelValues(sink, outcome).Inc() }
}
