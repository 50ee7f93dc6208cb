// Package hostapi is what host agents call: the five operations of the host command protocol, the mailbox that answers their polls, and the
// signed deployment specification.
//
// It owns no progress. A command is offered by the engine, waits in the mailbox, is handed out to a held poll, and its acknowledgement and its
// result go back to the engine as events. The mailbox is memory only and is rebuilt from the store after a start; so that a command which was
// handed out before and after a crash, or by two replicas, runs once, each handing-out has a number of its own, and the state machine accepts
// the first one that is acknowledged. A poll that brings nothing reads and writes no database; where other processes may register hosts, one in twenty
// seconds reads the host's registration.
package hostapi

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"crossfade/internal/deploy"
)

// redeliverAfter is when a command that was handed out and not acknowledged is offered again. Official agents would run a command twice, side
// by side, if it came again sooner.
const redeliverAfter = 60 * time.Second

// mostPolls is how many polls of one host are held: agents have one, and one more for each connection that died unseen.
const mostPolls = 16

// Clock tells the time.
type Clock interface{ Now() time.Time }

// Mailbox keeps the commands that wait for hosts. It implements engine.Agents.
type Mailbox struct {
	clock   Clock
	replica int64 // tells the deliveries of this mailbox from those of other replicas

	mu       sync.Mutex
	boxes    map[string]*box             // by host identity
	hosts    map[deploy.EffectKey]string // of commands and holds
	delivery int64
}

// box is what waits for one host, and who waits for it.
type box struct {
	offers  []*offer        // in the order in which they came
	holds   []hold          // the first one has the host
	freedBy string          // the deployment that had the host last
	freed   time.Time       // and gave it back then
	waiting []chan struct{} // held polls, the newest last; a wake-up carries no truth
}

type offer struct {
	effect deploy.Effect
	again  time.Time // not to be handed out before
}

// hold is a deployment's wish to have a host for itself until it is withdrawn.
type hold struct {
	key   deploy.EffectKey
	since time.Time
}

// replicaBits are the bits of a delivery's number that say which replica handed it out. The others count steps of 65 microseconds.
const replicaBits = 16

// NewMailbox returns an empty mailbox.
func NewMailbox(clock Clock) *Mailbox {
	return &Mailbox{clock: clock, replica: rand.Int64N(1 << replicaBits), boxes: map[string]*box{}, hosts: map[deploy.EffectKey]string{}}
}

// Offer implements engine.Agents.
func (m *Mailbox) Offer(e deploy.Effect) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.has(e) {
		return
	}
	m.remove(e.Key)
	if e.Key.Kind == deploy.EffectHold {
		m.hold(e)
		return
	}
	if e.Command.Acknowledged {
		return
	}
	b := m.box(e.Command.Host)
	b.offers = append(b.offers, &offer{effect: e})
	m.hosts[e.Key] = e.Command.Host
	b.wake()
}

// has reports whether the very same command or hold is here: what another replica says again must not be handed out again.
func (m *Mailbox) has(e deploy.Effect) bool {
	host, known := m.hosts[e.Key]
	if !known {
		return false
	}
	b := m.boxes[host]
	if e.Key.Kind == deploy.EffectHold {
		return host == e.Hold.Host && slices.ContainsFunc(b.holds, func(h hold) bool { return h.key == e.Key && h.since.Equal(e.Hold.Since) })
	}
	return slices.ContainsFunc(b.offers, func(o *offer) bool { return o.effect.Key == e.Key && *o.effect.Command == *e.Command })
}

// hold puts a hold behind those that are older, so that a restart finds the same order.
func (m *Mailbox) hold(e deploy.Effect) {
	b := m.box(e.Hold.Host)
	at := len(b.holds)
	for at > 0 && b.holds[at-1].since.After(e.Hold.Since) {
		at--
	}
	b.holds = slices.Insert(b.holds, at, hold{e.Key, e.Hold.Since})
	m.hosts[e.Key] = e.Hold.Host
}

// Untaken implements engine.Agents. Commands that are acknowledged are not in the mailbox.
func (m *Mailbox) Untaken(deploymentID string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var targets []string
	for k := range m.hosts {
		if k.DeploymentID == deploymentID && k.Kind == deploy.EffectCommand {
			targets = append(targets, k.Target)
		}
	}
	slices.Sort(targets)
	return targets
}

// Retain implements engine.Agents.
func (m *Mailbox) Retain(keep func(k deploy.EffectKey) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range m.hosts {
		if !keep(k) {
			m.remove(k)
		}
	}
}

// HeldBy implements engine.Agents.
func (m *Mailbox) HeldBy(k deploy.EffectKey) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.boxes[m.hosts[k]]
	switch {
	case b == nil:
		return ""
	case !b.free(k):
		return b.holds[0].key.DeploymentID
	case b.freedBy != k.DeploymentID && m.clock.Now().Sub(b.freed) < deploy.PickUpLimit:
		return b.freedBy // the agent has not had its time yet
	}
	return ""
}

// free reports whether no other deployment has the host of a command.
func (b *box) free(command deploy.EffectKey) bool {
	if len(b.holds) == 0 {
		return true
	}
	first := b.holds[0].key
	return first.DeploymentID == command.DeploymentID && first.Target == command.Target
}

// Withdraw implements engine.Agents.
func (m *Mailbox) Withdraw(k deploy.EffectKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(k)
}

func (m *Mailbox) remove(k deploy.EffectKey) {
	host, ok := m.hosts[k]
	if !ok {
		return
	}
	delete(m.hosts, k)
	b := m.boxes[host]
	if k.Kind == deploy.EffectHold {
		if b.holds[0].key == k {
			b.freedBy, b.freed = k.DeploymentID, m.clock.Now()
		}
		b.holds = slices.DeleteFunc(b.holds, func(h hold) bool { return h.key == k })
		if len(b.offers) > 0 {
			b.wake() // another deployment's command may have waited for this
		}
	}
	for i, o := range b.offers {
		if o.effect.Key == k {
			b.offers = append(b.offers[:i:i], b.offers[i+1:]...)
			break
		}
	}
	m.tidy(host, b)
}

func (m *Mailbox) box(host string) *box {
	b := m.boxes[host]
	if b == nil {
		b = &box{}
		m.boxes[host] = b
	}
	return b
}

func (m *Mailbox) tidy(host string, b *box) {
	if len(b.offers) == 0 && len(b.waiting) == 0 && len(b.holds) == 0 {
		delete(m.boxes, host)
	}
}

// wake wakes the newest poll: an older one may belong to a connection that is dead already.
func (b *box) wake() {
	if n := len(b.waiting); n > 0 {
		select {
		case b.waiting[n-1] <- struct{}{}:
		default:
		}
	}
}

// Delivery is a command as it is handed out.
type Delivery struct {
	Effect deploy.Effect
	Number int64 // of this handing-out, never used before
}

// Has reports whether the command of the key waits here for the host, or was handed out to it and not acknowledged yet.
func (m *Mailbox) Has(host string, k deploy.EffectKey) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	to, ok := m.hosts[k]
	return ok && to == host
}

// Wait hands out the host's next command, waiting for one until hold is over or ctx ends. None is no error.
func (m *Mailbox) Wait(ctx context.Context, host string, hold time.Duration) (Delivery, bool) {
	end := time.NewTimer(hold)
	defer end.Stop()
	wake := make(chan struct{}, 1)
	m.mu.Lock()
	b := m.box(host)
	if len(b.waiting) >= mostPolls {
		close(b.waiting[0]) // it was taken out, so that nobody wakes it any more
		b.waiting = b.waiting[1:]
	}
	b.waiting = append(b.waiting, wake)
	m.mu.Unlock()
	defer m.leave(host, wake)
	for {
		d, ok, again := m.take(host)
		if ok {
			return d, true
		}
		var redeliver <-chan time.Time
		if again > 0 && again < hold {
			redeliver = time.After(again)
		}
		select {
		case _, held := <-wake:
			if !held {
				return Delivery{}, false
			}
		case <-redeliver:
		case <-end.C:
			return Delivery{}, false
		case <-ctx.Done():
			return Delivery{}, false
		}
	}
}

// take hands out a command if one may be handed out now; else again is how long until one may be, 0 when there is none.
func (m *Mailbox) take(host string) (d Delivery, ok bool, again time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock.Now()
	b := m.boxes[host]
	if b == nil {
		return Delivery{}, false, 0
	}
	for i, o := range b.offers {
		if !b.free(o.effect.Key) {
			continue
		}
		if wait := o.again.Sub(now); wait > 0 {
			if again == 0 || wait < again {
				again = wait
			}
			continue
		}
		o.again = now.Add(redeliverAfter)
		// The time keeps numbers of different lives of the server apart, and the low bits those of different replicas.
		m.delivery = max(m.delivery+1<<replicaBits, now.UnixNano()>>replicaBits<<replicaBits|m.replica)
		if i+1 < len(b.offers) {
			b.wake()
		}
		return Delivery{Effect: o.effect, Number: m.delivery}, true, 0
	}
	return Delivery{}, false, again
}

func (m *Mailbox) leave(host string, wake chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.boxes[host]
	if b == nil {
		return // this poll was ended, and the others are gone as well
	}
	for i, w := range b.waiting {
		if w == wake {
			b.waiting = append(b.waiting[:i:i], b.waiting[i+1:]...)
			break
		}
	}
	// A wake-up that this poll did not use is another's.
	if len(b.offers) > 0 {
		b.wake()
	}
	m.tidy(host, b)
}

// Waiting counts the held polls.
func (m *Mailbox) Waiting() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, b := range m.boxes {
		n += len(b.waiting)
	}
	return n
}
