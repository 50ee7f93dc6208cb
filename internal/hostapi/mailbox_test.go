package hostapi

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"crossfade/internal/deploy"
)

type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func command(target string, attempt int) deploy.Effect {
	return deploy.Effect{
		Key:     deploy.EffectKey{DeploymentID: "d-TEST00001", Target: target, Kind: deploy.EffectCommand},
		Command: &deploy.Command{Host: "host:" + target, Event: deploy.ApplicationStop, Attempt: attempt},
	}
}

// TestMailboxHoldsAndWakes holds that a held poll is answered the moment work appears, and empty-handed when the hold is over.
func TestMailboxHoldsAndWakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := NewMailbox(wallClock{})
		begun := time.Now()
		if _, ok := m.Wait(t.Context(), "host:a", 20*time.Second); ok {
			t.Error("a command came out of nothing")
		}
		if held := time.Since(begun); held != 20*time.Second {
			t.Errorf("the idle poll was held for %s", held)
		}
		time.AfterFunc(3*time.Second, func() { m.Offer(command("a", 1)) })
		begun = time.Now()
		if d, ok := m.Wait(t.Context(), "host:a", 20*time.Second); !ok || d.Effect.Command.Attempt != 1 {
			t.Errorf("got %+v %v", d, ok)
		}
		if held := time.Since(begun); held != 3*time.Second {
			t.Errorf("the command came after %s", held)
		}
	})
}

// TestMailboxRedelivers holds that an unacknowledged command comes again after a minute and not before, with another number, and that an
// acknowledged or withdrawn one never does.
func TestMailboxRedelivers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := NewMailbox(wallClock{})
		m.Offer(command("a", 1))
		first, ok := m.Wait(t.Context(), "host:a", time.Second)
		if !ok {
			t.Fatal("no command")
		}
		begun := time.Now()
		second, ok := m.Wait(t.Context(), "host:a", 2*time.Minute)
		if !ok || time.Since(begun) != time.Minute || second.Number == first.Number {
			t.Errorf("again after %s: %v, numbers %d %d", time.Since(begun), ok, first.Number, second.Number)
		}
		e := command("a", 1)
		e.Command.Acknowledged = true
		m.Offer(e)
		if _, ok := m.Wait(t.Context(), "host:a", 5*time.Minute); ok {
			t.Error("an acknowledged command was handed out")
		}
		m.Offer(command("a", 2))
		m.Withdraw(e.Key)
		if _, ok := m.Wait(t.Context(), "host:a", 5*time.Minute); ok {
			t.Error("a withdrawn command was handed out")
		}
		if len(m.boxes) != 0 || len(m.hosts) != 0 {
			t.Errorf("the empty mailbox keeps %d boxes and %d keys", len(m.boxes), len(m.hosts))
		}
	})
}

// TestMailboxHandsOutOnce holds that each of many commands goes to exactly one of many polls, also when polls give up.
func TestMailboxHandsOutOnce(t *testing.T) {
	t.Parallel()
	m := NewMailbox(wallClock{})
	const commands = 200
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for i := range 20 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if d, ok := m.Wait(ctx, "host:a", time.Duration(1+i)*time.Millisecond); ok {
					mu.Lock()
					seen[d.Effect.Key.DeploymentID]++
					done := len(seen) == commands
					mu.Unlock()
					if done {
						cancel()
					}
				}
			}
		})
	}
	for i := range commands {
		e := command("a", 1)
		e.Key.DeploymentID = fmt.Sprint(i)
		m.Offer(e)
	}
	wg.Wait()
	for id, n := range seen {
		if n != 1 {
			t.Errorf("command %s was handed out %d times", id, n)
		}
	}
	if m.Waiting() != 0 {
		t.Errorf("%d polls are still counted", m.Waiting())
	}
}
