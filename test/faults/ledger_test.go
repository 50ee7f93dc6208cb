//go:build linux

package faults

import (
	"fmt"
	"sync"
)

// ledger is what was done and what was acknowledged, as the outside saw it.
type ledger struct {
	mu           sync.Mutex
	runs         map[string]int    // lifecycle events that a host carried out, by deployment, host and event
	successes    map[string]int    // those whose success the server took
	deployments  map[string]string // how each acknowledged deployment has to end
	applications map[string]bool   // by name: it has to be there, or has to be gone
}

func newLedger() *ledger {
	return &ledger{runs: map[string]int{}, successes: map[string]int{}, deployments: map[string]string{}, applications: map[string]bool{}}
}

func (l *ledger) ran(deployment, host, event string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.runs[deployment+" "+host+" "+event]++
}

func (l *ledger) succeeded(deployment, host, event string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.successes[deployment+" "+host+" "+event]++
}

// deployment notes how one has to end.
func (l *ledger) deployment(id, end string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deployments[id] = end
}

// application notes that one was made or deleted.
func (l *ledger) application(name string, there bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.applications[name] = there
}

// twice lists the lifecycle events that ran, or counted as success, more than once.
func (l *ledger) twice() (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for what, n := range l.runs {
		if n > 1 {
			found = append(found, fmt.Sprintf("%s ran %d times", what, n))
		}
	}
	for what, n := range l.successes {
		if n > 1 {
			found = append(found, fmt.Sprintf("%s succeeded %d times", what, n))
		}
	}
	return found
}
