package fleet

import "context"

// Sizes is the Auto Scaling groups whose size the operator of the server sets: those whose instances the server starts by itself.
type Sizes interface {
	// Sizes lists the account's groups by name.
	Sizes(ctx context.Context, account string) ([]Size, error)
	// SetSize sets how many instances a group is to have, and returns before it has them. It fails with ErrUnknownGroup, or with
	// *SizeError when the size can't be. A configured group that was deleted comes back.
	SetSize(ctx context.Context, account, group string, size int) error
}

// Size is a group and how it stands.
type Size struct {
	Group
	// Origin is the configured group whose commands start the instances: the group's own name, unless it is a copy.
	Origin string
	// Deleted groups are ending or, when they have no members, only remembered, so that the configuration does not bring them back.
	Deleted bool
	// Problems says what hinders which members, a sentence each.
	Problems []string
}

// SizeError refuses a size.
type SizeError struct{ Text string }

func (e *SizeError) Error() string { return e.Text }
