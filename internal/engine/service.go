package engine

import (
	"context"
	"errors"
	"sync"
	"time"
)

// safetyInterval is how often deadlines are read although nobody said that one is near: another process may have set one.
const safetyInterval = 5 * time.Second

// carriers bounds the effects that are carried out at the same time.
const carriers = 32

var errStopped = errors.New("the server is stopping")

// Service is the goroutines around a Runner: one that moves deployments, one that hands effects to at most `carriers` others, and, where there are
// other replicas, one that keeps the leases.
type Service struct {
	*Runner
	wakeRun    chan struct{}
	wakeCarry  chan struct{}
	wakeAttend chan struct{}
	cancel     context.CancelFunc
	done       sync.WaitGroup
	once       sync.Once
}

// Start takes up what is outstanding and runs until Stop.
func Start(ctx context.Context, c Config) (*Service, error) {
	s := &Service{Runner: New(c), wakeRun: make(chan struct{}, 1), wakeCarry: make(chan struct{}, 1), wakeAttend: make(chan struct{}, 1)}
	s.Runner.wakeRun = func() { wake(s.wakeRun) }
	s.Runner.wakeCarry = func() { wake(s.wakeCarry) }
	s.attendSoon = func() { wake(s.wakeAttend) }
	if err := s.Recover(ctx); err != nil {
		return nil, err
	}
	if _, err := s.Attend(ctx); err != nil {
		return nil, err
	}
	// The service outlives the context of its start: Stop ends it.
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.done.Add(2)
	go s.runLoop(run)
	go s.carryLoop(run)
	if c.Replicas != nil {
		s.done.Add(1)
		go s.attendLoop(run)
	}
	return s, nil
}

// Stop ends the goroutines and waits for them. Effects that were under way are taken up by the next start, or by another replica: at once when
// Resign was called before.
func (s *Service) Stop() {
	s.once.Do(s.cancel)
	s.done.Wait()
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *Service) runLoop(ctx context.Context) {
	defer s.done.Done()
	pause := time.NewTimer(0)
	defer pause.Stop()
	looked, read := time.Time{}, time.Time{}
	failures := 0
	for ctx.Err() == nil {
		if now := s.Now(); now.Sub(looked) >= safetyInterval {
			s.lookAgain()
			looked = now
		} else if s.Replicas != nil && now.Sub(read) >= feedInterval {
			s.News()
			read = now
		}
		worked, err := s.RunOnce(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			failures++
			s.Log.Error("deployments could not be moved, will be tried again", "error", err)
			pause.Reset(min(retryMost, retryFirst<<min(failures, 10)))
			select {
			case <-ctx.Done():
			case <-pause.C:
			}
			continue
		case worked:
			failures = 0
			continue
		}
		sleep := safetyInterval
		if s.Replicas != nil {
			sleep = feedInterval
		}
		if next := s.NextDue(); !next.IsZero() {
			sleep = max(0, min(sleep, next.Sub(s.Now())))
		}
		pause.Reset(sleep)
		select {
		case <-ctx.Done():
		case <-s.wakeRun:
		case <-pause.C:
		}
	}
	s.close(errStopped)
}

func (s *Service) attendLoop(ctx context.Context) {
	defer s.done.Done()
	pause := time.NewTimer(s.LeaseTime / attendances)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wakeAttend:
		case <-pause.C:
		}
		bounded, cancel := context.WithTimeout(ctx, s.LeaseTime/2)
		next, err := s.Attend(bounded)
		if err == nil {
			err = s.Trim(bounded)
		}
		cancel()
		if err != nil && ctx.Err() == nil {
			s.Log.Error("this replica could not say that it lives, will be tried again", "error", err)
		}
		pause.Reset(next)
	}
}

func (s *Service) carryLoop(ctx context.Context) {
	defer s.done.Done()
	slots := make(chan struct{}, carriers)
	var working sync.WaitGroup
	defer working.Wait()
	spawn := func(f func()) {
		slots <- struct{}{}
		working.Go(func() {
			defer func() { <-slots }()
			f()
		})
	}
	pause := time.NewTimer(0)
	defer pause.Stop()
	changed := false
	for ctx.Err() == nil {
		next := s.CarryOnce(ctx, changed, spawn)
		changed = false
		sleep := safetyInterval
		if !next.IsZero() {
			sleep = max(time.Millisecond, min(sleep, next.Sub(s.Now())))
		}
		pause.Reset(sleep)
		select {
		case <-ctx.Done():
		case <-s.wakeCarry:
		case <-s.Router.Changes():
			changed = true
		case <-pause.C:
		}
	}
}
