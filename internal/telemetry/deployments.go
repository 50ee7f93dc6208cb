package telemetry

import (
	"context"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// Deployments counts what is applied to the deployments of a store.
func (m *Metrics) Deployments(inner store.Deployments) store.Deployments {
	return &countedDeployments{kept: inner, metrics: m}
}

// kept has a name that doesn't hide the method Deployments when it is embedded.
type kept = store.Deployments

type countedDeployments struct {
	kept
	metrics *Metrics
}

// Batch implements store.Deployments. Only what became durable is counted.
func (c *countedDeployments) Batch(ctx context.Context, fn func(store.Batch) error) error {
	var applied []deploy.Transition
	err := c.kept.Batch(ctx, func(b store.Batch) error {
		applied = applied[:0] // the engine may run the function again
		return fn(&countedBatch{b, &applied})
	})
	if err != nil {
		return err
	}
	for _, t := range applied {
		c.metrics.transition(t)
	}
	return nil
}

type countedBatch struct {
	store.Batch
	applied *[]deploy.Transition
}

// Apply implements store.Batch.
func (b *countedBatch) Apply(ctx context.Context, t deploy.Transition) error {
	if err := b.Batch.Apply(ctx, t); err != nil {
		return err
	}
	*b.applied = append(*b.applied, t)
	return nil
}

func (m *Metrics) transition(t deploy.Transition) {
	if t.Created() {
		m.deployments.WithLabelValues(string(deploy.StatusCreated)).Inc()
	}
	for _, l := range t.Journal() {
		switch {
		case l.Event != "" && l.To != "":
			m.lifecycle.WithLabelValues(string(l.Event), l.To).Inc()
		case l.Target == "" && l.To != "":
			m.deployments.WithLabelValues(l.To).Inc()
		}
	}
	if s := t.Spawn(); s != nil {
		m.transition(*s)
	}
}
