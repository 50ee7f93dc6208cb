package iam

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"crossfade/internal/auth"
	"crossfade/internal/awsquery"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	wireiam "crossfade/internal/wire/iam"
)

// maxUsers is how many users an account may have: what IAM gives one.
const maxUsers = 5000

// hostPath is where the identities of added hosts are, whose keys are no user's: a user there would have a host's ARN, and speak for it.
const hostPath = "/host/"

// CreateUser makes a user.
func (s *Service) CreateUser(ctx context.Context, in *wireiam.CreateUserRequest) (*wireiam.CreateUserResponse, error) {
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if in.PermissionsBoundary != nil {
		return nil, wire.Errorf(wireiam.InvalidInputException, "There are no permissions boundaries here; leave PermissionsBoundary out and attach a policy with PutUserPolicy.")
	}
	if text(in.Path) == hostPath {
		return nil, wire.Errorf(wireiam.InvalidInputException, "The path %s is of the identities of hosts; choose another one, or add a host with crossfade host add.", hostPath)
	}
	tags, err := tagsIn(in.Tags)
	if err != nil {
		return nil, err
	}
	u := store.User{Account: c.Account, Name: *in.UserName, Path: "/", ID: freshID(), Tags: tags, CreatedAt: s.cfg.Now().UTC()}
	if in.Path != nil {
		u.Path = *in.Path
	}
	switch err := s.cfg.Store.CreateUser(ctx, u, maxUsers); {
	case errors.Is(err, store.ErrExists):
		return nil, wire.Errorf(wireiam.EntityAlreadyExistsException, "User with name %s already exists.", u.Name)
	case errors.Is(err, store.ErrLimit):
		return nil, wire.Errorf(wireiam.LimitExceededException, "Cannot exceed quota for UsersPerAccount: %d", maxUsers)
	case err != nil:
		return nil, err
	}
	s.changed()
	return &wireiam.CreateUserResponse{User: userOut(u, true)}, nil
}

func tagsIn(tags []wireiam.Tag) (map[string]string, error) {
	out := make(map[string]string, len(tags))
	folded := map[string]bool{}
	for _, t := range tags {
		key := *t.Key
		// The case of letters does not count, nor does it in the condition keys of policies.
		if folded[strings.ToLower(key)] {
			return nil, wire.Errorf(wireiam.InvalidInputException, "Duplicate tag keys found: %s.", key)
		}
		if strings.HasPrefix(strings.ToLower(key), "aws:") {
			return nil, wire.Errorf(wireiam.InvalidInputException, "The tag %s begins with aws:, which is reserved.", key)
		}
		out[key], folded[strings.ToLower(key)] = *t.Value, true
	}
	return out, nil
}

// userOut is a user as it is answered. Lists leave tags out, as IAM's do.
func userOut(u store.User, tags bool) *wireiam.User {
	out := &wireiam.User{
		Path: new(u.Path), UserName: new(u.Name), UserId: new(u.ID), Arn: new(userARN(u.Account, u.Path, u.Name)), CreateDate: wire.At(u.CreatedAt),
	}
	if tags && len(u.Tags) > 0 {
		out.Tags = tagsOut(u.Tags)
	}
	return out
}

// tagsOut is tags in the order of their keys.
func tagsOut(tags map[string]string) []wireiam.Tag {
	out := make([]wireiam.Tag, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, wireiam.Tag{Key: new(key), Value: new(tags[key])})
	}
	return out
}

// DeleteUser deletes a user that has neither keys nor policies.
func (s *Service) DeleteUser(ctx context.Context, in *wireiam.DeleteUserRequest) error {
	c, err := caller(ctx)
	if err != nil {
		return err
	}
	defer s.changed()
	err = s.cfg.Store.DeleteUser(ctx, c.Account, *in.UserName)
	if errors.Is(err, store.ErrInUse) {
		return wire.Errorf(wireiam.DeleteConflictException, "Cannot delete entity, must delete its access keys and its policies first.")
	}
	return noUser(err, *in.UserName)
}

// noUser makes the modelled error of a store's.
func noUser(err error, name string) error {
	if errors.Is(err, store.ErrNotFound) {
		return wire.Errorf(wireiam.NoSuchEntityException, "The user with name %s cannot be found.", name)
	}
	return err
}

// GetUser describes a user, or without a name the caller.
func (s *Service) GetUser(ctx context.Context, in *wireiam.GetUserRequest) (*wireiam.GetUserResponse, error) {
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if in.UserName == nil && c.Kind == auth.Root {
		return &wireiam.GetUserResponse{User: &wireiam.User{UserId: new(c.Account), Arn: new(c.ARN)}}, nil
	}
	u, err := s.user(ctx, c, in.UserName)
	if err != nil {
		return nil, err
	}
	return &wireiam.GetUserResponse{User: userOut(u, true)}, nil
}

// user finds the named user, or without a name the caller's.
func (s *Service) user(ctx context.Context, c auth.Caller, name *string) (store.User, error) {
	called, err := nameOr(c, name)
	if err != nil {
		return store.User{}, err
	}
	u, err := s.cfg.Store.User(ctx, c.Account, called)
	return u, noUser(err, called)
}

// nameOr is the given name, or the caller's.
func nameOr(c auth.Caller, name *string) (string, error) {
	switch {
	case name != nil:
		return *name, nil
	case c.Kind == auth.User:
		return c.ARN[strings.LastIndexByte(c.ARN, '/')+1:], nil
	default:
		return "", wire.Errorf(awsquery.ValidationError, "Must specify userName when calling with non-User credentials")
	}
}

// ListUsers lists the users of a path and those below it.
func (s *Service) ListUsers(ctx context.Context, in *wireiam.ListUsersRequest) (*wireiam.ListUsersResponse, error) {
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	p, err := page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	users, err := s.cfg.Store.Users(ctx, c.Account, text(in.PathPrefix), p)
	if err != nil {
		return nil, err
	}
	out := &wireiam.ListUsersResponse{Users: []wireiam.User{}}
	users, out.IsTruncated, out.Marker = cut(users, p, func(u store.User) string { return u.Name })
	for _, u := range users {
		out.Users = append(out.Users, *userOut(u, false))
	}
	return out, nil
}

// ListUserTags lists a user's tags, of which there are never more than one page.
func (s *Service) ListUserTags(ctx context.Context, in *wireiam.ListUserTagsRequest) (*wireiam.ListUserTagsResponse, error) {
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	u, err := s.user(ctx, c, in.UserName)
	if err != nil {
		return nil, err
	}
	return &wireiam.ListUserTagsResponse{Tags: tagsOut(u.Tags), IsTruncated: new(false)}, nil
}

// ListGroupsForUser lists nothing: there are no groups. Tools ask before they delete a user.
func (s *Service) ListGroupsForUser(ctx context.Context, in *wireiam.ListGroupsForUserRequest) (*wireiam.ListGroupsForUserResponse, error) {
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := s.user(ctx, c, in.UserName); err != nil {
		return nil, err
	}
	return &wireiam.ListGroupsForUserResponse{Groups: []wireiam.Group{}, IsTruncated: new(false)}, nil
}

// ListAttachedUserPolicies lists nothing: there are no managed policies. Tools ask before they delete a user.
func (s *Service) ListAttachedUserPolicies(ctx context.Context, in *wireiam.ListAttachedUserPoliciesRequest) (*wireiam.ListAttachedUserPoliciesResponse, error) {
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := s.user(ctx, c, in.UserName); err != nil {
		return nil, err
	}
	return &wireiam.ListAttachedUserPoliciesResponse{AttachedPolicies: []wireiam.AttachedPolicy{}, IsTruncated: new(false)}, nil
}
