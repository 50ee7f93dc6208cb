package iam

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"crossfade/internal/auth"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	wireiam "crossfade/internal/wire/iam"
	wirests "crossfade/internal/wire/sts"
)

// Access returns the permission that a call needs. It runs before the input is validated, so it takes names as they are; a name that is missing or
// malformed is refused afterwards.
func (s *Service) Access(ctx context.Context, operation string, in wire.Input) (auth.Access, error) {
	c, err := caller(ctx)
	if err != nil {
		return auth.Access{}, err
	}
	access := auth.Access{Service: auth.ServiceIdentities, Operation: operation}
	switch in := in.(type) {
	case *wirests.GetCallerIdentityRequest:
		access.Service, access.Resource = auth.ServiceSessions, "*"
	case *wirests.AssumeRoleRequest:
		access.Service, access.Resource = auth.ServiceSessions, text(in.RoleArn)
	case *wireiam.ListUsersRequest:
		access.Resource = auth.UserARN(c.Account, strings.TrimPrefix(text(in.PathPrefix), "/"))
	case *wireiam.CreateUserRequest:
		access.Resource = auth.UserARN(c.Account, strings.TrimPrefix(text(in.Path), "/")+text(in.UserName))
		access.Keys = requestTags(in.Tags)
	default:
		name, ok := userOf(in)
		if !ok {
			return auth.Access{}, fmt.Errorf("no rule for what %s (%T) is about", operation, in)
		}
		if access.Resource, err = s.resource(ctx, c, text(name)); err != nil {
			return auth.Access{}, err
		}
	}
	return access, nil
}

// userOf is the name of the user that an input is about, which may be absent. ok is false for an input that is about no user.
func userOf(in wire.Input) (name *string, ok bool) {
	switch in := in.(type) {
	case *wireiam.CreateAccessKeyRequest:
		return in.UserName, true
	case *wireiam.DeleteAccessKeyRequest:
		return in.UserName, true
	case *wireiam.DeleteUserRequest:
		return in.UserName, true
	case *wireiam.DeleteUserPolicyRequest:
		return in.UserName, true
	case *wireiam.GetUserRequest:
		return in.UserName, true
	case *wireiam.GetUserPolicyRequest:
		return in.UserName, true
	case *wireiam.ListAccessKeysRequest:
		return in.UserName, true
	case *wireiam.ListAttachedUserPoliciesRequest:
		return in.UserName, true
	case *wireiam.ListGroupsForUserRequest:
		return in.UserName, true
	case *wireiam.ListUserPoliciesRequest:
		return in.UserName, true
	case *wireiam.ListUserTagsRequest:
		return in.UserName, true
	case *wireiam.PutUserPolicyRequest:
		return in.UserName, true
	case *wireiam.UpdateAccessKeyRequest:
		return in.UserName, true
	}
	return nil, false
}

// resource is the ARN of a user: of one that is not there, as if it had no path, and without a name the caller's own.
func (s *Service) resource(ctx context.Context, c auth.Caller, name string) (string, error) {
	if name == "" {
		return c.ARN, nil
	}
	u, err := s.cfg.Store.User(ctx, c.Account, name)
	if errors.Is(err, store.ErrNotFound) {
		return auth.UserARN(c.Account, name), nil
	}
	if err != nil {
		return "", err
	}
	return userARN(u.Account, u.Path, u.Name), nil
}

// requestTags are the condition keys of the tags that a call sets.
func requestTags(tags []wireiam.Tag) map[string][]string {
	if len(tags) == 0 {
		return nil
	}
	keys := map[string][]string{}
	for _, t := range tags {
		keys["aws:requesttag/"+strings.ToLower(text(t.Key))] = []string{text(t.Value)}
		keys["aws:tagkeys"] = append(keys["aws:tagkeys"], text(t.Key))
	}
	return keys
}

// text is a member that may be absent.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
