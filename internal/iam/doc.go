// Package iam is what there is of IAM and STS: users with their access keys and inline policies, who a caller is, and sessions of roles.
//
// It owns the meaning of those operations, what is attached to a principal (Policies, for the authorizer), and whether a user's key is inactive
// (Secret, for the verifier of signatures). Roles come from the configuration. It keeps no secrets: access keys and sessions are package auth's, rows
// are the store's, decisions are the authorizer's, the protocol is package awsquery's. There are no groups, no managed policies, no permission
// boundaries and no session policies: what asks for one of those is refused, never ignored, since it would grant more than was meant.
//
// A Service is safe for concurrent use and owns no goroutine. What it remembers of policies and of inactive keys it forgets when this process changes
// them, and after a second when another one did.
package iam

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/policy"
	"crossfade/internal/sigv4"
	"crossfade/internal/store"
	wireiam "crossfade/internal/wire/iam"
	wirests "crossfade/internal/wire/sts"
)

// Keys is what the package needs of auth.Keys.
type Keys interface {
	Put(ctx context.Context, c sigv4.Credential, p auth.Principal, expires time.Time) error
	Delete(ctx context.Context, accessKeyID string) error
	Secret(ctx context.Context, accessKeyID, sessionToken string) (string, error)
	Issue(p auth.Principal, lifetime, renewable time.Duration) (auth.Session, error)
}

// Role is a role of the configuration.
type Role struct {
	Name string
	// Trust lists who may assume it, beside having the permission: an account's number or the ARN of its root for everybody in the account, the ARN
	// of a user, of a role for all of its sessions, or of one session.
	Trust    []string
	Policies []policy.Named
	// MaxDuration is how long a session may last.
	MaxDuration time.Duration
}

// Config is what a Service is made of. All members but Roles and Alone are required.
type Config struct {
	Store   store.Identities
	Keys    Keys
	Account string // of the roles
	Roles   []Role
	Now     func() time.Time
	// Alone says that no other process writes to the store: what was read then holds until this one changes it.
	Alone bool
}

// Service implements the operations.
type Service struct {
	cfg   Config
	roles map[string]Role

	mu       sync.Mutex
	changes  uint64 // counts what this process changed, so that what was read before is not kept after it
	attached map[string]remembered
	inactive atomic.Pointer[inactiveKeys] // nil: they are to be read; written under mu
}

var (
	_ wireiam.Service = (*Service)(nil)
	_ wirests.Service = (*Service)(nil)
	_ auth.Policies   = (*Service)(nil)
	_ sigv4.Keys      = (*Service)(nil)
)

// New makes the service.
func New(c Config) *Service {
	s := &Service{cfg: c, roles: map[string]Role{}, attached: map[string]remembered{}}
	for _, r := range c.Roles {
		s.roles[r.Name] = r
	}
	return s
}

// caller is who calls. The edge lets nobody through who isn't known.
func caller(ctx context.Context) (auth.Caller, error) {
	c, ok := auth.FromContext(ctx)
	if !ok {
		return c, errors.New("look for the caller of a request that has none")
	}
	return c, nil
}

func userARN(account, path, name string) string { return auth.UserARN(account, path[1:]+name) }

func roleARN(account, name string) string {
	return fmt.Sprintf("arn:aws:iam::%s:role/%s", account, name)
}

func sessionARN(account, role, session string) string {
	return fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/%s", account, role, session)
}
