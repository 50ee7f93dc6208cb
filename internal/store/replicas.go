package store

import (
	"context"
	"errors"
	"time"

	"crossfade/internal/deploy"
)

var (
	// ErrLeaseLost: somebody else has, or has had, the lease since.
	ErrLeaseLost = errors.New("the lease was lost")
	// ErrBehind: changes after the position are not kept any more; read everything again.
	ErrBehind = errors.New("too far behind")
)

// Lease is the sole right to something, for a while. Its epoch grows each time that it is taken, so whoever lost it and writes later can be told
// from whoever has it now.
type Lease struct {
	Name  string
	Owner string // the replica
	Epoch int64
}

// Attendance is what a replica says of itself, again and again.
type Attendance struct {
	Replica string
	For     time.Duration // how long it counts as live, and its leases hold; the same for all
	Now     time.Time     // counts where the store has no clock of its own
	// Shared are the names of which each live replica gets an equal share, rounded up. What it has beyond that is given up.
	Shared []string
	// Sole are the names that one replica has as long as it lives.
	Sole []string
}

// Attended is how a replica stands.
type Attended struct {
	Now  time.Time // by the clock that all replicas go by
	Live []string  // the live replicas, in order, this one among them
	Held []Lease   // all that this one holds, in the order of names
}

// Replicas is what several servers on one store need of it. A server that is alone on its store needs nothing of it.
//
// The feed of changes has an entry for each shared batch that applied a transition, in the order of commits. A reader never comes to see an entry
// after one with a higher position. An entry says what has changed, and reading it what is so now.
type Replicas interface {
	// Attend says that a replica lives, prolongs the leases that it holds, and takes those that are free or have run out, all in one
	// transaction. Whether a lease has run out is decided by the store's own clock (PostgreSQL), else by Attendance.Now.
	Attend(ctx context.Context, a Attendance) (Attended, error)
	// Leave ends a replica: it gives up its leases and is not live any more. One that is unknown is no error.
	Leave(ctx context.Context, replica string) error

	// SharedBatch is Deployments.Batch, and keeps an entry of what it changed in the feed, as the replica's.
	SharedBatch(ctx context.Context, replica string, now time.Time, fn func(SharedBatch) error) (Shared, error)
	// EffectsOf reads the outstanding effects of the deployments in the shards, and a position of the feed that is not after them.
	EffectsOf(ctx context.Context, shards deploy.Shards) (effects []deploy.Effect, position int64, err error)
	// Changes reads the feed on from a position, without the entries of a replica (empty: with all), at most limit entries. It fails with
	// ErrBehind when entries after the position have been removed.
	Changes(ctx context.Context, after int64, except string, limit int) (Changes, error)
	// TrimChanges removes at most limit entries that are older than age, and returns how many. The last entry is always kept.
	TrimChanges(ctx context.Context, age time.Duration, limit int) (int, error)

	// DueIn is Deployments.Due for the deployments in the shards.
	DueIn(ctx context.Context, shards deploy.Shards, at time.Time, limit int) ([]Due, error)
	// NextDueIn is Deployments.NextDue for the deployments in the shards.
	NextDueIn(ctx context.Context, shards deploy.Shards) (time.Time, error)
}

// Changes is a piece of the feed.
type Changes struct {
	Position int64 // of the last entry that was read, skipped ones included; the one asked from when there was none
	More     bool  // there may be further entries
	Effects  []EffectChange
	Due      time.Time // the earliest deadline that was set; zero: none was
	Notices  bool      // notices were added
	Ended    bool      // a deployment has ended
	Leases   bool      // leases were given up
}

// EffectChange is an effect that has changed.
type EffectChange struct {
	Key    deploy.EffectKey
	Effect *deploy.Effect // as it is now; nil: it is not outstanding any more
}

// Shared is where a shared batch stands in the feed.
type Shared struct {
	Before   int64 // the position before it
	Position int64 // its own; Before when it applied nothing
}

// SharedSpan is how much time the events of one shared batch may take up.
const SharedSpan = time.Microsecond

// SharedBatch is a Batch among those of other replicas.
type SharedBatch interface {
	Batch
	// At is the time for the batch's events, less than SharedSpan from first to last: now, or a little later, so that it is after the events of all
	// shared batches that were committed before, whatever the clocks of replicas say. The one exception is a
	// clock that was put back by more than a minute.
	At() time.Time
	// Fence fails with ErrLeaseLost unless the lease is still the owner's, of the same epoch. It then stays so until the batch has ended. Time
	// plays no part: a lease that ran out and that nobody took is still the owner's.
	Fence(ctx context.Context, l Lease) error
}
