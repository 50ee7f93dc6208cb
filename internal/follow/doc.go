// Package follow is a load balancer in a process of its own: it follows the target groups that a control plane tells it of, and serves.
//
// It owns a directory with the last state that it took over, one lb.Balancer, and what the control plane is told of it. It decides nothing: which
// instances are in traffic is wished by the control plane, and what a proxy changes by itself is only where its listeners are.
//
// # What it promises
//
// What it says it has taken over is on disk before: after kill -9 it serves no state older than what it last told. It goes on with the last state for as
// long as the control plane is away, also when it is started meanwhile. At a start it asks for news first, for a moment, so that a state that is
// old is not served where a newer one can be had. It takes nothing from a control plane of another installation, because one that lost its data, or the
// wrong one, would take all targets away; an empty directory follows whoever answers. When it stops in good order it says so, after its last request, so
// that nobody waits for it.
//
// A silent control plane and a cut to it look the same from here, so a proxy serves on in both cases. The control plane does not count an instance as out
// of traffic while a proxy that it knows is silent (see package builtin).
//
// # Concurrency
//
// A [Follower] has three goroutines: one asks for news, one tells what is observed, and one tells of itself on the admin page's behalf as asked. Its
// methods may be called from any goroutine; Stop waits.
package follow

import (
	"context"
	"log/slog"
	"time"

	"crossfade/internal/traffic/feed"
)

// Control is the control plane. Errors of Report wrap feed.ErrResync or feed.ErrUnknownProxy when they mean that.
type Control interface {
	Follow(ctx context.Context, q feed.Question) (feed.Answer, error)
	Report(ctx context.Context, r feed.Report) error
	Leave(ctx context.Context, id feed.Identity) error
}

// Options say what to follow. Name, Directory, Control and Log are required.
type Options struct {
	Name      string // of the proxy, unique among those of the control plane
	Directory string // made if it is not there; used by one process at a time
	Control   Control
	Log       *slog.Logger
	// Listen has the addresses of listeners by their names, in place of those that the control plane says.
	Listen map[string]string
	// CatchUp is how long a start waits for news before it serves the state on disk; zero: 3 s.
	CatchUp time.Duration
	// Now is the clock of what is told to people; nil: the system's.
	Now func() time.Time
}
