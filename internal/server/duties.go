package server

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// The names of the duties, under which one of several replicas has them.
const (
	dutyNotices   = "duty/notices"
	dutyUpkeep    = "duty/upkeep"
	dutyFleets    = "duty/fleets"
	dutyRetention = "duty/retention"
)

// dutyRetry is the pause after a duty could not be begun.
const dutyRetry = 2 * time.Second

// duties are what exactly one of several servers on a store does: a part of the server runs while this one has its duty. Make one with newDuties.
type duties struct {
	log   *slog.Logger
	parts map[string]*duty
	done  sync.WaitGroup
	end   context.CancelFunc
}

// duty is one of them, in the hands of one goroutine.
type duty struct {
	// begin starts the part and returns what ends it, and waits for that.
	begin func(ctx context.Context) (end func(), err error)

	mu   sync.Mutex
	held bool
	runs bool
	news chan struct{}
}

// newDuties knows the names, and no parts yet.
func newDuties(log *slog.Logger, names ...string) *duties {
	d := &duties{log: log, parts: map[string]*duty{}, end: func() {}}
	for _, name := range names {
		d.parts[name] = &duty{news: make(chan struct{}, 1)}
	}
	return d
}

// set says how a duty's part begins. It must not be called after start; one that is not called for has no part.
func (d *duties) set(name string, begin func(ctx context.Context) (end func(), err error)) {
	d.parts[name].begin = begin
}

// dutyNames are all duties that a server may have.
func dutyNames() []string { return []string{dutyFleets, dutyNotices, dutyRetention, dutyUpkeep} }

// hold says whether this server has a duty. It may be called at any time, and does not block.
func (d *duties) hold(name string, held bool) {
	part := d.parts[name]
	if part == nil {
		return
	}
	part.mu.Lock()
	part.held = held
	part.mu.Unlock()
	select {
	case part.news <- struct{}{}:
	default:
	}
}

// start runs the parts as duties come and go, until stop. A server that is alone has all of them; they have begun when it returns.
func (d *duties) start(ctx context.Context, alone bool) error {
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.end = cancel
	for _, name := range slices.Sorted(maps.Keys(d.parts)) {
		part := d.parts[name]
		if part.begin == nil {
			continue
		}
		var end func()
		if alone {
			d.hold(name, true)
			var err error
			if end, err = part.begin(run); err != nil {
				return err
			}
		}
		d.done.Go(func() { part.run(run, end, d.log.With("duty", name)) })
	}
	return nil
}

// stop ends all parts, and waits. It may be called twice.
func (d *duties) stop() {
	d.end()
	d.done.Wait()
}

func (p *duty) running(is bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.runs = is
}

func (p *duty) wanted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

// run keeps the part as it is wanted. end is of one that has begun; nil: it has not.
func (p *duty) run(ctx context.Context, end func(), log *slog.Logger) {
	defer func() {
		if end != nil {
			end()
		}
	}()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		retry := false
		switch wanted := p.wanted(); {
		case wanted && end == nil:
			var err error
			if end, err = p.begin(ctx); err != nil && ctx.Err() == nil {
				log.Error("a part could not be started, will be tried again", "error", err)
				retry = true
			}
		case !wanted && end != nil:
			end()
			end = nil
		}
		p.running(end != nil)
		var again <-chan time.Time
		if retry {
			pause.Reset(dutyRetry)
			again = pause.C
		}
		select {
		case <-ctx.Done():
			return
		case <-p.news:
		case <-again:
		}
	}
}
