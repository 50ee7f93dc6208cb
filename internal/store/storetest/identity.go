package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/store"
)

func user(account, name, path string) store.User {
	return store.User{Account: account, Name: name, Path: path, ID: "AIDA" + account + name, CreatedAt: start}
}

func users(t *testing.T, s store.Store) {
	ctx := t.Context()
	read := func(account, name string) store.User {
		t.Helper()
		return must1[store.User](t)(s.User(ctx, account, name))
	}
	list := func(prefix string, p store.Page) (names []string) {
		t.Helper()
		for _, u := range must1[[]store.User](t)(s.Users(ctx, account, prefix, p)) {
			names = append(names, u.Name)
		}
		return names
	}
	bob := user(account, "Bob", "/AWS/CodeDeploy/")
	bob.Tags = map[string]string{"team": "web", "empty": ""}
	must(t, s.CreateUser(ctx, bob, 3))
	must(t, s.CreateUser(ctx, user(account, "alice", "/"), 3))
	must(t, s.CreateUser(ctx, user(account, "carol", "/aws/"), 3))
	must(t, s.CreateUser(ctx, user(other, "Bob", "/"), 3))
	for _, taken := range []string{"Bob", "bob", "BOB"} { // told before the limit
		again := user(account, taken, "/")
		again.ID = "AIDAANOTHER"
		want(t, s.CreateUser(ctx, again, 3), store.ErrExists)
	}
	want(t, s.CreateUser(ctx, user(account, "dave", "/"), 3), store.ErrLimit)
	equal(t, "the user", read(account, "Bob"), bob)
	equal(t, "one that says little", read(account, "alice"), user(account, "alice", "/"))
	equal(t, "another account's", read(other, "Bob"), user(other, "Bob", "/"))
	_, err := s.User(ctx, account, "bob")
	want(t, err, store.ErrNotFound)

	equal(t, "the users", list("/", store.Page{}), []string{"Bob", "alice", "carol"})
	equal(t, "the users of a path", list("/AWS/", store.Page{}), []string{"Bob"})
	equal(t, "the users of a path that is nobody's", list("/AW_/", store.Page{}), []string(nil))
	equal(t, "the first page", list("/", store.Page{Limit: 2}), []string{"Bob", "alice"})
	equal(t, "the second page", list("/", store.Page{After: "alice", Limit: 2}), []string{"carol"})

	must(t, s.DeleteUser(ctx, account, "Bob"))
	want(t, s.DeleteUser(ctx, account, "Bob"), store.ErrNotFound)
	_, err = s.User(ctx, account, "Bob")
	want(t, err, store.ErrNotFound)
	equal(t, "another account's after the deletion", read(other, "Bob").Path, "/")
	must(t, s.CreateUser(ctx, user(account, "BOB", "/"), 3))
}

func userKeys(t *testing.T, s store.Store) {
	ctx := t.Context()
	list := func(account, name string, p store.Page) []store.UserKey {
		t.Helper()
		return must1[[]store.UserKey](t)(s.UserKeys(ctx, account, name, p))
	}
	inactive := func() []string {
		t.Helper()
		return must1[[]string](t)(s.InactiveUserKeys(ctx))
	}
	a, b := store.UserKey{ID: "AKIAA", CreatedAt: start}, store.UserKey{ID: "AKIAB", Inactive: true, CreatedAt: start.Add(time.Hour)}
	want(t, s.AddUserKey(ctx, account, "bob", a, 2), store.ErrNotFound)
	_, err := s.UserKeys(ctx, account, "bob", store.Page{})
	want(t, err, store.ErrNotFound)
	must(t, s.CreateUser(ctx, user(account, "bob", "/"), 10))
	must(t, s.CreateUser(ctx, user(other, "bob", "/"), 10))
	equal(t, "the keys of a new user", list(account, "bob", store.Page{}), []store.UserKey(nil))
	must(t, s.AddUserKey(ctx, account, "bob", b, 2))
	must(t, s.AddUserKey(ctx, account, "bob", a, 2))
	want(t, s.AddUserKey(ctx, account, "bob", store.UserKey{ID: "AKIAC"}, 2), store.ErrLimit)
	want(t, s.AddUserKey(ctx, other, "bob", a, 2), store.ErrExists)
	equal(t, "the keys", list(account, "bob", store.Page{}), []store.UserKey{a, b})
	equal(t, "the first page", list(account, "bob", store.Page{Limit: 1}), []store.UserKey{a})
	equal(t, "the second page", list(account, "bob", store.Page{After: a.ID, Limit: 1}), []store.UserKey{b})
	equal(t, "after the last page", list(account, "bob", store.Page{After: b.ID, Limit: 1}), []store.UserKey(nil))
	equal(t, "another account's", list(other, "bob", store.Page{}), []store.UserKey(nil))
	equal(t, "the inactive keys", inactive(), []string{b.ID})
	must(t, s.SetUserKeyInactive(ctx, account, "bob", b.ID, false))
	must(t, s.SetUserKeyInactive(ctx, account, "bob", a.ID, true))
	must(t, s.SetUserKeyInactive(ctx, account, "bob", a.ID, true))
	equal(t, "the inactive keys", inactive(), []string{a.ID})
	want(t, s.SetUserKeyInactive(ctx, other, "bob", a.ID, true), store.ErrNotFound)
	want(t, s.DeleteUser(ctx, account, "bob"), store.ErrInUse)
	want(t, s.DeleteUserKey(ctx, other, "bob", a.ID), store.ErrNotFound)
	must(t, s.DeleteUserKey(ctx, account, "bob", a.ID))
	want(t, s.DeleteUserKey(ctx, account, "bob", a.ID), store.ErrNotFound)
	equal(t, "the inactive keys after a deletion", inactive(), []string(nil))
	must(t, s.DeleteUserKey(ctx, account, "bob", b.ID))
	must(t, s.DeleteUser(ctx, account, "bob"))
}

// userKeyRaces holds that a user never has more keys than the limit.
func userKeyRaces(t *testing.T, s store.Store) {
	ctx := t.Context()
	must(t, s.CreateUser(ctx, user(account, "bob", "/"), 10))
	var made atomic.Int32
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			err := s.AddUserKey(ctx, account, "bob", store.UserKey{ID: fmt.Sprintf("AKIA%d", i)}, 2)
			switch {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, store.ErrLimit):
				t.Errorf("a key: %v", err)
			}
		})
	}
	all.Wait()
	if made.Load() != 2 {
		t.Errorf("%d keys were made, want 2", made.Load())
	}
	want(t, s.DeleteUser(ctx, account, "bob"), store.ErrInUse)
}

func userPolicies(t *testing.T, s store.Store) {
	ctx := t.Context()
	list := func(account, name string, p store.Page) []store.UserPolicy {
		t.Helper()
		return must1[[]store.UserPolicy](t)(s.UserPolicies(ctx, account, name, p))
	}
	put := func(name, document string) error {
		return s.PutUserPolicy(ctx, account, "bob", store.UserPolicy{Name: name, Document: document}, 12)
	}
	want(t, put("a", "{}"), store.ErrNotFound)
	_, err := s.UserPolicies(ctx, account, "bob", store.Page{})
	want(t, err, store.ErrNotFound)
	must(t, s.CreateUser(ctx, user(account, "bob", "/"), 10))
	must(t, s.CreateUser(ctx, user(other, "bob", "/"), 10))
	equal(t, "the policies of a new user", list(account, "bob", store.Page{}), []store.UserPolicy(nil))
	must(t, put("b", `{"é":1}`)) // eight bytes
	must(t, put("a", "{ }"))
	want(t, put("c", "{}"), store.ErrLimit)
	must(t, put("a", "{  }")) // replaces, and the limit is reached and not passed
	want(t, put("a", "{   }"), store.ErrLimit)
	a, b := store.UserPolicy{Name: "a", Document: "{  }"}, store.UserPolicy{Name: "b", Document: `{"é":1}`}
	equal(t, "the policies", list(account, "bob", store.Page{}), []store.UserPolicy{a, b})
	equal(t, "the first page", list(account, "bob", store.Page{Limit: 1}), []store.UserPolicy{a})
	equal(t, "the second page", list(account, "bob", store.Page{After: "a", Limit: 1}), []store.UserPolicy{b})
	equal(t, "another account's", list(other, "bob", store.Page{}), []store.UserPolicy(nil))
	want(t, s.DeleteUser(ctx, account, "bob"), store.ErrInUse)
	want(t, s.DeleteUserPolicy(ctx, other, "bob", "a"), store.ErrNotFound)
	must(t, s.DeleteUserPolicy(ctx, account, "bob", "a"))
	want(t, s.DeleteUserPolicy(ctx, account, "bob", "a"), store.ErrNotFound)
	must(t, s.DeleteUserPolicy(ctx, account, "bob", "b"))
	must(t, s.DeleteUser(ctx, account, "bob"))
}
