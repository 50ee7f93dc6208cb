package api_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"crossfade/internal/api"
	"crossfade/internal/wire"
)

func TestGitHubTokensAreKeptSealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	add := func(name, token string) {
		t.Helper()
		if err := w.api.AddGitHubAccountToken(ctx, name, token); err != nil {
			t.Fatal(err)
		}
	}
	add("shop", "first")
	add("shop", "ghp_secret")
	add("books", "ghp_other")
	same(t, "names", w.must("ListGitHubAccountTokenNames", `{}`), `{"tokenNameList":["books","shop"]}`)
	kept, err := w.store.GitHubToken(ctx, account, "shop")
	if err != nil || strings.Contains(string(kept.Sealed), "ghp_secret") {
		t.Fatalf("kept as %q (%v)", kept.Sealed, err)
	}
	if token, err := w.sealer.Open(api.GitHubTokenOwner(account, "shop"), kept.Sealed); err != nil || token != "ghp_secret" {
		t.Errorf("opened as %q (%v)", token, err)
	}
	if _, err := w.sealer.Open(api.GitHubTokenOwner(account, "books"), kept.Sealed); err == nil {
		t.Error("a token opens under another's name")
	}

	w.account = "210987654321"
	same(t, "another account's names", w.must("ListGitHubAccountTokenNames", `{}`), `{"tokenNameList":[]}`)
	if exception, answer := w.call("DeleteGitHubAccountToken", `{"tokenName":"shop"}`); exception != "GitHubAccountTokenDoesNotExistException" {
		t.Errorf("another account's token was answered %s", answer)
	}
	w.account = account
	same(t, "deleted", w.must("DeleteGitHubAccountToken", `{"tokenName":"shop"}`), `{"tokenName":"shop"}`)
	same(t, "names after a deletion", w.must("ListGitHubAccountTokenNames", `{}`), `{"tokenNameList":["books"]}`)
}

func TestGitHubTokensAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	refused := func(name, token, want string) {
		t.Helper()
		err := w.api.AddGitHubAccountToken(ctx, name, token)
		var exception *wire.Error
		if !errors.As(err, &exception) || string(exception.Code) != want+"Exception" {
			t.Errorf("name %.20q was answered %v, want %s", name, err, want)
		}
		if token != "" && strings.Contains(exception.Message, token) {
			t.Errorf("the message shows the token: %s", exception.Message)
		}
	}
	refused("", "", "GitHubAccountTokenNameRequired")
	refused("a/b", "", "InvalidGitHubAccountTokenName")
	refused(long, "ghp_token", "InvalidGitHubAccountTokenName")
	for _, token := range []string{"", "two words", "two\nlines", "schlüssel", strings.Repeat("t", 1001)} {
		refused("shop", token, "InvalidGitHubAccountToken")
	}
	for i := range 25 {
		if err := w.api.AddGitHubAccountToken(ctx, fmt.Sprintf("t-%d", i), "token"); err != nil {
			t.Fatal(err)
		}
	}
	refused("more", "ghp_token", "GitHubAccountTokenLimitExceeded")
	if err := w.api.AddGitHubAccountToken(ctx, "t-7", "renewed"); err != nil {
		t.Errorf("replacing one of a full account's: %v", err)
	}
	w.account = "210987654321"
	if err := w.api.AddGitHubAccountToken(ctx, "more", "ghp_token"); err != nil {
		t.Errorf("another account's first: %v", err)
	}
}
