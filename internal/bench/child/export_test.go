package child

import "context"

// Find has the stage take its addresses from a function, which is also given the usual way.
func Find(s *Stage, find func(ctx context.Context, usual func(context.Context) (string, error)) (string, error)) {
	s.find = func(ctx context.Context) (string, error) { return find(ctx, freeAddress) }
}
