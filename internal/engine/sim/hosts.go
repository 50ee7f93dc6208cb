package sim

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/engine"
)

// redeliverAfter is when a command that was handed out and not acknowledged is offered again.
const redeliverAfter = 60 * time.Second

// mailbox offers commands to hosts, as the host API does. It dies with the server.
type mailbox struct {
	s      *server
	offers map[deploy.EffectKey]*offer
	holds  map[deploy.EffectKey]deploy.Hold
}

type offer struct {
	effect deploy.Effect
	again  time.Time // not handed out before
}

var _ engine.Agents = (*mailbox)(nil)

// Offer implements engine.Agents.
func (m *mailbox) Offer(e deploy.Effect) {
	if e.Key.Kind == deploy.EffectHold {
		m.holds[e.Key] = *e.Hold
		return
	}
	m.offers[e.Key] = &offer{effect: e}
	m.wake(e.Command.Host)
}

// wake makes a host ask soon: a held poll is answered, or the next one comes.
func (m *mailbox) wake(host string) {
	w := m.s.w
	for _, h := range w.hosts {
		if h.name == host && (h.at == m.s || h.at == nil) {
			h.nextPoll = w.now.Add(w.between(0, pollInterval))
		}
	}
}

// Withdraw implements engine.Agents.
func (m *mailbox) Withdraw(k deploy.EffectKey) {
	if h, ok := m.holds[k]; ok {
		delete(m.holds, k)
		m.wake(h.Host)
		return
	}
	delete(m.offers, k)
}

// Untaken implements engine.Agents.
func (m *mailbox) Untaken(deploymentID string) []string {
	var targets []string
	for k, o := range m.offers {
		if k.DeploymentID == deploymentID && !o.effect.Command.Acknowledged {
			targets = append(targets, k.Target)
		}
	}
	slices.Sort(targets)
	return targets
}

// Retain implements engine.Agents.
func (m *mailbox) Retain(keep func(deploy.EffectKey) bool) {
	maps.DeleteFunc(m.holds, func(k deploy.EffectKey, _ deploy.Hold) bool { return !keep(k) })
	maps.DeleteFunc(m.offers, func(k deploy.EffectKey, _ *offer) bool { return !keep(k) })
}

// HeldBy implements engine.Agents.
func (m *mailbox) HeldBy(k deploy.EffectKey) string {
	o := m.offers[k]
	if o == nil {
		return ""
	}
	var first deploy.EffectKey
	var since time.Time
	for key, h := range m.holds {
		if h.Host != o.effect.Command.Host {
			continue
		}
		if first.DeploymentID == "" || cmp.Or(h.Since.Compare(since), cmp.Compare(key.DeploymentID, first.DeploymentID)) < 0 {
			first, since = key, h.Since
		}
	}
	if first.DeploymentID == k.DeploymentID {
		return ""
	}
	return first.DeploymentID
}

func (m *mailbox) take(host string) (deploy.Effect, bool) {
	var best *offer
	for _, o := range m.offers {
		c := o.effect.Command
		if c.Host != host || c.Acknowledged || o.again.After(m.s.w.now) || m.HeldBy(o.effect.Key) != "" {
			continue
		}
		if best == nil || cmp.Compare(o.effect.Key.DeploymentID, best.effect.Key.DeploymentID) < 0 {
			best = o
		}
	}
	if best == nil {
		return deploy.Effect{}, false
	}
	best.again = m.s.w.now.Add(redeliverAfter)
	return best.effect, true
}

// message is something on the network.
type message struct {
	at time.Time
	do func()
}

// send puts a request on the network: it may be lost, late, or doubled.
func (w *world) send(do func()) { w.transmit(do, true) }

// respond puts a response on the network: it may be lost or late, but a client takes it once.
func (w *world) respond(do func()) { w.transmit(do, false) }

func (w *world) transmit(do func(), mayDouble bool) {
	copies := 1
	if w.opt.Faults {
		switch x := w.rng.Float64(); {
		case x < 0.02:
			copies = 0
		case x < 0.05 && mayDouble:
			copies = 2
		}
	}
	for range copies {
		delay := w.between(time.Millisecond, 20*time.Millisecond)
		if w.opt.Faults && w.chance(0.02) {
			delay = w.between(time.Second, 10*time.Minute)
		}
		w.net = append(w.net, message{at: w.now.Add(delay), do: do})
	}
}

// deliver brings the message that is due first.
func (w *world) deliver() bool {
	first := -1
	for i, m := range w.net {
		if !m.at.After(w.now) && (first < 0 || m.at.Before(w.net[first].at)) {
			first = i
		}
	}
	if first < 0 {
		return false
	}
	m := w.net[first]
	w.net = slices.Delete(w.net, first, first+1)
	m.do()
	return true
}

// host runs an agent that behaves like the official one: it runs a command exactly when its acknowledgement is answered InProgress.
type host struct {
	w        *world
	at       *server // that holds its poll; nil: it will ask some
	name     string
	tag      string
	zone     string
	dead     bool
	failing  float64 // how likely a script fails
	nextPoll time.Time
}

const pollInterval = 500 * time.Millisecond

// poll lets a host ask for work.
func (w *world) poll() bool {
	for _, h := range w.hosts {
		if h.dead || h.nextPoll.After(w.now) {
			continue
		}
		// With several servers each poll may come to another one.
		s := w.some()
		if s == nil {
			h.nextPoll = w.now.Add(time.Second)
			continue
		}
		h.at = s
		e, ok := s.mailbox.take(h.name)
		if !ok {
			h.nextPoll = s.nextOffer(h.name)
			continue
		}
		w.deliveries++
		delivery := w.deliveries
		w.respond(func() { h.receive(e, delivery) })
		return true
	}
	return false
}

// nextOffer saves simulated polls that bring nothing: it is when something is offered again.
func (s *server) nextOffer(host string) time.Time {
	next := s.w.now.Add(24 * time.Hour)
	for _, o := range s.mailbox.offers {
		if c := o.effect.Command; c.Host == host && !c.Acknowledged && o.again.Before(next) && s.mailbox.HeldBy(o.effect.Key) == "" {
			next = o.again
		}
	}
	return next
}

func (h *host) receive(e deploy.Effect, delivery int64) {
	acked := false
	h.w.call(e.Key.DeploymentID, deploy.Acknowledged{Target: e.Key.Target, Attempt: e.Command.Attempt, Delivery: delivery}, 8, func(r engine.Reply) {
		if acked || r.Err != nil || r.Result.Outcome == deploy.OutcomeDropped {
			return
		}
		acked = true
		h.execute(e, delivery)
	})
}

func (h *host) execute(e deploy.Effect, delivery int64) {
	w := h.w
	w.executions++
	w.onExecution(e)
	ok := !w.chance(h.failing)
	if ok {
		w.onExecuted(e)
	}
	took := w.between(time.Millisecond, 3*time.Second)
	if w.opt.Faults && w.chance(0.003) {
		h.dead = true // and with it the result
		return
	}
	d := deploy.Diagnostics{ErrorCode: deploy.DiagnosticsSuccess}
	if !ok {
		d = deploy.Diagnostics{ErrorCode: "ScriptFailed", ScriptName: "hook.sh", Message: "exit code 1"}
	}
	w.net = append(w.net, message{at: w.now.Add(took), do: func() {
		w.call(e.Key.DeploymentID, deploy.Completed{Target: e.Key.Target, Attempt: e.Command.Attempt, Delivery: delivery, Succeeded: ok, Diagnostics: d}, 8, func(engine.Reply) {})
	}})
}

// call sends an event to the server and brings the answer back; without an answer it is sent again, `tries` times in all.
func (w *world) call(id string, what deploy.What, tries int, then func(engine.Reply)) {
	answered := false
	w.send(func() {
		s := w.some()
		if s == nil {
			return // the connection is refused
		}
		w.await(s.runner.Submit(id, what), s, s.life, func(r engine.Reply) {
			if r.Err != nil && !isRefusal(r.Err) {
				return
			}
			w.respond(func() {
				if !answered {
					answered = true
					then(r)
				}
			})
		})
	})
	if tries > 1 {
		w.net = append(w.net, message{at: w.now.Add(w.between(time.Second, 30*time.Second)), do: func() {
			if !answered {
				w.call(id, what, tries-1, then)
			}
		}})
	}
}

// await looks for an answer until it is there or its server has died.
func (w *world) await(answer <-chan engine.Reply, s *server, life int, then func(engine.Reply)) {
	select {
	case r := <-answer:
		then(r)
	default:
		if s.life == life && !s.down() {
			again := w.now.Add(time.Millisecond)
			if s.stalledUntil.After(again) {
				again = s.stalledUntil
			}
			w.net = append(w.net, message{at: again, do: func() { w.await(answer, s, life, then) }})
		}
	}
}
