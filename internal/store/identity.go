package store

import (
	"context"
	"time"
)

// User is an identity that people or programs sign requests as.
type User struct {
	Account   string
	Name      string
	Path      string // begins and ends with a slash
	ID        string // is never given again, even when the name is
	Tags      map[string]string
	CreatedAt time.Time
}

// UserKey is an access key of a user, without its secret, which package auth keeps.
type UserKey struct {
	ID        string
	Inactive  bool
	CreatedAt time.Time
}

// UserPolicy is a policy that a user has, as it was written.
type UserPolicy struct {
	Name     string
	Document string
}

// Identities keeps users with what they have. Names are unique in an account whatever the case of their letters; they are found by their exact name.
type Identities interface {
	// CreateUser fails with ErrExists or, when the account would have more than limit, ErrLimit.
	CreateUser(ctx context.Context, u User, limit int) error
	User(ctx context.Context, account, name string) (User, error)
	// Users lists the users whose path begins with the prefix, by name.
	Users(ctx context.Context, account, pathPrefix string, p Page) ([]User, error)
	// DeleteUser fails with ErrNotFound, or with ErrInUse while the user has keys or policies.
	DeleteUser(ctx context.Context, account, name string) error

	// AddUserKey fails with ErrNotFound when there is no such user, ErrExists (of any user's) or, when the user would have more than limit, ErrLimit.
	AddUserKey(ctx context.Context, account, user string, k UserKey, limit int) error
	// UserKeys lists a user's keys by id. It fails with ErrNotFound when there is no such user.
	UserKeys(ctx context.Context, account, user string, p Page) ([]UserKey, error)
	// SetUserKeyInactive fails with ErrNotFound when the user has no such key.
	SetUserKeyInactive(ctx context.Context, account, user, id string, inactive bool) error
	// DeleteUserKey fails with ErrNotFound when the user has no such key.
	DeleteUserKey(ctx context.Context, account, user, id string) error
	// InactiveUserKeys lists the ids of all inactive keys of all accounts, in no order.
	InactiveUserKeys(ctx context.Context) ([]string, error)

	// PutUserPolicy adds a policy or replaces the one of its name. It fails with ErrNotFound when there is no such user, and with ErrLimit when the
	// user's documents would have more than limit bytes together.
	PutUserPolicy(ctx context.Context, account, user string, p UserPolicy, limit int) error
	// UserPolicies lists a user's policies by name. It fails with ErrNotFound when there is no such user.
	UserPolicies(ctx context.Context, account, user string, p Page) ([]UserPolicy, error)
	// DeleteUserPolicy fails with ErrNotFound when the user has no such policy.
	DeleteUserPolicy(ctx context.Context, account, user, name string) error
}
