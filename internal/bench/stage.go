package bench

import (
	"context"
	"net/http"
	"time"

	"crossfade/internal/sigv4"
)

// Stage lends servers to put load on.
type Stage interface {
	// Open makes a server ready that has what a scenario needs. Close of what it returns gives it back.
	Open(ctx context.Context, n Needs) (*Installation, error)
}

// Needs is what a scenario wants of a server before anything is measured.
type Needs struct {
	// TargetGroups is how many target groups there are to be; deployments share those that there are when a server can't have so many.
	TargetGroups int
	// Stored is how many deployments are in the store. Only a stage that makes its own servers can see to that.
	Stored int
	// Hosts is how many simulated agents there will be, for the limits of the process.
	Hosts int
}

// Installation is a server and how to reach it.
type Installation struct {
	Endpoint   string // base URL
	Region     string
	Credential sigv4.Credential // may do everything
	// HTTP is copied for the load's own connections; its transport must be an *http.Transport or nil.
	HTTP         *http.Client
	TargetGroups []string
	// Stored is what is in the store already; nil: nothing that is known.
	Stored *Stored
	// Process is the server's own process; nil: it can't be looked at, and not be killed.
	Process Process
	// Keep says that the server goes away by itself, so that nothing need be taken away.
	Keep  bool
	Close func(ctx context.Context) error
}

// Stored is what was put into the store beforehand.
type Stored struct {
	Application string
	Groups      []string
	Deployments []string // some of the ids, spread over all
	Count       int
	Took        time.Duration
}

// Process is the server's process.
type Process interface {
	// ID is the process's id now; it changes with a restart.
	ID() int
	// Kill ends it at once, as kill -9 does, and returns when it is gone.
	Kill() error
	// Start starts it again on the same data and address, and returns when it says that it is ready.
	Start(ctx context.Context) error
	// Profile begins to profile the process, if the stage was told to; end writes the profiles down.
	Profile(ctx context.Context) (end func() error, err error)
}

// Reached is the stage of a server that runs already.
type Reached struct{ Installation }

// Open implements Stage.
func (r Reached) Open(context.Context, Needs) (*Installation, error) {
	i := r.Installation
	i.Close = func(context.Context) error { return nil }
	return &i, nil
}
