package store

import "context"

// Secret is a document that all servers on a store share, as it is stored.
type Secret struct {
	Name   string
	Sealed []byte // package auth seals it; the key is not in the store
}

// Secrets keeps the few secrets that all servers on a store must have the same of.
type Secrets interface {
	// Secret fails with ErrNotFound when there is none of the name.
	Secret(ctx context.Context, name string) (Secret, error)
	// KeepSecret keeps a secret unless there is one of the name already, and returns the one that is kept: whoever comes first decides.
	KeepSecret(ctx context.Context, s Secret) (Secret, error)
	// ReplaceSecret puts a secret in the place of another. It fails with ErrConflict when the other is not there any more.
	ReplaceSecret(ctx context.Context, old, s Secret) error
}
