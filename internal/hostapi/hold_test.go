package hostapi

import (
	"testing"
	"testing/synctest"
	"time"

	"crossfade/internal/deploy"
)

// of makes effects of a deployment to the host "host:a".
func of(deployment string, since time.Time) (hold, command deploy.Effect) {
	key := deploy.EffectKey{DeploymentID: deployment, Target: "a", Kind: deploy.EffectHold}
	hold = deploy.Effect{Key: key, Hold: &deploy.Hold{Host: "host:a", Since: since}}
	key.Kind = deploy.EffectCommand
	return hold, deploy.Effect{Key: key, Command: &deploy.Command{Host: "host:a", Event: deploy.ApplicationStop, Attempt: 1}}
}

// TestOneDeploymentHasAHost holds that commands of a deployment wait while another one has the host, also after a restart that reads the effects
// in another order, and come at once when the host is given back.
func TestOneDeploymentHasAHost(t *testing.T) {
	t.Parallel()
	for name, order := range map[string][]int{"as they came": {0, 1, 2, 3}, "as a restart reads them": {3, 2, 1, 0}, "commands first": {1, 3, 2, 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := NewMailbox(wallClock{})
				firstHold, first := of("d-FIRST0001", time.Now())
				secondHold, second := of("d-AFTER0001", time.Now().Add(time.Second))
				effects := []deploy.Effect{firstHold, first, secondHold, second}
				for _, i := range order {
					m.Offer(effects[i])
				}
				if d, ok := m.Wait(t.Context(), "host:a", time.Second); !ok || d.Effect.Key.DeploymentID != "d-FIRST0001" {
					t.Fatalf("got %+v %v", d, ok)
				}
				if by := m.HeldBy(second.Key); by != "d-FIRST0001" {
					t.Errorf("the second one's command is held by %q", by)
				}
				if by := m.HeldBy(first.Key); by != "" {
					t.Errorf("the first one's command is held by %q", by)
				}
				if d, ok := m.Wait(t.Context(), "host:a", time.Second); ok {
					t.Fatalf("got %+v while another one has the host", d)
				}
				// Between two events of the first one there is a moment without a command; the host stays its own.
				m.Withdraw(first.Key)
				if d, ok := m.Wait(t.Context(), "host:a", time.Second); ok {
					t.Fatalf("got %+v between two events of another one", d)
				}
				begun := time.Now()
				time.AfterFunc(3*time.Second, func() { m.Withdraw(firstHold.Key) })
				if d, ok := m.Wait(t.Context(), "host:a", 20*time.Second); !ok || d.Effect.Key.DeploymentID != "d-AFTER0001" || time.Since(begun) != 3*time.Second {
					t.Errorf("got %+v %v after %s", d, ok, time.Since(begun))
				}
				m.Withdraw(second.Key)
				m.Withdraw(secondHold.Key)
				if len(m.boxes) != 0 || len(m.hosts) != 0 {
					t.Errorf("the empty mailbox keeps %d boxes and %d keys", len(m.boxes), len(m.hosts))
				}
			})
		})
	}
}

// TestWaitingForAHostIsNoFaultOfItsAgent holds that an agent has its whole time to ask for a command after another deployment gave the host back.
func TestWaitingForAHostIsNoFaultOfItsAgent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := NewMailbox(wallClock{})
		firstHold, _ := of("d-FIRST0001", time.Now())
		secondHold, second := of("d-AFTER0001", time.Now().Add(time.Second))
		for _, e := range []deploy.Effect{firstHold, secondHold, second} {
			m.Offer(e)
		}
		time.Sleep(deploy.PickUpLimit - time.Second)
		m.Withdraw(firstHold.Key)
		time.Sleep(time.Second)
		if by := m.HeldBy(second.Key); by != "d-FIRST0001" {
			t.Errorf("a second after the host was given back, the command is held by %q", by)
		}
		time.Sleep(deploy.PickUpLimit - time.Second)
		if by := m.HeldBy(second.Key); by != "" {
			t.Errorf("after the agent's time it is held by %q", by)
		}
	})
}
