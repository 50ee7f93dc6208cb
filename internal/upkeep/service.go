package upkeep

import (
	"context"
	"time"
)

// spacing is the least time between two passes, however often it is woken: a fleet in a cloud is asked over the network.
const spacing = 250 * time.Millisecond

// Wake asks for a pass soon: a deployment has ended, an instance has come, or its tags or its fleet have changed. It never blocks.
func (u *Upkeep) Wake() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// Start runs passes until Stop: when woken, when the fleet says that it changed, and every Interval. It may be called twice.
func (u *Upkeep) Start(ctx context.Context) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.stop != nil {
		return
	}
	// The passes outlive the context of their start: Stop ends them.
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	u.stop = cancel
	u.done.Go(func() { u.loop(run) })
}

// Stop ends the passes and waits for the one that is under way. It may be called twice, and without a start.
func (u *Upkeep) Stop() {
	u.mu.Lock()
	if u.stop != nil {
		u.stop()
	}
	u.mu.Unlock()
	u.done.Wait()
}

func (u *Upkeep) loop(ctx context.Context) {
	var changes <-chan struct{}
	if u.Scaling != nil {
		changes = u.Scaling.Changes()
	}
	pause := time.NewTimer(0)
	defer pause.Stop()
	for ctx.Err() == nil {
		if _, err := u.RunOnce(ctx); err != nil && ctx.Err() == nil {
			u.Log.Warn("not every group could be kept up, will be tried again", "error", err)
		}
		pause.Reset(spacing)
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		pause.Reset(max(0, u.Interval-spacing))
		select {
		case <-ctx.Done():
		case <-u.wake:
		case <-changes:
		case <-pause.C:
		}
	}
}
