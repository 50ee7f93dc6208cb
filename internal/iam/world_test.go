package iam_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/clocktest"
	"crossfade/internal/iam"
	"crossfade/internal/policy"
	"crossfade/internal/sigv4"
	"crossfade/internal/store"
	"crossfade/internal/store/sqlite"
	"crossfade/internal/wire"
	wireiam "crossfade/internal/wire/iam"
)

const (
	account  = "111122223333"
	document = `{"Version":"2012-10-17","Statement":{"Sid":"All","Effect":"Allow","Action":"codedeploy:*","Resource":"*"}}`
)

// world is a service over a real store and real keys.
type world struct {
	*iam.Service
	t     *testing.T
	clock *clocktest.Clock
	store *sqlite.Store
	keys  *auth.Keys
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := clocktest.At(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	s, err := sqlite.Open(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	keys, err := auth.NewKeys(s.Keys(), make([]byte, 32), c.Now)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, clock: c, store: s, keys: keys}
	w.Service = w.another(s, keys)
	return w
}

// another is a second process at the same store.
func (w *world) another(s store.Identities, keys iam.Keys) *iam.Service {
	w.t.Helper()
	d, err := policy.Parse([]byte(document))
	if err != nil {
		w.t.Fatal(err)
	}
	return iam.New(iam.Config{Store: s, Keys: keys, Account: account, Now: w.clock.Now, Roles: []iam.Role{
		{Name: "everybody", Trust: []string{account}, Policies: []policy.Named{{Name: "all", Document: d}}, MaxDuration: 12 * time.Hour},
		{Name: "root", Trust: []string{auth.RootARN(account)}, MaxDuration: time.Hour},
		{Name: "one", Trust: []string{auth.UserARN(account, "team/alice")}, MaxDuration: time.Hour},
		{Name: "chained", Trust: []string{"arn:aws:iam::" + account + ":role/everybody"}, MaxDuration: time.Hour},
		{Name: "single", Trust: []string{session("everybody", "me")}, MaxDuration: time.Hour},
		{Name: "short", Trust: []string{account}, MaxDuration: 30 * time.Minute},
	}})
}

func session(role, name string) string {
	return "arn:aws:sts::" + account + ":assumed-role/" + role + "/" + name
}

func as(t *testing.T, kind auth.Kind, arn string) context.Context {
	return auth.WithCaller(t.Context(), auth.Caller{Principal: auth.Principal{ARN: arn, Account: account, Kind: kind}})
}

func root(t *testing.T) context.Context { return as(t, auth.Root, auth.RootARN(account)) }

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		ok(t, err)
		return v
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func code(err error) wire.Code {
	var e *wire.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// alice makes the user team/alice with a key and a policy.
func (w *world) alice() (auth.Principal, sigv4.Credential) {
	w.t.Helper()
	ctx := root(w.t)
	must[*wireiam.CreateUserResponse](w.t)(w.CreateUser(ctx, &wireiam.CreateUserRequest{UserName: new("alice"), Path: new("/team/")}))
	key := must[*wireiam.CreateAccessKeyResponse](w.t)(w.CreateAccessKey(ctx, &wireiam.CreateAccessKeyRequest{UserName: new("alice")})).AccessKey
	ok(w.t, w.PutUserPolicy(ctx, &wireiam.PutUserPolicyRequest{UserName: new("alice"), PolicyName: new("p"), PolicyDocument: new(document)}))
	return auth.Principal{ARN: auth.UserARN(account, "team/alice"), Account: account, Kind: auth.User}, sigv4.Credential{AccessKeyID: *key.AccessKeyId, SecretAccessKey: *key.SecretAccessKey}
}
