package store

import (
	"context"
	"time"
)

// JoinToken is what a token that makes hosts allows, as it is stored. Its secret is an access key's, which package auth keeps.
type JoinToken struct {
	Account string
	ID      string // the id of the access key
	Name    string // the host's name; empty: the host chooses
	Tags    map[string]string
	// OwnTags lets the host bring tags of its own.
	OwnTags bool
	// Replace lets a host take the place of the one that has its name.
	Replace   bool
	Uses      int // how many hosts it may make, in all
	Used      int // how many of them it has made
	CreatedBy string
	CreatedAt time.Time
	ExpiresAt time.Time // the store keeps it and does not judge it
}

// JoinTokens keeps the tokens with which hosts enrol. Ids are unique in an account.
type JoinTokens interface {
	// CreateJoinToken fails with ErrExists or, when the account would have more than limit, ErrLimit.
	CreateJoinToken(ctx context.Context, t JoinToken, limit int) error
	JoinToken(ctx context.Context, account, id string) (JoinToken, error)
	// JoinTokens lists tokens by id.
	JoinTokens(ctx context.Context, account string, p Page) ([]JoinToken, error)
	// UseJoinToken takes one of the token's uses and returns the token as it is then; of callers that come at the same moment no more succeed than there
	// are uses. It fails with ErrNotFound, or with ErrLimit when no use is left.
	UseJoinToken(ctx context.Context, account, id string) (JoinToken, error)
	// ReturnJoinToken gives one use back. A token that is gone, or has all its uses, is no error.
	ReturnJoinToken(ctx context.Context, account, id string) error
	// DeleteJoinToken fails with ErrNotFound when there is none.
	DeleteJoinToken(ctx context.Context, account, id string) error
}
