package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/store"
)

func joinToken(account, id string, uses int) store.JoinToken {
	return store.JoinToken{
		Account: account, ID: id, Name: "web 1", Tags: map[string]string{"Environment": "blue"}, OwnTags: true, Replace: true, Uses: uses,
		CreatedBy: "arn:aws:iam::" + account + ":root", CreatedAt: start, ExpiresAt: start.Add(time.Hour),
	}
}

func joinTokens(t *testing.T, s store.Store) {
	ctx := t.Context()
	read := func(account, id string) store.JoinToken {
		t.Helper()
		return must1[store.JoinToken](t)(s.JoinToken(ctx, account, id))
	}
	b := joinToken(account, "B", 2)
	must(t, s.CreateJoinToken(ctx, b, 2))
	want(t, s.CreateJoinToken(ctx, b, 2), store.ErrExists)
	must(t, s.CreateJoinToken(ctx, store.JoinToken{Account: account, ID: "A", Uses: 1}, 2))
	want(t, s.CreateJoinToken(ctx, joinToken(account, "C", 1), 2), store.ErrLimit)
	must(t, s.CreateJoinToken(ctx, joinToken(other, "B", 1), 2))
	equal(t, "the token", read(account, "B"), b)
	equal(t, "one that says little", read(account, "A"), store.JoinToken{Account: account, ID: "A", Uses: 1})
	equal(t, "the tokens", must1[[]store.JoinToken](t)(s.JoinTokens(ctx, account, store.Page{})), []store.JoinToken{read(account, "A"), b})
	equal(t, "the first page", must1[[]store.JoinToken](t)(s.JoinTokens(ctx, account, store.Page{Limit: 1})), []store.JoinToken{read(account, "A")})
	equal(t, "the second page", must1[[]store.JoinToken](t)(s.JoinTokens(ctx, account, store.Page{After: "A", Limit: 1})), []store.JoinToken{b})

	b.Used = 1
	equal(t, "the used token", must1[store.JoinToken](t)(s.UseJoinToken(ctx, account, "B")), b)
	b.Used = 2
	equal(t, "the token at its last use", must1[store.JoinToken](t)(s.UseJoinToken(ctx, account, "B")), b)
	_, err := s.UseJoinToken(ctx, account, "B")
	want(t, err, store.ErrLimit)
	must(t, s.ReturnJoinToken(ctx, account, "B"))
	b.Used = 1
	equal(t, "the token after one use came back", read(account, "B"), b)
	must(t, s.ReturnJoinToken(ctx, account, "A")) // has all its uses
	must(t, s.ReturnJoinToken(ctx, account, "none"))
	equal(t, "a token with all its uses", read(account, "A").Used, 0)

	must(t, s.DeleteJoinToken(ctx, account, "B"))
	want(t, s.DeleteJoinToken(ctx, account, "B"), store.ErrNotFound)
	_, err = s.JoinToken(ctx, account, "B")
	want(t, err, store.ErrNotFound)
	_, err = s.UseJoinToken(ctx, account, "B")
	want(t, err, store.ErrNotFound)
	equal(t, "another account's", read(other, "B"), joinToken(other, "B", 1))
}

// joinTokenRaces holds that no more callers get a use than there are.
func joinTokenRaces(t *testing.T, s store.Store) {
	const uses, callers = 3, 16
	must(t, s.CreateJoinToken(t.Context(), joinToken(account, "J", uses), 10))
	var won atomic.Int32
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			_, err := s.UseJoinToken(t.Context(), account, "J")
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, store.ErrLimit):
				t.Errorf("a use: %v", err)
			}
		})
	}
	all.Wait()
	if won.Load() != uses {
		t.Errorf("%d of %d uses were given", won.Load(), uses)
	}
}
