package main

import (
	"context"
	"fmt"
	"time"

	"crossfade/internal/eventlog"
	"crossfade/internal/operator"
)

const (
	// failedLogs is how many failed events are shown with their last lines: of a fleet that fails as one, some are enough.
	failedLogs = 10
	// failedLines is how many lines of each.
	failedLines = 20
	// lastLinesTime bounds the reading of them.
	lastLinesTime = 5 * time.Second
	// drainTime is how long the lines of a deployment that has ended are waited for.
	drainTime = 5 * time.Second
)

// lastOf reads the last lines of a failed event. A server or a key that has none to show is no reason not to go on.
func lastOf(ctx context.Context, client *operator.Client, id string) func(instance, event string) []eventlog.Chunk {
	return func(instance, event string) []eventlog.Chunk {
		ctx, cancel := context.WithTimeout(ctx, lastLinesTime)
		defer cancel()
		chunks, err := client.LastEventLogs(ctx, operator.LogQuery{DeploymentID: id, Target: instance, Event: event}, failedLines)
		if err != nil {
			return nil
		}
		return chunks
	}
}

// logFollower tells the lines of a deployment's logs beside its events. It has a goroutine until Stop.
type logFollower struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// followLogs begins to tell lines to t.
func followLogs(c *operator.Client, id string, t *waitTeller) *logFollower {
	ctx, cancel := context.WithCancel(context.Background())
	f := &logFollower{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		_, err := c.FollowEventLogs(ctx, operator.LogQuery{DeploymentID: id}, quietly{t}, func(ctx context.Context, d time.Duration) error { return sleep(ctx, d, nil) })
		if err != nil && ctx.Err() == nil {
			// What can't be read for good is said, and the waiting goes on without it. A teller that can't tell any more ends the waiting itself.
			if err := t.note(fmt.Sprintf("%v; their lines are not shown", err)); err != nil {
				return
			}
		}
	}()
	return f
}

// Stop ends the telling; with ended, after the last lines of a deployment that has.
func (f *logFollower) Stop(ended bool) {
	if ended {
		enough := time.NewTimer(drainTime)
		defer enough.Stop()
		select {
		case <-f.done:
		case <-enough.C:
		}
	}
	f.cancel()
	<-f.done
}

// quietly tells lines and no trouble that passes: the follower of the deployment has the same.
type quietly struct{ *waitTeller }

func (quietly) Trouble(error) error { return nil }
