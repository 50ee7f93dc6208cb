package engine

import (
	"context"
	"fmt"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// lookInterval is the pause before deadlines that stand in the past are read again.
const lookInterval = 10 * time.Millisecond

// due takes note of a deadline that a transition set.
func (r *Runner) due(at time.Time) {
	if at.IsZero() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.nextDue.IsZero() || at.Before(r.nextDue) {
		r.nextDue = at
	}
}

// NextDue is when RunOnce will have a deadline to see to; zero when there is none. It may be early.
func (r *Runner) NextDue() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.nextDue
}

// collectDue turns deadlines that have come into events. The rows are the truth, nextDue only saves looking.
func (r *Runner) collectDue(ctx context.Context, now time.Time) error {
	r.mu.Lock()
	look := r.lookDue || !r.nextDue.IsZero() && !now.Before(r.nextDue)
	waiting := len(r.inbox)
	r.mu.Unlock()
	// What waits already may well move the very deadlines that are due.
	if !look || waiting >= batchSize {
		return nil
	}
	rows, next, err := r.readDue(ctx, now)
	if err != nil {
		return err
	}
	requests := make([]*request, 0, len(rows))
	for _, d := range rows {
		fence, owned := r.lease(d.DeploymentID)
		if !owned {
			continue // lost since
		}
		q := &request{id: d.DeploymentID, what: deploy.Wake{}, fence: fence}
		requests = append(requests, q)
		if d.Target != "" {
			command := deploy.EffectKey{DeploymentID: d.DeploymentID, Target: d.Target, Kind: deploy.EffectCommand}
			q.what = deploy.TargetDue{Target: d.Target, HeldBy: r.Agents.HeldBy(command)}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lookDue = false
	if !next.IsZero() && !next.After(now) {
		// The rows just read are about to move. Looking again a little later, and not at once, keeps a row that refuses to move from
		// turning the runner hot.
		next = now.Add(lookInterval)
	}
	r.nextDue = next
	r.inbox = append(r.inbox, requests...)
	return nil
}

// readDue reads what is due and when something will be next, of the deployments that this server answers for.
func (r *Runner) readDue(ctx context.Context, now time.Time) (rows []store.Due, next time.Time, err error) {
	shards := r.shards()
	switch {
	case r.Replicas == nil:
		if rows, err = r.Store.Due(ctx, now, batchSize); err == nil {
			next, err = r.Store.NextDue(ctx)
		}
	case shards != 0:
		if rows, err = r.Replicas.DueIn(ctx, shards, now, batchSize); err == nil {
			next, err = r.Replicas.NextDueIn(ctx, shards)
		}
	}
	if err != nil {
		return nil, next, fmt.Errorf("read what is due: %w", err)
	}
	return rows, next, nil
}

// lookAgain makes the next RunOnce read the deadlines: another process may have set some.
func (r *Runner) lookAgain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lookDue = true
}
