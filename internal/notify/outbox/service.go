package outbox

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// safetyInterval is how often the store is read although nobody woke the outbox.
	safetyInterval = 5 * time.Second
	// troublePause follows an error of the store.
	troublePause = 2 * time.Second
)

// Service is the goroutines around an Outbox.
type Service struct {
	*Outbox
	cancel context.CancelFunc
	done   sync.WaitGroup
	once   sync.Once
}

// Start sends what is outstanding, and what comes, until Stop. Each follower has its place in the log when Start returns, so that it misses
// nothing of what happens from then on.
func Start(ctx context.Context, c Config) (*Service, error) {
	s := &Service{Outbox: New(c)}
	for _, f := range s.followers {
		if err := f.begin(ctx); err != nil {
			return nil, fmt.Errorf("find the place of %q in the log of notices: %w", f.Name, err)
		}
	}
	// The service outlives the context of its start: Stop ends it.
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.spawn = func(f func()) { s.done.Go(f) }
	s.done.Go(func() { s.loop(run) })
	return s, nil
}

// Stop breaks off what is under way, and waits. It may be called twice.
func (s *Service) Stop() {
	s.once.Do(s.cancel)
	s.done.Wait()
}

func (s *Service) loop(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for ctx.Err() == nil {
		next, err := s.RunOnce(ctx, s.Clock.Now())
		wake := s.wake
		sleep := safetyInterval
		switch {
		case err != nil && ctx.Err() == nil:
			s.Log.Error("messages could not be read or kept, will be tried again", "error", err)
			sleep, wake = troublePause, nil
		case !next.IsZero():
			sleep = max(time.Millisecond, min(sleep, next.Sub(s.Clock.Now())))
		}
		pause.Reset(sleep)
		select {
		case <-ctx.Done():
		case <-wake:
		case <-pause.C:
		}
	}
}
