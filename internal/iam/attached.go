package iam

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/policy"
	"crossfade/internal/sigv4"
	"crossfade/internal/store"
)

const (
	// rememberFor is how long another process's change of a policy or a key may go unnoticed.
	rememberFor = time.Second
	// maxRemembered bounds the users whose policies are remembered; when it is reached they are read anew.
	maxRemembered = 10_000
)

// remembered is what a user has, as it was read.
type remembered struct {
	policies []policy.Named
	at       time.Time
}

// inactiveKeys are all inactive keys, as they were read.
type inactiveKeys struct {
	ids map[string]bool
	at  time.Time
}

// holds reports whether what was read at a time need not be read again.
func (s *Service) holds(at, now time.Time) bool { return s.cfg.Alone || now.Sub(at) < rememberFor }

// Policies implements auth.Policies: a user's own, or those of the role of a session. Whoever is neither, or is there no more, has none. A stored
// policy that can't be read is an error, so that a denial in it is never passed over.
func (s *Service) Policies(ctx context.Context, p auth.Principal) ([]policy.Named, error) {
	switch p.Kind {
	case auth.Role:
		account, role, _, ok := sessionOf(p.ARN)
		if !ok || account != s.cfg.Account {
			return nil, nil
		}
		return s.roles[role].Policies, nil
	case auth.User:
		return s.userPolicies(ctx, p)
	default:
		return nil, nil
	}
}

func (s *Service) userPolicies(ctx context.Context, p auth.Principal) ([]policy.Named, error) {
	now := s.cfg.Now()
	s.mu.Lock()
	known, ok := s.attached[p.ARN]
	changes := s.changes
	s.mu.Unlock()
	if ok && s.holds(known.at, now) {
		return known.policies, nil
	}
	policies, err := s.readPolicies(ctx, p)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes != changes {
		return policies, nil
	}
	if len(s.attached) >= maxRemembered {
		clear(s.attached)
	}
	s.attached[p.ARN] = remembered{policies, now}
	return policies, nil
}

func (s *Service) readPolicies(ctx context.Context, p auth.Principal) ([]policy.Named, error) {
	name := p.ARN[strings.LastIndexByte(p.ARN, '/')+1:]
	u, err := s.cfg.Store.User(ctx, p.Account, name)
	if errors.Is(err, store.ErrNotFound) || err == nil && userARN(u.Account, u.Path, u.Name) != p.ARN {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	stored, err := s.cfg.Store.UserPolicies(ctx, p.Account, name, store.Page{})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := make([]policy.Named, len(stored))
	for i, one := range stored {
		d, err := policy.Parse([]byte(one.Document))
		if err != nil {
			return nil, fmt.Errorf("read policy %q of %s: %w", one.Name, p.ARN, err)
		}
		out[i] = policy.Named{Name: one.Name, Document: d}
	}
	return out, nil
}

// changed forgets what was remembered.
func (s *Service) changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	clear(s.attached)
	s.inactive.Store(nil)
}

// Secret implements sigv4.Keys: what package auth keeps, but not that of a user's key that is inactive.
func (s *Service) Secret(ctx context.Context, accessKeyID, sessionToken string) (string, error) {
	if sessionToken == "" {
		inactive, err := s.isInactive(ctx, accessKeyID)
		if err != nil {
			return "", err
		}
		if inactive {
			return "", sigv4.ErrUnknownKey
		}
	}
	return s.cfg.Keys.Secret(ctx, accessKeyID, sessionToken)
}

// isInactive remembers all inactive keys, which are few, so that a call does not read the store.
func (s *Service) isInactive(ctx context.Context, accessKeyID string) (bool, error) {
	now := s.cfg.Now()
	if known := s.inactive.Load(); known != nil && s.holds(known.at, now) {
		return known.ids[accessKeyID], nil
	}
	s.mu.Lock()
	changes := s.changes
	s.mu.Unlock()
	ids, err := s.cfg.Store.InactiveUserKeys(ctx)
	if err != nil {
		return false, err
	}
	read := &inactiveKeys{ids: make(map[string]bool, len(ids)), at: now}
	for _, id := range ids {
		read.ids[id] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes == changes {
		s.inactive.Store(read)
	}
	return read.ids[accessKeyID], nil
}
