package iam_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/iam"
	"crossfade/internal/policy"
	"crossfade/internal/sigv4"
	"crossfade/internal/store"
	wireiam "crossfade/internal/wire/iam"
)

// counting counts what is read for a call.
type counting struct {
	store.Identities
	reads int
}

func (c *counting) InactiveUserKeys(ctx context.Context) ([]string, error) {
	c.reads++
	return c.Identities.InactiveUserKeys(ctx)
}

func (c *counting) UserPolicies(ctx context.Context, account, name string, p store.Page) ([]store.UserPolicy, error) {
	c.reads++
	return c.Identities.UserPolicies(ctx, account, name, p)
}

// TestAloneEveryChangeCounts holds that a server that is alone on its store reads what a user has once, and goes by every change at once.
func TestAloneEveryChangeCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keys.Alone()
	reads := &counting{Identities: w.store}
	w.Service = iam.New(iam.Config{Store: reads, Keys: w.keys, Account: account, Now: w.clock.Now, Alone: true})
	alice, key := w.alice()
	may := func() int {
		t.Helper()
		return len(must[[]policy.Named](t)(w.Policies(t.Context(), alice)))
	}
	known := func() bool {
		t.Helper()
		got, err := w.Secret(t.Context(), key.AccessKeyID, "")
		if err != nil && !errors.Is(err, sigv4.ErrUnknownKey) {
			t.Fatal(err)
		}
		return got == key.SecretAccessKey
	}
	for range 5 {
		if n := may(); n != 1 || !known() {
			t.Fatalf("alice has %d policies", n)
		}
		w.clock.Pass(time.Hour)
	}
	if reads.reads != 2 {
		t.Errorf("the policies and the inactive keys were read %d times", reads.reads)
	}
	ctx := root(t)
	status := func(s wireiam.StatusType) {
		t.Helper()
		ok(t, w.UpdateAccessKey(ctx, &wireiam.UpdateAccessKeyRequest{UserName: new("alice"), AccessKeyId: &key.AccessKeyID, Status: &s}))
	}
	if status(wireiam.StatusTypeInactive); known() {
		t.Error("an inactive key is known")
	}
	if status(wireiam.StatusTypeActive); !known() {
		t.Error("an active key is not known")
	}
	ok(t, w.PutUserPolicy(ctx, &wireiam.PutUserPolicyRequest{UserName: new("alice"), PolicyName: new("q"), PolicyDocument: new(document)}))
	if n := may(); n != 2 {
		t.Errorf("with a second policy there are %d", n)
	}
	for _, name := range []string{"p", "q"} {
		ok(t, w.DeleteUserPolicy(ctx, &wireiam.DeleteUserPolicyRequest{UserName: new("alice"), PolicyName: &name}))
	}
	if n := may(); n != 0 {
		t.Errorf("without policies there are %d", n)
	}
	ok(t, w.PutUserPolicy(ctx, &wireiam.PutUserPolicyRequest{UserName: new("alice"), PolicyName: new("p"), PolicyDocument: new(document)}))
	if n := may(); n != 1 {
		t.Errorf("with a policy again there are %d", n)
	}
	ok(t, w.DeleteUserPolicy(ctx, &wireiam.DeleteUserPolicyRequest{UserName: new("alice"), PolicyName: new("p")}))
	ok(t, w.DeleteAccessKey(ctx, &wireiam.DeleteAccessKeyRequest{UserName: new("alice"), AccessKeyId: &key.AccessKeyID}))
	if known() {
		t.Error("a deleted key is known")
	}
	ok(t, w.DeleteUser(ctx, &wireiam.DeleteUserRequest{UserName: new("alice")}))
	if n := may(); n != 0 || known() {
		t.Errorf("a deleted user has %d policies", n)
	}
}

// TestAloneASessionEnds: of a session nothing is looked up, and its time counts all the same.
func TestAloneASessionEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keys.Alone()
	s := iam.New(iam.Config{Store: w.store, Keys: w.keys, Account: account, Now: w.clock.Now, Alone: true})
	issued := must[auth.Session](t)(w.keys.Issue(auth.Principal{ARN: session("everybody", "me"), Account: account, Kind: auth.Role}, time.Hour, 0))
	for range 2 {
		must[string](t)(s.Secret(t.Context(), issued.AccessKeyID, issued.SessionToken))
	}
	w.clock.Pass(time.Hour)
	if _, err := s.Secret(t.Context(), issued.AccessKeyID, issued.SessionToken); !errors.Is(err, sigv4.ErrExpiredKey) {
		t.Errorf("after its time: %v", err)
	}
}
