package iam

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	wireiam "crossfade/internal/wire/iam"
)

// maxKeys is how many access keys a user may have: what IAM gives one, so that a key can be replaced by another.
const maxKeys = 2

// CreateAccessKey makes a key for a user. Its secret is answered here and nowhere else.
func (s *Service) CreateAccessKey(ctx context.Context, in *wireiam.CreateAccessKeyRequest) (*wireiam.CreateAccessKeyResponse, error) {
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	u, err := s.user(ctx, c, in.UserName)
	if err != nil {
		return nil, err
	}
	made := auth.NewCredential()
	key := store.UserKey{ID: made.AccessKeyID, CreatedAt: s.cfg.Now().UTC()}
	// The user has the key before it works: so no key is ever nobody's, and what was interrupted between the two can be deleted.
	switch err := s.cfg.Store.AddUserKey(ctx, c.Account, u.Name, key, maxKeys); {
	case errors.Is(err, store.ErrLimit):
		return nil, wire.Errorf(wireiam.LimitExceededException, "Cannot exceed quota for AccessKeysPerUser: %d", maxKeys)
	case err != nil:
		return nil, noUser(err, u.Name)
	}
	principal := auth.Principal{ARN: userARN(u.Account, u.Path, u.Name), Account: u.Account, Kind: auth.User}
	if err := s.cfg.Keys.Put(ctx, made, principal, time.Time{}); err != nil {
		return nil, errors.Join(err, s.cfg.Store.DeleteUserKey(context.WithoutCancel(ctx), c.Account, u.Name, key.ID))
	}
	return &wireiam.CreateAccessKeyResponse{AccessKey: &wireiam.AccessKey{
		UserName: new(u.Name), AccessKeyId: new(made.AccessKeyID), SecretAccessKey: new(made.SecretAccessKey), Status: statusOf(key), CreateDate: wire.At(key.CreatedAt),
	}}, nil
}

func statusOf(k store.UserKey) *wireiam.StatusType {
	if k.Inactive {
		return new(wireiam.StatusTypeInactive)
	}
	return new(wireiam.StatusTypeActive)
}

// DeleteAccessKey takes a key away at once.
func (s *Service) DeleteAccessKey(ctx context.Context, in *wireiam.DeleteAccessKeyRequest) error {
	c, err := caller(ctx)
	if err != nil {
		return err
	}
	name, err := nameOr(c, in.UserName)
	if err != nil {
		return err
	}
	keys, err := s.cfg.Store.UserKeys(ctx, c.Account, name, store.Page{})
	if err != nil {
		return noUser(err, name)
	}
	if !slices.ContainsFunc(keys, func(k store.UserKey) bool { return k.ID == *in.AccessKeyId }) {
		return noKey(store.ErrNotFound, *in.AccessKeyId)
	}
	if err := s.cfg.Keys.Delete(ctx, *in.AccessKeyId); err != nil && !errors.Is(err, auth.ErrNoKey) {
		return err
	}
	defer s.changed()
	return noKey(s.cfg.Store.DeleteUserKey(ctx, c.Account, name, *in.AccessKeyId), *in.AccessKeyId)
}

func noKey(err error, id string) error {
	if errors.Is(err, store.ErrNotFound) {
		return wire.Errorf(wireiam.NoSuchEntityException, "The Access Key with id %s cannot be found.", id)
	}
	return err
}

// UpdateAccessKey makes a key inactive, which refuses it at once, or active again.
func (s *Service) UpdateAccessKey(ctx context.Context, in *wireiam.UpdateAccessKeyRequest) error {
	c, err := caller(ctx)
	if err != nil {
		return err
	}
	name, err := nameOr(c, in.UserName)
	if err != nil {
		return err
	}
	if in.UserName != nil {
		if _, err := s.user(ctx, c, in.UserName); err != nil {
			return err
		}
	}
	defer s.changed()
	err = s.cfg.Store.SetUserKeyInactive(ctx, c.Account, name, *in.AccessKeyId, *in.Status == wireiam.StatusTypeInactive)
	if err != nil {
		return noKey(fmt.Errorf("set the status of a key: %w", err), *in.AccessKeyId)
	}
	return nil
}

// ListAccessKeys lists a user's keys, without their secrets.
func (s *Service) ListAccessKeys(ctx context.Context, in *wireiam.ListAccessKeysRequest) (*wireiam.ListAccessKeysResponse, error) {
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	name, err := nameOr(c, in.UserName)
	if err != nil {
		return nil, err
	}
	p, err := page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	keys, err := s.cfg.Store.UserKeys(ctx, c.Account, name, p)
	if err != nil {
		return nil, noUser(err, name)
	}
	out := &wireiam.ListAccessKeysResponse{AccessKeyMetadata: []wireiam.AccessKeyMetadata{}}
	keys, out.IsTruncated, out.Marker = cut(keys, p, func(k store.UserKey) string { return k.ID })
	for _, k := range keys {
		out.AccessKeyMetadata = append(out.AccessKeyMetadata, wireiam.AccessKeyMetadata{
			UserName: new(name), AccessKeyId: new(k.ID), Status: statusOf(k), CreateDate: wire.At(k.CreatedAt),
		})
	}
	return out, nil
}
