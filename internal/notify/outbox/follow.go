package outbox

import (
	"context"
	"errors"
	"sync"
	"time"

	"crossfade/internal/notify"
	"crossfade/internal/store"
)

// keepEvery is after how many events a follower's place is kept while there are more: a crash sends at most so many again.
const keepEvery = 16

// follower goes through the log for one Follower, one event after the other. A failure holds it up until the event is taken, is refused for good,
// or has been tried for an hour; so a receiver that is away for long loses at most one event in an hour, and one event that its receiver can't
// digest does not hold up the rest for ever.
type follower struct {
	Follower
	outbox *Outbox

	mu      sync.Mutex
	running bool
	seen    int64     // the news when it last began
	lookAt  time.Time // when it looks whether or not there is news: another process may write
	known   bool      // cursor is read
	cursor  store.NoticeCursor
}

// run goes on with the log, unless that is under way, a pause lasts, or nothing is new. It returns when the pause ends.
func (f *follower) run(ctx context.Context, now time.Time) (time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running {
		return time.Time{}, nil
	}
	if err := f.begin(ctx); err != nil {
		return time.Time{}, err
	}
	news := f.outbox.news.Load()
	switch {
	case f.cursor.NotBefore.After(now):
		return f.cursor.NotBefore, nil
	case f.cursor.NotBefore.IsZero() && f.seen == news && now.Before(f.lookAt):
		return time.Time{}, nil
	}
	f.running, f.seen, f.lookAt = true, news, now.Add(safetyInterval)
	cursor := f.cursor
	f.mu.Unlock()
	f.outbox.spawn(func() { f.end(f.follow(ctx, cursor)) })
	f.mu.Lock()
	if f.running {
		return time.Time{}, nil
	}
	return f.cursor.NotBefore, nil
}

// begin reads the follower's place in the log; a new one begins at the end.
func (f *follower) begin(ctx context.Context) error {
	if f.known {
		return nil
	}
	c, err := f.outbox.Store.NoticeCursor(ctx, f.Name)
	if errors.Is(err, store.ErrNotFound) {
		_, last, boundsErr := f.outbox.Store.NoticeBounds(ctx)
		if boundsErr != nil {
			return boundsErr
		}
		c = store.NoticeCursor{Name: f.Name, After: last}
		err = f.outbox.Store.SetNoticeCursor(ctx, c)
	}
	if err != nil {
		return err
	}
	f.known, f.cursor = true, c
	return nil
}

func (f *follower) end(c store.NoticeCursor, err error) {
	f.mu.Lock()
	f.running, f.cursor = false, c
	// A pause must be waited for, and what is new since it began may have been overlooked.
	nudge := err != nil || !c.NotBefore.IsZero() || f.seen != f.outbox.news.Load()
	if err != nil {
		f.known = false // what the store has is what counts
	}
	f.mu.Unlock()
	if err != nil {
		f.outbox.trouble(err)
	}
	if nudge {
		f.outbox.nudge()
	}
}

// follow sends events until there are no more or one is not taken, and keeps the place that it has come to.
func (f *follower) follow(ctx context.Context, c store.NoticeCursor) (store.NoticeCursor, error) {
	o := f.outbox
	keep := context.WithoutCancel(ctx)
	kept := c
	for ctx.Err() == nil {
		notices, err := o.Store.Notices(ctx, c.After, keepEvery)
		if err != nil {
			return c, err
		}
		if len(notices) > 0 && notices[0].ID > c.After+1 {
			o.Log.Error("notices were cleared away before they could be told", "destination", f.Name, "after", c.After, "before", notices[0].ID)
		}
		failed := false
		for _, n := range notices {
			if ctx.Err() != nil {
				break
			}
			if failed = !f.send(ctx, n, &c); failed {
				break
			}
		}
		if c != kept {
			if err := o.Store.SetNoticeCursor(keep, c); err != nil {
				return c, err
			}
			kept = c
		}
		if failed || len(notices) == 0 {
			return c, nil
		}
	}
	return c, nil
}

// send tells of one notice and moves the cursor behind it, or notes when to try again and returns false.
func (f *follower) send(ctx context.Context, n store.LoggedNotice, c *store.NoticeCursor) bool {
	o := f.outbox
	past := store.NoticeCursor{Name: c.Name, After: n.ID}
	m, ok := o.Words.StateChange(n.ID, n.Notice)
	if !ok {
		*c = past
		return true
	}
	err := f.Sink.Send(ctx, m)
	if err != nil && ctx.Err() != nil {
		return false // the outbox stops
	}
	if err == nil {
		o.Observe(f.Name, Delivered)
		*c = past
		return true
	}
	now := o.Clock.Now()
	if c.Tries == 0 {
		c.Since = now
	}
	c.Tries++
	log := o.Log.With("deployment", n.DeploymentID, "destination", f.Name, "tries", c.Tries, "moment", n.Moment, "event", m.ID)
	if notify.IsPermanent(err) || now.Sub(c.Since) >= keepTrying {
		log.Error("state change given up", "since", c.Since, "error", err)
		o.Observe(f.Name, Lost)
		*c = past
		return true
	}
	c.NotBefore = now.Add(o.pause(c.Tries))
	log.Warn("state change not taken, will be tried again", "again", c.NotBefore.Format(time.RFC3339), "error", err)
	o.Observe(f.Name, Retried)
	return false
}
