package storetest

import (
	"testing"
	"time"

	"crossfade/internal/store"
)

func githubTokens(t *testing.T, s store.Store) {
	ctx := t.Context()
	token := func(account, name, sealed string) store.GitHubToken {
		return store.GitHubToken{Account: account, Name: name, Sealed: []byte(sealed), CreatedAt: start}
	}
	read := func(account, name string) store.GitHubToken {
		t.Helper()
		return must1[store.GitHubToken](t)(s.GitHubToken(ctx, account, name))
	}
	names := func(account string, p store.Page) []string {
		t.Helper()
		return must1[[]string](t)(s.GitHubTokens(ctx, account, p))
	}
	b := token(account, "b", "\x00\xff\x01")
	must(t, s.PutGitHubToken(ctx, b, 2))
	must(t, s.PutGitHubToken(ctx, token(account, "a", ""), 2))
	must(t, s.PutGitHubToken(ctx, token(other, "b", "theirs"), 2))
	want(t, s.PutGitHubToken(ctx, token(account, "c", "x"), 2), store.ErrLimit)
	equal(t, "the token", read(account, "b"), b)
	equal(t, "another account's", read(other, "b"), token(other, "b", "theirs"))

	// One that is there is replaced, also when there is no room for another.
	b.Sealed, b.CreatedAt = []byte("new"), start.Add(time.Hour)
	must(t, s.PutGitHubToken(ctx, b, 2))
	equal(t, "the replaced token", read(account, "b"), b)

	equal(t, "the names", names(account, store.Page{}), []string{"a", "b"})
	equal(t, "the first page", names(account, store.Page{Limit: 1}), []string{"a"})
	equal(t, "the second page", names(account, store.Page{After: "a", Limit: 1}), []string{"b"})

	must(t, s.DeleteGitHubToken(ctx, account, "b"))
	want(t, s.DeleteGitHubToken(ctx, account, "b"), store.ErrNotFound)
	_, err := s.GitHubToken(ctx, account, "b")
	want(t, err, store.ErrNotFound)
	equal(t, "the names after a deletion", names(account, store.Page{}), []string{"a"})
	equal(t, "another account's names", names(other, store.Page{}), []string{"b"})
	must(t, s.PutGitHubToken(ctx, token(account, "c", "x"), 2))
}
