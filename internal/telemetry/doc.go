// Package telemetry is how an operator sees a server: its log and its metrics.
//
// It owns the names of the metrics and their registry, and the form of log lines; what is counted tells it. It decides nothing and never
// fails what it watches. A [Metrics] is safe for concurrent use and owns no goroutine.
package telemetry
