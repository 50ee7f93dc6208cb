package agent

import (
	"context"
	"sync"

	"crossfade/internal/agent/rootdir"
)

// state is how far a command has come on this host.
type state string

const (
	statePending  state = "pending"  // taken, not acknowledged
	stateRunning  state = "running"  // acknowledged
	stateFinished state = "finished" // there is a report
)

// entry is what is known of a command.
type entry struct {
	state     state
	noop      bool
	report    rootdir.Report
	reporting bool // a report is under way
}

// registry remembers commands, so that none runs twice. Of finished ones it remembers the latest. It is safe for concurrent use.
type registry struct {
	mu    sync.Mutex
	byID  map[string]*entry
	order []string // of the finished ones
}

// remembered finished commands are more than a server has any reason to offer again.
const remembered = 1024

func newRegistry() *registry { return &registry{byID: map[string]*entry{}} }

// admit takes a command in. Fresh is false if it was there already.
func (r *registry) admit(id string) (known entry, fresh bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, there := r.byID[id]; there {
		return *e, false
	}
	r.byID[id] = &entry{state: statePending}
	return entry{}, true
}

// forget lets a command come again that was never acknowledged.
func (r *registry) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byID, id)
}

func (r *registry) acknowledged(id string, noop bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, there := r.byID[id]; there {
		e.state, e.noop = stateRunning, noop
	}
}

func (r *registry) finished(report rootdir.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, there := r.byID[report.Command]
	if !there {
		e = &entry{}
		r.byID[report.Command] = e
	}
	first := e.state != stateFinished
	e.state, e.report = stateFinished, report
	if !first {
		return
	}
	r.order = append(r.order, report.Command)
	if len(r.order) > remembered {
		delete(r.byID, r.order[0])
		r.order = r.order[1:]
	}
}

// active counts the commands that have no outcome yet.
func (r *registry) active() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.byID) - len(r.order)
}

// startReport returns false when a report on the command is under way already.
func (r *registry) startReport(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, there := r.byID[id]
	if !there {
		return true
	}
	if e.reporting {
		return false
	}
	e.reporting = true
	return true
}

func (r *registry) endReport(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, there := r.byID[id]; there {
		e.reporting = false
	}
}

// groupLocks lets the commands of one deployment group run one after the other.
type groupLocks struct {
	mu   sync.Mutex
	byID map[string]chan struct{}
}

func newGroupLocks() *groupLocks { return &groupLocks{byID: map[string]chan struct{}{}} }

// lock waits for the group and returns its release, or the context's error.
func (g *groupLocks) lock(ctx context.Context, groupID string) (unlock func(), err error) {
	g.mu.Lock()
	turn, there := g.byID[groupID]
	if !there {
		turn = make(chan struct{}, 1)
		g.byID[groupID] = turn
	}
	g.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
