package auth

import (
	"context"
	"slices"
	"sync"
)

// Decision is what was decided on one permission, for the audit log.
type Decision struct {
	Action, Resource string
	Allowed          bool
	Statement        string // the rule or the policy statement that decided; empty when nothing allowed it
}

type decisionsKey struct{}

// ledger is a context that collects the decisions of one call.
type ledger struct {
	context.Context
	mu    sync.Mutex
	list  []Decision
	first [1]Decision // room for list: most calls need one permission
}

// Value implements context.Context.
func (l *ledger) Value(key any) any {
	if key == (decisionsKey{}) {
		return l
	}
	return l.Context.Value(key)
}

// WithDecisions returns a context in which an Authorizer keeps what it decides.
func WithDecisions(ctx context.Context) context.Context {
	l := &ledger{Context: ctx}
	l.list = l.first[:0]
	return l
}

// Decisions returns what was decided in a context of WithDecisions so far, in order.
func Decisions(ctx context.Context) []Decision {
	l, ok := ctx.Value(decisionsKey{}).(*ledger)
	if !ok {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

func note(ctx context.Context, d Decision) {
	if l, ok := ctx.Value(decisionsKey{}).(*ledger); ok {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.list = append(l.list, d)
	}
}
