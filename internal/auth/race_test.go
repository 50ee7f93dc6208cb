package auth_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/sigv4"
)

// between runs something after a record was read and before the reader has it.
type between struct {
	*shelf
	then func()
}

func (b *between) Key(ctx context.Context, id string) (auth.Record, error) {
	r, err := b.shelf.Key(ctx, id)
	if then := b.then; then != nil {
		b.then = nil
		then()
	}
	return r, err
}

// TestAKeyIsGoneAtOnce holds that a key that is deleted or replaced while it is looked up does not live on in the cache.
func TestAKeyIsGoneAtOnce(t *testing.T) {
	t.Parallel()
	p := auth.Principal{ARN: auth.UserARN("1", "web-1"), Account: "1", Kind: auth.Host}
	b := &between{shelf: &shelf{}}
	k, err := auth.NewKeys(b, make([]byte, auth.KeySize), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	put := func(secret string) {
		if err := k.Put(t.Context(), sigv4.Credential{AccessKeyID: "KEY", SecretAccessKey: secret}, p, time.Time{}); err != nil {
			t.Error(err)
		}
	}
	put("the old secret")
	b.then = func() { put("the new secret") }
	if _, err := k.Secret(t.Context(), "KEY", ""); err != nil {
		t.Fatal(err)
	}
	if got, err := k.Secret(t.Context(), "KEY", ""); err != nil || got != "the new secret" {
		t.Errorf("after it was replaced: %q, %v", got, err)
	}
	k2, err := auth.NewKeys(b, make([]byte, auth.KeySize), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	b.then = func() {
		if err := k2.Delete(t.Context(), "KEY"); err != nil {
			t.Error(err)
		}
	}
	if _, err := k2.Secret(t.Context(), "KEY", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := k2.Secret(t.Context(), "KEY", ""); !errors.Is(err, sigv4.ErrUnknownKey) {
		t.Errorf("after it was deleted: %v", err)
	}
}
