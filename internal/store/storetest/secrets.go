package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"crossfade/internal/store"
)

// secrets holds that whoever keeps a secret first decides, also of several at once.
func secrets(t *testing.T, s store.Store) {
	x, ok := s.(store.Secrets)
	if !ok {
		t.Fatalf("%T keeps no secrets", s)
	}
	ctx := t.Context()
	_, err := x.Secret(ctx, "key")
	want(t, err, store.ErrNotFound)
	var wg sync.WaitGroup
	kept := make([]store.Secret, 5)
	for i := range kept {
		wg.Go(func() {
			var err error
			if kept[i], err = x.KeepSecret(context.Background(), store.Secret{Name: "key", Sealed: fmt.Append([]byte{0}, i)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	is := must1[store.Secret](t)(x.Secret(ctx, "key"))
	for _, k := range kept {
		equal(t, "what one of those who came at once has", k, is)
	}
	other := must1[store.Secret](t)(x.KeepSecret(ctx, store.Secret{Name: "other", Sealed: []byte("o")}))
	equal(t, "another one", other, store.Secret{Name: "other", Sealed: []byte("o")})
	next := store.Secret{Name: "key", Sealed: []byte("next")}
	want(t, x.ReplaceSecret(ctx, next, next), store.ErrConflict)
	want(t, x.ReplaceSecret(ctx, store.Secret{Name: "none"}, store.Secret{Name: "none"}), store.ErrConflict)
	must(t, x.ReplaceSecret(ctx, is, next))
	want(t, x.ReplaceSecret(ctx, is, next), store.ErrConflict)
	equal(t, "after it was replaced", must1[store.Secret](t)(x.Secret(ctx, "key")), next)
}
