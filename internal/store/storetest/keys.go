package storetest

import (
	"errors"
	"testing"

	"crossfade/internal/auth"
)

// RunKeys holds that every change of an access key is counted, and nothing else.
func RunKeys(t *testing.T, keys auth.KeyStore) {
	t.Helper()
	ctx := t.Context()
	count := func() int64 { return must1[int64](t)(keys.Changes(ctx)) }
	before := count()
	changed := func(what string, yes bool) {
		t.Helper()
		now := count()
		if now > before != yes || now < before {
			t.Errorf("%s: %d changes were counted, and %d before", what, now, before)
		}
		before = now
	}
	r := auth.Record{AccessKeyID: "KEY", SealedSecret: []byte("sealed"), Principal: auth.Principal{ARN: "arn", Account: account, Kind: auth.Host}, CreatedAt: start}
	must(t, keys.PutKey(ctx, r))
	changed("a new key", true)
	r.Disabled = true
	must(t, keys.PutKey(ctx, r))
	changed("a key that is replaced", true)
	equal(t, "the key", must1[auth.Record](t)(keys.Key(ctx, "KEY")).Disabled, true)
	if err := keys.DeleteKey(ctx, "OTHER"); !errors.Is(err, auth.ErrNoKey) {
		t.Errorf("a key that is not there: %v", err)
	}
	changed("reading, and deleting nothing", false)
	must(t, keys.DeleteKey(ctx, "KEY"))
	changed("a key that is deleted", true)
}
