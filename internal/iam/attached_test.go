package iam_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/iam"
	"crossfade/internal/sigv4"
	"crossfade/internal/store"
	wireiam "crossfade/internal/wire/iam"
)

func TestPolicies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, _ := w.alice()
	count := func(s *iam.Service, p auth.Principal) int {
		t.Helper()
		policies, err := s.Policies(t.Context(), p)
		ok(t, err)
		return len(policies)
	}
	other := w.another(w.store, w.keys)
	elsewhere, gone := alice, alice
	elsewhere.ARN, gone.ARN = auth.UserARN(account, "other/alice"), auth.UserARN(account, "nobody")
	for _, c := range []struct {
		what string
		p    auth.Principal
		want int
	}{
		{"the user", alice, 1},
		{"one of its name and another path", elsewhere, 0},
		{"one that is not there", gone, 0},
		{"a session", auth.Principal{ARN: session("everybody", "me"), Account: account, Kind: auth.Role}, 1},
		{"a session of a role that is gone", auth.Principal{ARN: session("nothing", "me"), Account: account, Kind: auth.Role}, 0},
		{"a session of another account", auth.Principal{ARN: "arn:aws:sts::444455556666:assumed-role/everybody/me", Account: "444455556666", Kind: auth.Role}, 0},
		{"a session that is none", auth.Principal{ARN: alice.ARN, Account: account, Kind: auth.Role}, 0},
		{"a host", auth.Principal{ARN: alice.ARN, Account: account, Kind: auth.Host}, 0},
		{"the root", auth.Principal{ARN: auth.RootARN(account), Account: account, Kind: auth.Root}, 0},
	} {
		if got := count(w.Service, c.p); got != c.want {
			t.Errorf("%s has %d policies, want %d", c.what, got, c.want)
		}
	}

	// What this process changes counts at once, what another one changes within seconds.
	if got := count(other, alice); got != 1 {
		t.Fatalf("the other process sees %d", got)
	}
	ok(t, w.DeleteUserPolicy(root(t), &wireiam.DeleteUserPolicyRequest{UserName: new("alice"), PolicyName: new("p")}))
	if here, there := count(w.Service, alice), count(other, alice); here != 0 || there != 1 {
		t.Errorf("after a change %d here and %d there", here, there)
	}
	w.clock.Pass(3 * time.Second)
	if there := count(other, alice); there != 0 {
		t.Errorf("seconds later there are %d there", there)
	}
}

// TestAPolicyThatCannotBeRead must not be passed over: it may deny.
func TestAPolicyThatCannotBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, _ := w.alice()
	ok(t, w.store.PutUserPolicy(t.Context(), account, "alice", store.UserPolicy{Name: "q", Document: `{"Version":"2030-01-01"}`}, 1000))
	if _, err := w.another(w.store, w.keys).Policies(t.Context(), alice); err == nil {
		t.Error("it was passed over")
	}
}

func TestInactiveKeysAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, key := w.alice()
	other := w.another(w.store, w.keys)
	secret := func(s *iam.Service) string {
		t.Helper()
		got, err := s.Secret(t.Context(), key.AccessKeyID, "")
		switch {
		case errors.Is(err, sigv4.ErrUnknownKey):
			return "refused"
		case err != nil:
			t.Fatal(err)
		case got != key.SecretAccessKey:
			t.Fatalf("the secret is %s", got)
		}
		return "given"
	}
	set := func(status wireiam.StatusType) {
		t.Helper()
		ok(t, w.UpdateAccessKey(root(t), &wireiam.UpdateAccessKeyRequest{UserName: new("alice"), AccessKeyId: &key.AccessKeyID, Status: &status}))
	}
	if here, there := secret(w.Service), secret(other); here != "given" || there != "given" {
		t.Fatalf("active: %s here, %s there", here, there)
	}
	set(wireiam.StatusTypeInactive)
	if here := secret(w.Service); here != "refused" {
		t.Errorf("inactive: %s here", here)
	}
	w.clock.Pass(3 * time.Second)
	if there := secret(other); there != "refused" {
		t.Errorf("inactive: %s there", there)
	}
	set(wireiam.StatusTypeActive)
	if here := secret(w.Service); here != "given" {
		t.Errorf("active again: %s here", here)
	}
	ok(t, w.DeleteAccessKey(root(t), &wireiam.DeleteAccessKeyRequest{UserName: new("alice"), AccessKeyId: &key.AccessKeyID}))
	if here := secret(w.Service); here != "refused" {
		t.Errorf("deleted: %s here", here)
	}
	// A session's key is looked up nowhere.
	issued := must[auth.Session](t)(w.keys.Issue(auth.Principal{ARN: session("everybody", "me"), Account: account, Kind: auth.Role}, time.Hour, 0))
	if got, err := w.Secret(t.Context(), issued.AccessKeyID, issued.SessionToken); err != nil || got != issued.SecretAccessKey {
		t.Errorf("a session's secret: %q, %v", got, err)
	}
}

// broken is a store that fails.
type broken struct{ store.Identities }

var errBroken = errors.New("the disk is gone")

func (broken) InactiveUserKeys(context.Context) ([]string, error) { return nil, errBroken }

func (broken) User(context.Context, string, string) (store.User, error) {
	return store.User{}, errBroken
}

// TestAStoreThatFails gives neither secrets nor permissions.
func TestAStoreThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, key := w.alice()
	s := w.another(broken{w.store}, w.keys)
	if _, err := s.Secret(t.Context(), key.AccessKeyID, ""); !errors.Is(err, errBroken) {
		t.Errorf("the secret: %v", err)
	}
	if _, err := s.Policies(t.Context(), alice); !errors.Is(err, errBroken) {
		t.Errorf("the policies: %v", err)
	}
	if _, err := s.Access(root(t), "GetUser", &wireiam.GetUserRequest{UserName: new("alice")}); !errors.Is(err, errBroken) {
		t.Errorf("the permission: %v", err)
	}
	if _, err := s.GetCallerIdentity(as(t, auth.User, alice.ARN), nil); !errors.Is(err, errBroken) {
		t.Errorf("the caller: %v", err)
	}
}
