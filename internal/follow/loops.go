package follow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"crossfade/internal/lb"
	"crossfade/internal/traffic/feed"
)

const (
	firstPause   = 100 * time.Millisecond
	longestPause = 3 * time.Second
	// askTime bounds a question, which the control plane holds for a few seconds.
	askTime  = 30 * time.Second
	tellTime = 10 * time.Second
)

// backoff is the pause after a number of failures in a row, spread over half of it.
func backoff(failures int) time.Duration {
	d := min(longestPause, firstPause<<min(10, max(0, failures-1)))
	return d/2 + rand.N(d/2)
}

func (f *Follower) wake() {
	select {
	case f.kick <- struct{}{}:
	default:
	}
}

// ask asks for news until ctx ends.
func (f *Follower) ask(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		bounded, cancel := context.WithTimeout(ctx, askTime)
		answer, err := f.Control.Follow(bounded, f.question(true))
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			if err = f.take(answer); err == nil {
				err = f.serve(ctx)
			}
		}
		if err == nil {
			if failures > 0 {
				f.Log.Info("the control plane is followed again")
			}
			failures = 0
			continue
		}
		if errors.Is(err, errFatal) {
			f.failed <- err
			return
		}
		if failures++; failures == 1 {
			f.Log.Warn("the control plane can't be followed; the last state is served, and it is tried again", "error", err)
		}
		f.say(fmt.Sprintf("the control plane can't be followed: %v", err))
		if !wait(ctx, backoff(failures)) {
			return
		}
	}
}

// told is what the control plane knows of this proxy.
type told struct {
	sequence int64
	full     bool // the next report has to be
	applied  int64
	epoch    string
	digest   string
	targets  map[feed.Key]feed.Target
}

// tell tells what is observed until ctx ends.
func (f *Follower) tell(ctx context.Context) {
	known := told{full: true}
	failures := 0
	for ctx.Err() == nil {
		var changes <-chan struct{}
		if b := f.balancer(); b != nil {
			changes = b.Changes()
		}
		err := f.report(ctx, &known)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			failures = 0
			select {
			case <-ctx.Done():
				return
			case <-changes:
			case <-f.kick:
			}
			continue
		case errors.Is(err, feed.ErrResync), errors.Is(err, feed.ErrUnknownProxy):
			known.full = true
		}
		if failures++; failures > 1 {
			f.Log.Debug("the control plane could not be told what is observed, it is tried again", "error", err)
		}
		if !wait(ctx, backoff(failures)) {
			return
		}
	}
}

func (f *Follower) balancer() *lb.Balancer {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.running
}

// report tells what has changed since the last report, if anything has.
func (f *Follower) report(ctx context.Context, known *told) error {
	// What was taken over is read before what there is, so that what there is takes it into account.
	f.mu.Lock()
	r := feed.Report{Identity: f.identity(), Epoch: f.state.head.Epoch, Applied: f.state.head.Last, Digest: f.digest, Full: known.full}
	running, retiring := f.running, f.retiring
	f.mu.Unlock()
	if r.Epoch == "" || running == nil {
		return nil
	}
	is := observed(running, retiring)
	for _, k := range sortedKeys(is) {
		if r.Full || known.targets[k] != is[k] {
			r.Targets = append(r.Targets, is[k])
		}
	}
	for _, k := range sortedKeys(known.targets) {
		if _, still := is[k]; !still && !r.Full {
			r.Gone = append(r.Gone, k)
		}
	}
	if !r.Full && len(r.Targets)+len(r.Gone) == 0 && known.applied == r.Applied && known.epoch == r.Epoch && known.digest == r.Digest {
		return nil
	}
	if err := f.send(ctx, known, r); err != nil {
		// Part of it may have arrived.
		known.full = true
		return err
	}
	known.full, known.applied, known.epoch, known.digest, known.targets = false, r.Applied, r.Epoch, r.Digest, is
	return nil
}

const (
	// mostTargets bounds a report, so that it fits in what a server reads: 1 MiB.
	mostTargets = 1500
	// longestReason is in bytes.
	longestReason = 240
)

// send sends a report in pieces. Only the last says what was taken over, because the ones before do not tell of every target.
func (f *Follower) send(ctx context.Context, known *told, r feed.Report) error {
	one := func(piece feed.Report) error {
		known.sequence++
		piece.Sequence = known.sequence
		bounded, cancel := context.WithTimeout(ctx, tellTime)
		defer cancel()
		return f.Control.Report(bounded, piece)
	}
	for len(r.Targets)+len(r.Gone) > mostTargets {
		piece := r
		piece.Applied = -1
		piece.Targets = r.Targets[:min(len(r.Targets), mostTargets)]
		piece.Gone = r.Gone[:min(len(r.Gone), mostTargets-len(piece.Targets))]
		if err := one(piece); err != nil {
			return err
		}
		r.Targets, r.Gone, r.Full = r.Targets[len(piece.Targets):], r.Gone[len(piece.Gone):], false
	}
	return one(r)
}

func sortedKeys(m map[feed.Key]feed.Target) []feed.Key {
	return slices.SortedFunc(maps.Keys(m), func(a, b feed.Key) int {
		if c := strings.Compare(a.TargetGroup, b.TargetGroup); c != 0 {
			return c
		}
		return strings.Compare(a.Instance, b.Instance)
	})
}

// observed is what balancers have of all targets that are not absent. Of one that is there twice, the registered one counts before the one that drains.
func observed(running *lb.Balancer, retiring []*lb.Balancer) map[feed.Key]feed.Target {
	is := map[feed.Key]feed.Target{}
	note := func(t lb.TargetMetrics) {
		k := feed.Key{TargetGroup: t.TargetGroup, Instance: t.ID}
		if _, known := is[k]; !known {
			is[k] = feed.Target{TargetGroup: t.TargetGroup, Instance: t.ID, State: string(t.State), Reason: short(t.Reason), Environment: t.Environment}
		}
	}
	for _, t := range running.Metrics().Targets {
		note(t)
	}
	for _, b := range retiring {
		for _, t := range b.Metrics().Targets {
			if t.Active > 0 {
				t.State, t.Reason = lb.StateDraining, fmt.Sprintf("%d requests are under way from before the last change of the configuration", t.Active)
				note(t)
			}
		}
	}
	return is
}

// short cuts a reason, which may quote what a target said, and leaves whole characters.
func short(reason string) string {
	if len(reason) > longestReason {
		reason = reason[:longestReason]
	}
	return strings.ToValidUTF8(reason, "")
}
