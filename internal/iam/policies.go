package iam

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"crossfade/internal/auth"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	wireiam "crossfade/internal/wire/iam"
)

// maxPolicies is how long the policies of a user may be together, in bytes as they were written. It is more than IAM's 2,048 characters, because a
// user has no managed policies here.
const maxPolicies = 20_480

// PutUserPolicy gives a user a policy, or replaces the one of its name. One that could not be applied is refused.
func (s *Service) PutUserPolicy(ctx context.Context, in *wireiam.PutUserPolicyRequest) error {
	c, err := caller(ctx)
	if err != nil {
		return err
	}
	if _, err := auth.ParsePolicy([]byte(*in.PolicyDocument)); err != nil {
		return wire.Errorf(wireiam.MalformedPolicyDocumentException, "The policy is malformed: %s.", err)
	}
	defer s.changed()
	err = s.cfg.Store.PutUserPolicy(ctx, c.Account, *in.UserName, store.UserPolicy{Name: *in.PolicyName, Document: *in.PolicyDocument}, maxPolicies)
	if errors.Is(err, store.ErrLimit) {
		return wire.Errorf(wireiam.LimitExceededException, "Maximum policy size of %d bytes exceeded for user %s", maxPolicies, *in.UserName)
	}
	return noUser(err, *in.UserName)
}

// GetUserPolicy answers with a policy as it was written, in the encoding of URLs as IAM does.
func (s *Service) GetUserPolicy(ctx context.Context, in *wireiam.GetUserPolicyRequest) (*wireiam.GetUserPolicyResponse, error) {
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	policies, err := s.cfg.Store.UserPolicies(ctx, c.Account, *in.UserName, store.Page{})
	if err != nil {
		return nil, noUser(err, *in.UserName)
	}
	for _, p := range policies {
		if p.Name == *in.PolicyName {
			document := strings.ReplaceAll(url.QueryEscape(p.Document), "+", "%20")
			return &wireiam.GetUserPolicyResponse{UserName: in.UserName, PolicyName: in.PolicyName, PolicyDocument: &document}, nil
		}
	}
	return nil, noPolicy(store.ErrNotFound, *in.PolicyName)
}

func noPolicy(err error, name string) error {
	if errors.Is(err, store.ErrNotFound) {
		return wire.Errorf(wireiam.NoSuchEntityException, "The user policy with name %s cannot be found.", name)
	}
	return err
}

// DeleteUserPolicy takes a policy from a user.
func (s *Service) DeleteUserPolicy(ctx context.Context, in *wireiam.DeleteUserPolicyRequest) error {
	c, err := caller(ctx)
	if err != nil {
		return err
	}
	if _, err := s.user(ctx, c, in.UserName); err != nil {
		return err
	}
	defer s.changed()
	return noPolicy(s.cfg.Store.DeleteUserPolicy(ctx, c.Account, *in.UserName, *in.PolicyName), *in.PolicyName)
}

// ListUserPolicies lists the names of a user's policies.
func (s *Service) ListUserPolicies(ctx context.Context, in *wireiam.ListUserPoliciesRequest) (*wireiam.ListUserPoliciesResponse, error) {
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	p, err := page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	policies, err := s.cfg.Store.UserPolicies(ctx, c.Account, *in.UserName, p)
	if err != nil {
		return nil, noUser(err, *in.UserName)
	}
	out := &wireiam.ListUserPoliciesResponse{PolicyNames: []string{}}
	policies, out.IsTruncated, out.Marker = cut(policies, p, func(p store.UserPolicy) string { return p.Name })
	for _, one := range policies {
		out.PolicyNames = append(out.PolicyNames, one.Name)
	}
	return out, nil
}
