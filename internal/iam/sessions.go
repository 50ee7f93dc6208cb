package iam

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/awsquery"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	wirests "crossfade/internal/wire/sts"
)

// How long sessions last: when the caller does not say, and at most when the caller is a session itself (IAM user guide, role chaining).
const (
	DefaultDuration = time.Hour
	chainedDuration = time.Hour
)

// GetCallerIdentity says who the caller is. Everybody may ask.
func (s *Service) GetCallerIdentity(ctx context.Context, _ *wirests.GetCallerIdentityRequest) (*wirests.GetCallerIdentityResponse, error) {
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	id, err := s.identifier(ctx, c.Principal)
	if err != nil {
		return nil, err
	}
	return &wirests.GetCallerIdentityResponse{Account: new(c.Account), Arn: new(c.ARN), UserId: new(id)}, nil
}

// identifier is what tells a principal from all that ever had its name.
func (s *Service) identifier(ctx context.Context, p auth.Principal) (string, error) {
	if p.Kind == auth.Root {
		return p.Account, nil
	}
	if account, role, session, ok := sessionOf(p.ARN); ok {
		return derivedID(rolePrefix, roleARN(account, role)) + ":" + session, nil
	}
	if p.Kind == auth.User {
		u, err := s.cfg.Store.User(ctx, p.Account, p.ARN[strings.LastIndexByte(p.ARN, '/')+1:])
		if err == nil || !errors.Is(err, store.ErrNotFound) {
			return u.ID, err
		}
	}
	return derivedID(userPrefix, p.ARN), nil
}

// AssumeRole gives out a session of a role to whom the role trusts. That the caller has the permission was decided before.
func (s *Service) AssumeRole(ctx context.Context, in *wirests.AssumeRoleRequest) (*wirests.AssumeRoleResponse, error) {
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	name, _ := strings.CutPrefix(*in.RoleArn, roleARN(s.cfg.Account, ""))
	role, ok := s.roles[name]
	if !ok || *in.RoleArn != roleARN(s.cfg.Account, name) || !trusts(role, c.Principal) {
		// Whether there is such a role is nobody's business whom it does not trust.
		return nil, wire.Errorf(awsquery.AccessDenied, "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", c.ARN, *in.RoleArn)
	}
	if member := unsupported(in); member != "" {
		return nil, wire.Errorf(awsquery.ValidationError, "%s is not supported here; leave it out.", member)
	}
	duration, err := durationOf(in, role, c.Principal)
	if err != nil {
		return nil, err
	}
	principal := auth.Principal{ARN: sessionARN(s.cfg.Account, role.Name, *in.RoleSessionName), Account: s.cfg.Account, Kind: auth.Role}
	session, err := s.cfg.Keys.Issue(principal, duration, 0)
	if err != nil {
		return nil, err
	}
	id, err := s.identifier(ctx, principal)
	if err != nil {
		return nil, err
	}
	return &wirests.AssumeRoleResponse{
		AssumedRoleUser: &wirests.AssumedRoleUser{Arn: new(principal.ARN), AssumedRoleId: new(id)},
		Credentials: &wirests.Credentials{
			AccessKeyId: new(session.AccessKeyID), SecretAccessKey: new(session.SecretAccessKey), SessionToken: new(session.SessionToken), Expiration: wire.At(session.ExpiresAt),
		},
	}, nil
}

// trusts reports whether the role's trust names the caller.
func trusts(r Role, p auth.Principal) bool {
	names := []string{p.Account, auth.RootARN(p.Account), p.ARN}
	if account, role, _, ok := sessionOf(p.ARN); ok {
		names = append(names, roleARN(account, role))
	}
	return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(r.Trust, n) })
}

// unsupported names a member that would take something away from the session, or say something of it, and could not be honoured.
func unsupported(in *wirests.AssumeRoleRequest) string {
	for _, m := range []struct {
		name  string
		given bool
	}{
		{"Policy", in.Policy != nil}, {"PolicyArns", len(in.PolicyArns) > 0}, {"Tags", len(in.Tags) > 0}, {"TransitiveTagKeys", len(in.TransitiveTagKeys) > 0},
		{"SerialNumber", in.SerialNumber != nil}, {"TokenCode", in.TokenCode != nil}, {"SourceIdentity", in.SourceIdentity != nil},
		{"ProvidedContexts", len(in.ProvidedContexts) > 0},
	} {
		if m.given {
			return m.name
		}
	}
	return ""
}

func durationOf(in *wirests.AssumeRoleRequest, r Role, p auth.Principal) (time.Duration, error) {
	if in.DurationSeconds == nil {
		return min(DefaultDuration, r.MaxDuration), nil
	}
	duration := time.Duration(*in.DurationSeconds) * time.Second
	switch {
	case duration > r.MaxDuration:
		return 0, wire.Errorf(awsquery.ValidationError, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	case p.Kind == auth.Role && duration > chainedDuration:
		return 0, wire.Errorf(awsquery.ValidationError, "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	return duration, nil
}
