package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

// Watch calls told whenever a server has committed something to the feed of changes, this one included, and whenever something may have been missed,
// until ctx ends. told must not block. It is a convenience of milliseconds: whoever relies on it must look by itself from time to time.
func (s *Store) Watch(ctx context.Context, told func()) {
	for failures := 0; ctx.Err() == nil; {
		heard, err := s.listen(ctx, told)
		if ctx.Err() != nil {
			return
		}
		if heard {
			failures = 0
		}
		failures++
		s.log.Warn("the database tells of no changes, trying again; until then this server looks by itself", "failures", failures, "error", err)
		wait := min(5*time.Second, 100*time.Millisecond<<min(failures-1, 10))
		select {
		case <-ctx.Done():
		case <-time.After(wait/2 + rand.N(wait/2)): //nolint:gosec // it spreads servers, and guards nothing
		}
	}
}

// listen has a connection of its own until it fails. heard is whether it ever stood.
func (s *Store) listen(ctx context.Context, told func()) (heard bool, err error) {
	conn, err := pgx.ConnectConfig(ctx, s.config.Copy())
	if err != nil {
		return false, fmt.Errorf("connect to listen: %w", err)
	}
	defer func() {
		// The connection has failed or is not needed any more.
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, conn.Close(closing))
	}()
	if _, err := conn.Exec(ctx, `LISTEN crossfade_change`); err != nil {
		return false, fmt.Errorf("listen: %w", err)
	}
	for told(); ; told() {
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return true, fmt.Errorf("wait for changes: %w", err)
		}
	}
}
