package telemetry

import (
	"context"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// Replicas counts what this server applies to deployments that it shares with others.
func (m *Metrics) Replicas(inner store.Replicas) store.Replicas {
	return &countedReplicas{Replicas: inner, metrics: m}
}

type countedReplicas struct {
	store.Replicas
	metrics *Metrics
}

// SharedBatch implements store.Replicas. Only what became durable is counted.
func (c *countedReplicas) SharedBatch(ctx context.Context, replica string, now time.Time, fn func(store.SharedBatch) error) (store.Shared, error) {
	var applied []deploy.Transition
	where, err := c.Replicas.SharedBatch(ctx, replica, now, func(b store.SharedBatch) error {
		applied = applied[:0] // the store may run the function again
		return fn(&countedShared{b, &applied})
	})
	if err != nil {
		return where, err
	}
	for _, t := range applied {
		c.metrics.transition(t)
	}
	return where, nil
}

type countedShared struct {
	store.SharedBatch
	applied *[]deploy.Transition
}

// Apply implements store.Batch.
func (b *countedShared) Apply(ctx context.Context, t deploy.Transition) error {
	if err := b.SharedBatch.Apply(ctx, t); err != nil {
		return err
	}
	*b.applied = append(*b.applied, t)
	return nil
}
