package relational

import (
	"context"
	"time"
)

// Clock is what the Tx of a database has that servers of several machines are on: its clock counts then, and not theirs.
type Clock interface {
	// Now is the time by the database's clock.
	Now(ctx context.Context) (time.Time, error)
}

// sharedNow is the time that all servers on a store go by: the database's, else the one that is given.
func sharedNow(ctx context.Context, t Tx, given time.Time) (time.Time, error) {
	if c, ok := t.(Clock); ok {
		return c.Now(ctx)
	}
	return given, nil
}
