package prepare

import (
	"context"
	"sync"
)

// turns lets one caller at a time work on a name. The zero turns is ready. A turn is a one-place channel that whoever is in occupies; it is
// forgotten when nobody is in or waits.
type turns struct {
	mu    sync.Mutex
	names map[string]*turn // guarded by mu
}

type turn struct {
	in     chan struct{}
	people int // in or waiting; guarded by turns.mu
}

// enter waits for the turn, until ctx ends. leave must be called once.
func (t *turns) enter(ctx context.Context, name string) (leave func(), err error) {
	t.mu.Lock()
	if t.names == nil {
		t.names = map[string]*turn{}
	}
	own := t.names[name]
	if own == nil {
		own = &turn{in: make(chan struct{}, 1)}
		t.names[name] = own
	}
	own.people++
	t.mu.Unlock()
	forget := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if own.people--; own.people == 0 {
			delete(t.names, name)
		}
	}
	select {
	case own.in <- struct{}{}:
		return func() { <-own.in; forget() }, nil
	case <-ctx.Done():
		forget()
		return nil, ctx.Err()
	}
}
