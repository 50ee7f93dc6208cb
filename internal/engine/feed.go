package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

const (
	// feedInterval is how often the feed is read although nobody said that there is news.
	feedInterval = time.Second
	// feedPiece bounds the entries that are read at once.
	feedPiece = 256
	// feedKept is how long entries are kept for replicas that stall; one that stalls for longer reads everything again.
	feedKept = 10 * time.Minute
	// doubtTime is how long after a failed commit it may still come to be, in a database that the connection to was lost.
	doubtTime = time.Minute
	// trimInterval is how often older ones are removed, by whoever has the first shard.
	trimInterval = time.Minute
)

// feed is how far this replica knows what the others have done. It belongs to RunOnce, except for look, which is guarded by Runner.mu.
type feed struct {
	look     bool // there may be news
	position int64
	// doubt is when a batch of this replica may last have been committed without being handed out; the feed then tells of its own entries
	// too. Zero: there is no doubt.
	doubt   time.Time
	trimmed time.Time
}

// News says that other replicas may have changed something. It does not block.
func (r *Runner) News() {
	r.mu.Lock()
	r.feed.look = true
	r.mu.Unlock()
	r.wakeRun()
}

// follows brings this replica up to what the others have done, and takes up what it has gained. It reports whether there was anything.
func (r *Runner) follows(ctx context.Context) (bool, error) {
	if r.Replicas == nil {
		return false, nil
	}
	before := r.feed.position
	r.mu.Lock()
	look := r.feed.look
	r.feed.look = false
	r.mu.Unlock()
	if look {
		if err := r.readFeed(ctx, 0); err != nil {
			r.mu.Lock()
			r.feed.look = true
			r.mu.Unlock()
			return false, err
		}
	}
	gained, err := r.takeUp(ctx)
	return gained || r.feed.position != before, err
}

// readFeed reads the feed to its end, or at least as far as a position. Nothing that it hands out is older than what has been handed out
// already: an entry only says what to look at.
func (r *Runner) readFeed(ctx context.Context, least int64) error {
	began := r.Now()
	for {
		except := r.Replica
		if !r.feed.doubt.IsZero() {
			except = ""
		}
		c, err := r.Replicas.Changes(ctx, r.feed.position, except, feedPiece)
		if errors.Is(err, store.ErrBehind) {
			r.Log.Warn("this replica stalled for so long that it reads all outstanding effects again")
			return r.readAll(ctx)
		}
		if err != nil {
			return fmt.Errorf("read what other replicas have changed: %w", err)
		}
		for _, e := range c.Effects {
			r.change(e)
		}
		r.due(c.Due)
		if c.Leases {
			r.attendSoon()
		}
		if c.Notices && r.Told != nil {
			r.Told(c.Ended)
		}
		r.feed.position = c.Position
		switch {
		case c.More && (least == 0 || r.feed.position < least):
			continue
		case !c.More && began.Sub(r.feed.doubt) > doubtTime:
			r.feed.doubt = time.Time{}
		}
		return nil
	}
}

// change makes what this server has of an effect as the store has it.
func (r *Runner) change(c store.EffectChange) {
	switch {
	case c.Effect == nil:
		r.drop(c.Key)
	case forAgents(c.Key.Kind):
		r.Agents.Offer(*c.Effect)
	default:
		r.carryOut(*c.Effect, true)
	}
}

// readAll begins anew: what is in the store is handed out, and nothing else stays.
func (r *Runner) readAll(ctx context.Context) error {
	effects, position, err := r.Replicas.EffectsOf(ctx, deploy.AllShards)
	if err != nil {
		return fmt.Errorf("read outstanding effects: %w", err)
	}
	keep := make(map[deploy.EffectKey]bool, len(effects))
	for _, e := range effects {
		keep[e.Key] = true
	}
	r.Agents.Retain(func(k deploy.EffectKey) bool { return keep[k] })
	r.carrying.retain(keep)
	for _, e := range effects {
		r.change(store.EffectChange{Key: e.Key, Effect: &e})
	}
	r.feed.position = position
	r.lookAgain()
	return nil
}

// afterBatch brings this replica up to what was committed before a batch of its own, so that what that batch asks for is handed out in the order of
// commits. It reports whether the batch's own effects are to be handed out: not when the store can't say what came before; then the feed tells
// of them too, later.
func (r *Runner) afterBatch(ctx context.Context, s store.Shared) bool {
	if r.feed.position < s.Before {
		if err := r.readFeed(ctx, s.Before); err != nil {
			r.Log.Warn("what other replicas have changed could not be read, will be tried again", "error", err)
			r.inDoubt()
			return false
		}
	}
	r.feed.position = max(r.feed.position, s.Position)
	return true
}

// inDoubt makes the next RunOnce read the store, for entries of this replica too.
func (r *Runner) inDoubt() {
	r.feed.doubt = r.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.feed.look, r.lookDue = true, true
}

// Trim removes entries of the feed that nobody needs any more, from time to time.
func (r *Runner) Trim(ctx context.Context) error {
	now := r.Now()
	if r.Replicas == nil || now.Sub(r.feed.trimmed) < trimInterval || !r.shards().Has(0) {
		return nil
	}
	r.feed.trimmed = now
	if _, err := r.Replicas.TrimChanges(ctx, feedKept, 5000); err != nil {
		return fmt.Errorf("trim the feed of changes: %w", err)
	}
	return nil
}
