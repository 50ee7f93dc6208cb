package telemetry

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are a server's metrics, in a registry of their own.
type Metrics struct {
	registry    *prometheus.Registry
	requests    *prometheus.CounterVec
	latencies   *prometheus.HistogramVec
	deployments *prometheus.CounterVec
	lifecycle   *prometheus.CounterVec
}

// latencyBuckets reach from an answer out of memory to a held poll, in seconds.
var latencyBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60}

// New returns metrics that show the process and nothing counted yet.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crossfade_requests_total", Help: "Requests answered, by the exception's name, or OK.",
		}, []string{"service", "operation", "code"}),
		latencies: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "crossfade_request_duration_seconds", Help: "Time from a request's head to its answer; held polls of agents included.",
			Buckets: latencyBuckets,
		}, []string{"service", "operation"}),
		deployments: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crossfade_deployment_transitions_total", Help: "Deployments that came to a status.",
		}, []string{"status"}),
		lifecycle: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crossfade_lifecycle_events_total", Help: "Lifecycle events of targets that came to a status.",
		}, []string{"event", "status"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "crossfade_build_info", Help: "Always 1; the version is in the label.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(m.requests, m.latencies, m.deployments, m.lifecycle, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the metrics in the formats of Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Request counts an answered request; an empty code means success. The operation must come from a fixed list, never from the request as it is.
func (m *Metrics) Request(service, operation, code string, took time.Duration) {
	if code == "" {
		code = "OK"
	}
	m.requests.WithLabelValues(service, operation, code).Inc()
	m.latencies.WithLabelValues(service, operation).Observe(took.Seconds())
}

// HeldPolls shows how many polls of agents wait for work.
func (m *Metrics) HeldPolls(count func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "crossfade_agent_polls_held", Help: "Polls of agents that wait for work now.",
	}, func() float64 { return float64(count()) }))
}
