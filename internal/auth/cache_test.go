package auth_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/sigv4"
)

// TestAnotherProcessChangesAKey holds how long that may go unnoticed: a second, unless there is no other process.
func TestAnotherProcessChangesAKey(t *testing.T) {
	t.Parallel()
	p := auth.Principal{ARN: auth.UserARN("1", "web-1"), Account: "1", Kind: auth.Host}
	for what, change := range map[string]func(*auth.Keys, *shelf) error{
		"deleted": func(other *auth.Keys, _ *shelf) error { return other.Delete(t.Context(), "KEY") },
		"disabled": func(_ *auth.Keys, s *shelf) error {
			r := s.keys["KEY"]
			r.Disabled = true
			return s.PutKey(t.Context(), r)
		},
		"expired": func(other *auth.Keys, _ *shelf) error {
			return other.Put(t.Context(), sigv4.Credential{AccessKeyID: "KEY", SecretAccessKey: "the secret"}, p, time.Unix(1, 0))
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			now := time.Now()
			s := &shelf{}
			clock := func() time.Time { return now }
			k, other := newKeys(t, s, clock), newKeys(t, s, clock)
			if err := other.Put(t.Context(), sigv4.Credential{AccessKeyID: "KEY", SecretAccessKey: "the secret"}, p, time.Time{}); err != nil {
				t.Fatal(err)
			}
			if _, err := k.Secret(t.Context(), "KEY", ""); err != nil {
				t.Fatal(err)
			}
			if err := change(other, s); err != nil {
				t.Fatal(err)
			}
			if _, err := other.Secret(t.Context(), "KEY", ""); what != "disabled" && err == nil {
				t.Error("whoever changed it goes on")
			}
			now = now.Add(time.Second)
			if _, err := k.Secret(t.Context(), "KEY", ""); !errors.Is(err, sigv4.ErrUnknownKey) && !errors.Is(err, sigv4.ErrExpiredKey) {
				t.Errorf("a second later: %v", err)
			}
		})
	}
}

// TestKeysAreReadAgainOnlyAfterAChange holds that a process that is not alone asks once a second whether any key has changed, and reads none until then.
func TestKeysAreReadAgainOnlyAfterAChange(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := &shelf{}
	k := newKeys(t, s, func() time.Time { return now })
	p := auth.Principal{ARN: auth.UserARN("1", "web"), Account: "1", Kind: auth.Host}
	const hosts = 20
	for i := range hosts {
		if err := k.Put(t.Context(), sigv4.Credential{AccessKeyID: fmt.Sprint("KEY", i), SecretAccessKey: "secret"}, p, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	use := func() {
		t.Helper()
		for i := range hosts {
			if _, err := k.Secret(t.Context(), fmt.Sprint("KEY", i), ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 5 {
		use()
		use()
		now = now.Add(time.Second)
	}
	if s.reads != hosts || s.asked != 5 {
		t.Errorf("keys were read %d times, and the store was asked %d times", s.reads, s.asked)
	}
	if err := newKeys(t, s, func() time.Time { return now }).Delete(t.Context(), "KEY0"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	if _, err := k.Secret(t.Context(), "KEY0", ""); !errors.Is(err, sigv4.ErrUnknownKey) {
		t.Errorf("a key that another process deleted: %v", err)
	}
	if _, err := k.Secret(t.Context(), "KEY1", ""); err != nil || s.reads != hosts+2 {
		t.Errorf("one that it did not: %v, after %d reads", err, s.reads)
	}
}

// uncounted is a shelf as a server of an earlier version writes to it: its changes are not counted.
type uncounted struct{ *shelf }

func (u uncounted) DeleteKey(ctx context.Context, id string) error {
	defer func() { u.count-- }()
	return u.shelf.DeleteKey(ctx, id)
}

// TestAnEarlierVersionDeletesAKey holds that during an upgrade a key that goes uncounted is gone within a minute.
func TestAnEarlierVersionDeletesAKey(t *testing.T) {
	t.Parallel()
	now := time.Now()
	clock := func() time.Time { return now }
	s := &shelf{}
	k := newKeys(t, s, clock)
	if err := k.Put(t.Context(), sigv4.Credential{AccessKeyID: "KEY", SecretAccessKey: "secret"}, auth.Principal{Account: "1"}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Secret(t.Context(), "KEY", ""); err != nil {
		t.Fatal(err)
	}
	earlier, err := auth.NewKeys(uncounted{s}, make([]byte, auth.KeySize), clock)
	if err != nil {
		t.Fatal(err)
	}
	if err := earlier.Delete(t.Context(), "KEY"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if _, err := k.Secret(t.Context(), "KEY", ""); !errors.Is(err, sigv4.ErrUnknownKey) {
		t.Errorf("a minute later: %v", err)
	}
}

// TestAStoreThatDoesNotAnswer holds that no key is taken for good of which it can't be told whether it was changed.
func TestAStoreThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	now := time.Now()
	d := &dumb{shelf: &shelf{}}
	k, err := auth.NewKeys(d, make([]byte, auth.KeySize), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Put(t.Context(), sigv4.Credential{AccessKeyID: "KEY", SecretAccessKey: "secret"}, auth.Principal{Account: "1"}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Secret(t.Context(), "KEY", ""); err != nil {
		t.Fatal(err)
	}
	d.broken = errors.New("the connection is lost")
	now = now.Add(time.Second)
	if _, err := k.Secret(t.Context(), "KEY", ""); !errors.Is(err, d.broken) {
		t.Errorf("it answered %v", err)
	}
	d.broken = nil
	if _, err := k.Secret(t.Context(), "KEY", ""); err != nil {
		t.Errorf("when it is back: %v", err)
	}
}

// dumb can't say what has changed while it is broken.
type dumb struct {
	*shelf
	broken error
}

func (d *dumb) Changes(ctx context.Context) (int64, error) {
	if d.broken != nil {
		return 0, d.broken
	}
	return d.shelf.Changes(ctx)
}

// TestAloneAKeyIsReadOnce holds that the only process on a store reads a key once, and never goes on with one that it changed.
func TestAloneAKeyIsReadOnce(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := &shelf{}
	k := newKeys(t, s, func() time.Time { return now })
	k.Alone()
	p := auth.Principal{ARN: auth.UserARN("1", "web-1"), Account: "1", Kind: auth.Host}
	put := func(secret string, expires time.Time) {
		t.Helper()
		if err := k.Put(t.Context(), sigv4.Credential{AccessKeyID: "KEY", SecretAccessKey: secret}, p, expires); err != nil {
			t.Fatal(err)
		}
	}
	put("one", time.Time{})
	for range 10 {
		now = now.Add(time.Hour)
		if got, err := k.Secret(t.Context(), "KEY", ""); err != nil || got != "one" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if s.reads != 1 {
		t.Errorf("it was read %d times", s.reads)
	}
	put("two", now.Add(time.Minute))
	if got, err := k.Secret(t.Context(), "KEY", ""); err != nil || got != "two" {
		t.Errorf("replaced: %q, %v", got, err)
	}
	now = now.Add(time.Minute)
	if _, err := k.Secret(t.Context(), "KEY", ""); !errors.Is(err, sigv4.ErrExpiredKey) {
		t.Errorf("after its time: %v", err)
	}
	if err := k.Delete(t.Context(), "KEY"); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Secret(t.Context(), "KEY", ""); !errors.Is(err, sigv4.ErrUnknownKey) {
		t.Errorf("deleted: %v", err)
	}
	if _, err := k.Principal(t.Context(), "KEY", ""); !errors.Is(err, auth.ErrNoKey) {
		t.Errorf("whose it is, deleted: %v", err)
	}
}

// TestRecalledKeysAreNotReadOneByOne holds that keys which were read together at the start are as those that were read one by one: they open, they
// go with a change, and one that can't be opened keeps no other from it.
func TestRecalledKeysAreNotReadOneByOne(t *testing.T) {
	t.Parallel()
	for _, alone := range []bool{true, false} {
		s := &shelf{}
		k := newKeys(t, s, time.Now)
		for _, id := range []string{"ONE", "TWO"} {
			if err := k.Put(t.Context(), sigv4.Credential{AccessKeyID: id, SecretAccessKey: "secret of " + id}, auth.Principal{ARN: auth.UserARN("1", id), Account: "1", Kind: auth.Host}, time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.PutKey(t.Context(), auth.Record{AccessKeyID: "JUNK", SealedSecret: []byte("junk"), Principal: auth.Principal{Account: "1"}}); err != nil {
			t.Fatal(err)
		}
		again := newKeys(t, s, time.Now)
		if alone {
			again.Alone()
		}
		if err := again.Recall(t.Context(), "1"); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"ONE", "TWO"} {
			if got, err := again.Secret(t.Context(), id, ""); err != nil || got != "secret of "+id {
				t.Errorf("%s: %q, %v", id, got, err)
			}
		}
		if s.reads != 0 {
			t.Errorf("alone %t: %d keys were read one by one", alone, s.reads)
		}
		if _, err := again.Secret(t.Context(), "JUNK", ""); err == nil {
			t.Error("a key that can't be opened was opened")
		}
		if err := again.Delete(t.Context(), "ONE"); err != nil {
			t.Fatal(err)
		}
		if _, err := again.Secret(t.Context(), "ONE", ""); !errors.Is(err, sigv4.ErrUnknownKey) {
			t.Errorf("deleted: %v", err)
		}
	}
}

// TestARememberedSessionEnds holds that neither its time nor another key nor a changed token is passed over because it was opened before.
func TestARememberedSessionEnds(t *testing.T) {
	t.Parallel()
	now := time.Now()
	k := newKeys(t, &shelf{}, func() time.Time { return now })
	session, err := k.Issue(auth.Principal{ARN: "arn:aws:sts::1:assumed-role/r/s", Account: "1", Kind: auth.Role}, time.Hour, 2*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	secret := func(id, token string) error {
		_, err := k.Secret(t.Context(), id, token)
		return err
	}
	for range 2 {
		if err := secret(session.AccessKeyID, session.SessionToken); err != nil {
			t.Fatal(err)
		}
	}
	changed := "A" + session.SessionToken[1:]
	if changed == session.SessionToken {
		changed = "B" + session.SessionToken[1:]
	}
	if err := secret("ASIAOTHER", session.SessionToken); !errors.Is(err, sigv4.ErrUnknownKey) {
		t.Errorf("with another key: %v", err)
	}
	if err := secret(session.AccessKeyID, changed); !errors.Is(err, sigv4.ErrUnknownKey) {
		t.Errorf("with a changed token: %v", err)
	}
	now = now.Add(time.Hour)
	if err := secret(session.AccessKeyID, session.SessionToken); !errors.Is(err, sigv4.ErrExpiredKey) {
		t.Errorf("after its time: %v", err)
	}
	if _, err := k.Secret(auth.Renewing(t.Context()), session.AccessKeyID, session.SessionToken); err != nil {
		t.Errorf("renewed after its time: %v", err)
	}
	now = now.Add(time.Hour)
	if _, err := k.Secret(auth.Renewing(t.Context()), session.AccessKeyID, session.SessionToken); !errors.Is(err, sigv4.ErrExpiredKey) {
		t.Errorf("renewed too late: %v", err)
	}
}

// BenchmarkSecret looks up the keys of 10,000 hosts in turn.
func BenchmarkSecret(b *testing.B) {
	k, err := auth.NewKeys(&shelf{}, make([]byte, auth.KeySize), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	k.Alone()
	const hosts = 10_000
	ids, sessions := make([]string, hosts), make([]auth.Session, hosts)
	for i := range hosts {
		p := auth.Principal{ARN: auth.UserARN("1", fmt.Sprintf("web-%d", i)), Account: "1", Kind: auth.Host}
		c, err := k.Create(b.Context(), p)
		if err != nil {
			b.Fatal(err)
		}
		ids[i] = c.AccessKeyID
		if sessions[i], err = k.Issue(p, time.Hour, 0); err != nil {
			b.Fatal(err)
		}
	}
	look := func(b *testing.B, id, token string) {
		if _, err := k.Secret(b.Context(), id, token); err != nil {
			b.Fatal(err)
		}
		if _, err := k.Principal(b.Context(), id, token); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("key", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			look(b, ids[i%hosts], "")
		}
	})
	b.Run("session", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			look(b, sessions[i%hosts].AccessKeyID, sessions[i%hosts].SessionToken)
		}
	})
}
