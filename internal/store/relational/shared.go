package relational

import (
	"context"
	"database/sql"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

var _ store.Replicas = (*Store)(nil)

// clockBack is how far the clock may have been put back before its time counts more than the order of events.
const clockBack = time.Minute

// SharedBatch implements store.Replicas.
func (s *Store) SharedBatch(ctx context.Context, replica string, now time.Time, fn func(store.SharedBatch) error) (store.Shared, error) {
	var where store.Shared
	err := s.write.Do(ctx, func(t Tx) error {
		var last int64
		if err := t.Row(ctx, lastChange, nil, &where.Before, &last); err != nil {
			return err
		}
		where.Position = where.Before
		s.remembered.upTo(where.Before)
		b := &sharedBatch{batch: s.newBatch(t), at: now.UTC()}
		if latest := moment(sql.NullInt64{Int64: last}); !now.After(latest) && latest.Sub(now) < clockBack {
			b.at = latest.Add(1)
		}
		if err := fn(b); err != nil {
			return err
		}
		if err := b.end(); err != nil {
			return err
		}
		if !b.changed {
			return nil
		}
		var err error
		where.Position, err = enter(ctx, t, replica, now, unixNano(b.at.Add(store.SharedSpan)), &b.doc)
		s.remembered.position = where.Position
		return err
	})
	return where, wrap(err, "write a batch of replica %s", replica)
}

// sharedBatch is a batch that keeps what it changes for the feed.
type sharedBatch struct {
	*batch
	at      time.Time
	changed bool
	doc     changeDoc
}

// At implements store.SharedBatch.
func (b *sharedBatch) At() time.Time { return b.at }

// Fence implements store.SharedBatch. Nobody else writes while the batch is under way.
func (b *sharedBatch) Fence(_ context.Context, l store.Lease) error {
	holds, err := exists(b.tx, `SELECT 1 FROM lease WHERE name = ? AND owner = ? AND epoch = ?`, l.Name, l.Owner, l.Epoch)
	if err == nil && !holds {
		err = store.ErrLeaseLost
	}
	return wrap(err, "check the lease %s of replica %s", l.Name, l.Owner)
}

// Apply implements store.Batch.
func (b *sharedBatch) Apply(ctx context.Context, t deploy.Transition) error {
	var cleared []deploy.EffectKey
	if t.ClearAll() {
		for _, k := range b.pending.effects.order {
			if k.DeploymentID == t.Deployment().Spec.ID && k.Kind != deploy.EffectTraffic {
				cleared = append(cleared, k)
			}
		}
		err := b.tx.Each(ctx, `SELECT target_id, kind FROM effect WHERE deployment_id = ? AND kind <> ?`, []any{t.Deployment().Spec.ID, string(deploy.EffectTraffic)},
			func(rows Rows) (bool, error) {
				k := deploy.EffectKey{DeploymentID: t.Deployment().Spec.ID}
				err := rows.Scan(&k.Target, &k.Kind)
				cleared = append(cleared, k)
				return true, err
			})
		if err != nil {
			return wrap(err, "read the effects of deployment %s", t.Deployment().Spec.ID)
		}
	}
	if err := b.batch.Apply(ctx, t); err != nil || t.Empty() {
		return err
	}
	b.changed = true
	b.doc.Effects = append(b.doc.Effects, cleared...)
	b.doc.note(t)
	return nil
}
