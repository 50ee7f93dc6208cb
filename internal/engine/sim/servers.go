package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/engine"
)

// server is one of the servers on the store. What is in it dies with it.
type server struct {
	w       *world
	number  int
	name    string // new in each life
	life    int    // counts starts; a message to an earlier life is lost
	runner  *engine.Runner
	mailbox *mailbox

	nextCarry time.Time
	skew      time.Duration // of its clock
	downUntil time.Time     // it died, and is started again then
	// stalledUntil: until then it does nothing, and does not know that it does nothing.
	stalledUntil time.Time
}

// Now implements engine.Clock.
func (s *server) Now() time.Time { return s.w.now.Add(s.skew) }

func (s *server) down() bool { return s.downUntil.After(s.w.now) }

// runs reports whether the server does anything now.
func (s *server) runs() bool { return !s.down() && !s.stalledUntil.After(s.w.now) }

// start brings a server up on what the store has.
func (s *server) start() {
	w := s.w
	s.life++
	s.name = fmt.Sprintf("server-%d-%d", s.number, s.life)
	s.downUntil, s.stalledUntil, s.nextCarry = time.Time{}, time.Time{}, w.now
	s.mailbox = &mailbox{s: s, offers: map[deploy.EffectKey]*offer{}, holds: map[deploy.EffectKey]deploy.Hold{}}
	c := engine.Config{
		Store: w.store, Clock: s, Agents: s.mailbox, Router: w.router, Splitter: w.router, Fleet: fleetOf{w}, Scaling: w.scaling, Alarms: &w.alarms, AlarmInterval: 10 * time.Minute,
		Log: slog.New(slog.DiscardHandler),
	}
	if w.opt.Replicas > 1 {
		c.Replicas, c.Replica = w.store, s.name
		s.skew = 0
		if w.opt.Faults {
			s.skew = w.between(-5*time.Second, 5*time.Second)
		}
	}
	s.runner = engine.New(c)
	if err := s.runner.Recover(context.Background()); err != nil {
		w.fail("recover: %v", err)
	}
	s.attend()
}

// attend says that the server lives.
func (s *server) attend() {
	if s.w.opt.Replicas < 2 || !s.runs() {
		return
	}
	ctx := context.Background()
	if _, err := s.runner.Attend(ctx); err != nil {
		s.w.fail("attend: %v", err)
	}
	if err := s.runner.Trim(ctx); err != nil {
		s.w.fail("trim: %v", err)
	}
}

// crash ends a server. One that is alone is started at once.
func (s *server) crash() {
	w := s.w
	w.crashes++
	if w.opt.Replicas < 2 {
		s.start()
		return
	}
	s.downUntil = w.now.Add(w.between(time.Second, time.Minute))
	if w.needed(s) {
		s.downUntil = w.now.Add(time.Second)
	}
	w.moveHosts(s)
}

// needed reports whether the hosts could not do without a server: where there are no faults, one always answers.
func (w *world) needed(s *server) bool {
	return !w.opt.Faults && !slices.ContainsFunc(w.servers, func(o *server) bool { return o != s && o.runs() })
}

// stall stops a server for a while, or ends it as an operator would.
func (s *server) stall() {
	w := s.w
	if w.needed(s) {
		return
	}
	if w.chance(0.2) {
		if err := s.runner.Resign(context.Background()); err != nil {
			w.fail("resign: %v", err)
		}
		w.watch.reached["resigned"]++
		s.downUntil = w.now.Add(w.between(time.Second, time.Minute))
	} else {
		s.stalledUntil = w.now.Add(w.between(time.Second, 30*time.Second))
		if w.opt.Faults && w.chance(0.1) {
			s.stalledUntil = w.now.Add(w.between(time.Minute, 30*time.Minute))
		}
	}
	w.moveHosts(s)
}

// moveHosts has the hosts that wait at a server ask another one.
func (w *world) moveHosts(s *server) {
	for _, h := range w.hosts {
		if h.at == s {
			h.at, h.nextPoll = nil, w.now.Add(w.between(time.Millisecond, 2*time.Second))
		}
	}
}

// some is a server that runs; nil: none does.
func (w *world) some() *server {
	if w.opt.Replicas < 2 {
		return w.servers[0]
	}
	var up []*server
	for _, s := range w.servers {
		if s.runs() {
			up = append(up, s)
		}
	}
	if len(up) == 0 {
		return nil
	}
	return up[w.rng.IntN(len(up))]
}

// run lets each server do what it has to do.
func (w *world) run() (worked bool, err error) {
	order := w.servers
	if w.opt.Replicas > 1 {
		order = slices.Clone(order)
		w.rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	for _, s := range order {
		if !s.downUntil.IsZero() && !s.down() {
			s.start()
		}
		if !s.runs() {
			continue
		}
		if w.opt.Crash && w.opt.Replicas > 1 && w.chance(0.004) {
			s.stall()
			continue
		}
		if w.opt.Crash && w.chance(0.003) {
			s.crash()
			if s.down() {
				continue
			}
		}
		did, err := s.run()
		if err != nil {
			if !errors.Is(err, errCrash) {
				return worked, fmt.Errorf("run: %w", err)
			}
			s.crash()
			worked = true
			continue
		}
		worked = worked || did
	}
	return worked, nil
}

func (s *server) run() (worked bool, err error) {
	ctx, w := context.Background(), s.w
	worked, err = s.runner.RunOnce(ctx)
	if err != nil || w.now.Before(s.nextCarry) && !worked && !w.chance(0.2) {
		return worked, err
	}
	s.nextCarry = s.runner.CarryOnce(ctx, false, nil)
	if s.nextCarry.IsZero() {
		s.nextCarry = w.now.Add(time.Hour)
	}
	if w.opt.Crash && w.opt.Replicas > 1 && w.chance(0.05) {
		s.stall() // with what was carried out still to be told
		return true, nil
	}
	// What was carried out is told at once: the time must not pass over it to some deadline.
	again, err := s.runner.RunOnce(ctx)
	if again {
		s.nextCarry = w.now
	}
	return worked || again, err
}

// next is when a server has something to do.
func (w *world) next(earlier func(time.Time)) {
	for _, s := range w.servers {
		switch {
		case s.down():
			earlier(s.downUntil)
			continue
		case s.stalledUntil.After(w.now):
			earlier(s.stalledUntil)
			continue
		}
		earlier(s.nextCarry)
		earlier(s.runner.NextDue())
		for _, o := range s.mailbox.offers {
			earlier(o.again)
		}
	}
	for _, l := range w.store.leases {
		talks := slices.ContainsFunc(w.servers, func(s *server) bool { return s.name == l.Owner && s.runs() })
		if l.Owner != "" && !talks {
			earlier(l.until.Add(1)) // others take it then
		}
	}
}

// attend has all servers say that they live. They do so every other second; in the simulation, whenever time has passed. Those that run have
// never been silent.
func (w *world) attend() {
	if w.opt.Replicas < 2 {
		return
	}
	for _, s := range w.servers {
		if s.runs() && s.downUntil.IsZero() {
			w.store.prolong(s.name, w.now)
		}
	}
	for _, s := range w.servers {
		if s.downUntil.IsZero() {
			s.attend()
		}
	}
}

// announce brings the news of a commit to the other servers: at once, or with the next look.
func (w *world) announce(replica string) {
	for _, s := range w.servers {
		if s.name == replica || s.down() {
			continue
		}
		delay := w.between(time.Millisecond, 50*time.Millisecond)
		if w.opt.Faults && w.chance(0.02) {
			delay = w.between(50*time.Millisecond, time.Second)
		}
		life := s.life
		var news func()
		news = func() {
			switch {
			case s.life != life || s.down():
			case s.stalledUntil.After(w.now):
				w.net = append(w.net, message{at: s.stalledUntil, do: news})
			default:
				s.runner.News()
			}
		}
		w.net = append(w.net, message{at: w.now.Add(delay), do: news})
	}
}

// byKey orders keys of effects.
func byKey(a, b deploy.EffectKey) int {
	return cmp.Or(cmp.Compare(a.DeploymentID, b.DeploymentID), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Kind, b.Kind))
}
