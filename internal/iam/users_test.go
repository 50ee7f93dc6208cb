package iam_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/iam"
	"crossfade/internal/sigv4"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	wireiam "crossfade/internal/wire/iam"
	wirests "crossfade/internal/wire/sts"
)

// failing keeps no keys.
type failing struct{ iam.Keys }

func (failing) Put(context.Context, sigv4.Credential, auth.Principal, time.Time) error {
	return errBroken
}

// TestAKeyThatCouldNotBeKept leaves nothing behind.
func TestAKeyThatCouldNotBeKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := root(t)
	s := w.another(w.store, failing{w.keys})
	must[*wireiam.CreateUserResponse](t)(s.CreateUser(ctx, &wireiam.CreateUserRequest{UserName: new("bob")}))
	if _, err := s.CreateAccessKey(ctx, &wireiam.CreateAccessKeyRequest{UserName: new("bob")}); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	ok(t, s.DeleteUser(ctx, &wireiam.DeleteUserRequest{UserName: new("bob")}))
}

// TestAKeyThatWasInterrupted is one whose user has it and that does not work: it can be deleted all the same.
func TestAKeyThatWasInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := root(t)
	must[*wireiam.CreateUserResponse](t)(w.CreateUser(ctx, &wireiam.CreateUserRequest{UserName: new("bob")}))
	ok(t, w.store.AddUserKey(ctx, account, "bob", store.UserKey{ID: "AKIAHALF"}, 2))
	ok(t, w.DeleteAccessKey(ctx, &wireiam.DeleteAccessKeyRequest{UserName: new("bob"), AccessKeyId: new("AKIAHALF")}))
	if err := w.DeleteAccessKey(ctx, &wireiam.DeleteAccessKeyRequest{UserName: new("bob"), AccessKeyId: new("AKIAHALF")}); code(err) != wireiam.NoSuchEntityException {
		t.Errorf("deleted twice: %v", err)
	}
}

// TestKeysAndUsersAtOnce: whatever order it comes to, no key works whose user is gone, and no user has more than two.
func TestKeysAndUsersAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := root(t)
	for round := range 5 {
		name := fmt.Sprintf("bob-%d", round)
		must[*wireiam.CreateUserResponse](t)(w.CreateUser(ctx, &wireiam.CreateUserRequest{UserName: &name}))
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				_, err := w.CreateAccessKey(ctx, &wireiam.CreateAccessKeyRequest{UserName: &name})
				if err != nil && code(err) != wireiam.LimitExceededException && code(err) != wireiam.NoSuchEntityException {
					t.Errorf("CreateAccessKey: %v", err)
				}
			})
		}
		all.Go(func() {
			if err := w.DeleteUser(ctx, &wireiam.DeleteUserRequest{UserName: &name}); err != nil && code(err) != wireiam.DeleteConflictException {
				t.Errorf("DeleteUser: %v", err)
			}
		})
		all.Wait()
		records := must[[]auth.Record](t)(w.keys.List(ctx, account, auth.UserARN(account, name)))
		_, err := w.store.User(ctx, account, name)
		if len(records) > 2 || errors.Is(err, store.ErrNotFound) && len(records) > 0 {
			t.Errorf("round %d: %d keys, user %v", round, len(records), err)
		}
	}
}

func TestAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, _ := w.alice()
	const bob = "arn:aws:iam::" + account + ":user/bob"
	name := func(s string) *string { return &s }
	for _, c := range []struct {
		operation string
		in        wire.Input
		want      string
	}{
		{"GetUser", &wireiam.GetUserRequest{}, auth.RootARN(account)},
		{"GetUser", &wireiam.GetUserRequest{UserName: name("alice")}, alice.ARN},
		{"GetUser", &wireiam.GetUserRequest{UserName: name("bob")}, bob},
		{"CreateUser", &wireiam.CreateUserRequest{UserName: name("bob")}, bob},
		{"CreateUser", &wireiam.CreateUserRequest{UserName: name("alice"), Path: name("/x/y/")}, "arn:aws:iam::" + account + ":user/x/y/alice"},
		{"DeleteUser", &wireiam.DeleteUserRequest{UserName: name("alice")}, alice.ARN},
		{"ListUsers", &wireiam.ListUsersRequest{PathPrefix: name("/x/")}, "arn:aws:iam::" + account + ":user/x/"},
		{"ListUsers", &wireiam.ListUsersRequest{}, "arn:aws:iam::" + account + ":user/"},
		{"CreateAccessKey", &wireiam.CreateAccessKeyRequest{UserName: name("alice")}, alice.ARN},
		{"DeleteAccessKey", &wireiam.DeleteAccessKeyRequest{UserName: name("alice")}, alice.ARN},
		{"UpdateAccessKey", &wireiam.UpdateAccessKeyRequest{UserName: name("alice")}, alice.ARN},
		{"ListAccessKeys", &wireiam.ListAccessKeysRequest{UserName: name("alice")}, alice.ARN},
		{"PutUserPolicy", &wireiam.PutUserPolicyRequest{UserName: name("alice")}, alice.ARN},
		{"GetUserPolicy", &wireiam.GetUserPolicyRequest{UserName: name("alice")}, alice.ARN},
		{"DeleteUserPolicy", &wireiam.DeleteUserPolicyRequest{UserName: name("alice")}, alice.ARN},
		{"ListUserPolicies", &wireiam.ListUserPoliciesRequest{UserName: name("alice")}, alice.ARN},
		{"ListUserTags", &wireiam.ListUserTagsRequest{UserName: name("alice")}, alice.ARN},
		{"ListGroupsForUser", &wireiam.ListGroupsForUserRequest{UserName: name("alice")}, alice.ARN},
		{"ListAttachedUserPolicies", &wireiam.ListAttachedUserPoliciesRequest{UserName: name("alice")}, alice.ARN},
		{"AssumeRole", &wirests.AssumeRoleRequest{RoleArn: name("any")}, "any"},
		{"GetCallerIdentity", &wirests.GetCallerIdentityRequest{}, "*"},
	} {
		got, err := w.Access(root(t), c.operation, c.in)
		service := auth.ServiceIdentities
		if c.operation == "AssumeRole" || c.operation == "GetCallerIdentity" {
			service = auth.ServiceSessions
		}
		if err != nil || got.Resource != c.want || got.Operation != c.operation || got.Service != service {
			t.Errorf("%s: %+v, %v, want %s", c.operation, got, err, c.want)
		}
	}
	tagged := &wireiam.CreateUserRequest{UserName: name("bob"), Tags: []wireiam.Tag{{Key: name("Team"), Value: name("a")}, {Key: name("b"), Value: name("c")}}}
	got, err := w.Access(root(t), "CreateUser", tagged)
	want := map[string][]string{"aws:requesttag/team": {"a"}, "aws:requesttag/b": {"c"}, "aws:tagkeys": {"Team", "b"}}
	if err != nil || !reflect.DeepEqual(got.Keys, want) {
		t.Errorf("the tags' keys: %v, %v", got.Keys, err)
	}
}

// TestEveryOperationHasAPermission: one that was added and forgotten there is found here.
func TestEveryOperationHasAPermission(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, described := range []wire.Service{wireiam.Describe(w), wirests.Describe(w)} {
		for _, op := range described.Operations {
			if _, err := w.Access(root(t), op.Name, op.New()); err != nil {
				t.Errorf("%s: %v", op.Name, err)
			}
			if _, err := w.Access(t.Context(), op.Name, op.New()); err == nil {
				t.Errorf("%s has a permission for nobody", op.Name)
			}
		}
	}
}
