package telemetry

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"crossfade/internal/lb"
)

// Balancer shows the counters of the built-in load balancer.
func (m *Metrics) Balancer(read func() lb.Metrics) {
	m.registry.MustRegister(&balancer{
		read:        read,
		connections: description("listener_connections", "Client connections open now.", "listener"),
		accepted:    description("listener_accepted_total", "Client connections accepted.", "listener"),
		requests:    description("listener_requests_total", "Requests whose head was read.", "listener"),
		refused:     description("listener_refused_total", "Requests refused because they are malformed.", "listener"),
		retried:     description("listener_retries_total", "Further tries after the first.", "listener"),
		answers:     description("listener_answers_total", "Answers, by the hundreds of their status.", "listener", "class"),
		targets:     description("target_state", "1 for the state that a target is in.", "target_group", "target", "state"),
		active:      description("target_active_requests", "Requests under way.", "target_group", "target"),
		tries:       description("target_requests_total", "Tries sent to a target.", "target_group", "target"),
		errors:      description("target_errors_total", "Tries without a whole answer.", "target_group", "target"),
		percent:     description("split_percent", "Share of the requests that goes to the environment; absent without a split.", "target_group"),
		sides:       description("split_requests_total", "Tries during splits, by the side that got them.", "target_group", "side"),
		diverted:    description("split_diverted_total", "Tries that went to the other side than the split had chosen, which had no healthy target.", "target_group"),
	})
}

func description(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("crossfade_lb_"+name, help, labels, nil)
}

// balancer reads the load balancer's counters when it is asked for them: they live there and not here, where they would cost every request
// a second count.
type balancer struct {
	read                                                       func() lb.Metrics
	connections, accepted, requests, refused, retried, answers *prometheus.Desc
	targets, active, tries, errors                             *prometheus.Desc
	percent, sides, diverted                                   *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (b *balancer) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{b.connections, b.accepted, b.requests, b.refused, b.retried, b.answers, b.targets, b.active, b.tries, b.errors, b.percent, b.sides, b.diverted} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (b *balancer) Collect(to chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	m := b.read()
	for _, l := range m.Listeners {
		gauge(b.connections, l.Connections, l.Name)
		count(b.accepted, l.Accepted, l.Name)
		count(b.requests, l.Requests, l.Name)
		count(b.refused, l.Refused, l.Name)
		count(b.retried, l.Retried, l.Name)
		for class := 1; class < len(l.Answers); class++ {
			count(b.answers, l.Answers[class], l.Name, strconv.Itoa(class)+"xx")
		}
	}
	for _, s := range m.Splits {
		if s.Environment != "" {
			gauge(b.percent, s.Percent, s.TargetGroup)
		}
		count(b.sides, s.ToEnvironment, s.TargetGroup, "environment")
		count(b.sides, s.ToRest, s.TargetGroup, "rest")
		count(b.diverted, s.Diverted, s.TargetGroup)
	}
	// A target that drains and is registered anew is there twice; the collector may show each set of labels once.
	type sum struct {
		state         lb.State
		active        int
		tries, errors uint64
	}
	sums := map[[2]string]sum{}
	for _, t := range m.Targets {
		key := [2]string{t.TargetGroup, t.ID}
		s := sums[key]
		if s.state == "" {
			s.state = t.State
		}
		s.active += t.Active
		s.tries += t.Requests
		s.errors += t.Errors
		sums[key] = s
	}
	for key, s := range sums {
		gauge(b.targets, 1, key[0], key[1], string(s.state))
		gauge(b.active, s.active, key[0], key[1])
		count(b.tries, s.tries, key[0], key[1])
		count(b.errors, s.errors, key[0], key[1])
	}
}
