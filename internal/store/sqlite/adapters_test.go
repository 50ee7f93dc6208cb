package sqlite_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/store/relational"
	"crossfade/internal/store/sqlite"
	"crossfade/internal/store/storetest"
	"crossfade/internal/traffic"
	"crossfade/internal/traffic/builtin"
)

var _ builtin.Registry = relational.Registry[builtin.Registration]{}

func TestAccessKeys(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dir := t.TempDir()
	s := open(t, dir)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	record := func(id, user string) auth.Record {
		return auth.Record{AccessKeyID: id, SealedSecret: []byte{0, 1, 2}, CreatedAt: at, Principal: auth.Principal{ARN: auth.UserARN("1", user), Account: "1", Kind: auth.Host}}
	}
	a1, a2, b := record("AKID1", "a"), record("AKID2", "a"), record("AKID3", "b")
	a2.ExpiresAt, a2.Disabled = at.Add(time.Hour), true
	for _, r := range []auth.Record{a2, b, record("AKID1", "old"), a1} {
		if err := s.Keys().PutKey(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	keys := open(t, dir).Keys()
	for _, want := range []auth.Record{a1, a2, b} {
		if got, err := keys.Key(ctx, want.AccessKeyID); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	for _, c := range []struct {
		account, arn string
		want         []auth.Record
	}{
		{"1", "", []auth.Record{a1, a2, b}}, {"1", auth.UserARN("1", "a"), []auth.Record{a1, a2}}, {"1", auth.UserARN("1", "old"), nil}, {"2", "", nil},
	} {
		if got, err := keys.Keys(ctx, c.account, c.arn); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("keys of %q %q: %+v, %v, want %+v", c.account, c.arn, got, err, c.want)
		}
	}
	if err := keys.DeleteKey(ctx, "AKID2"); err != nil {
		t.Fatal(err)
	}
	if err := keys.DeleteKey(ctx, "AKID2"); !errors.Is(err, auth.ErrNoKey) {
		t.Errorf("deleted twice: %v", err)
	}
	if _, err := keys.Key(ctx, "AKID2"); !errors.Is(err, auth.ErrNoKey) {
		t.Errorf("read after its deletion: %v", err)
	}
}

func TestRegistrations(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dir := t.TempDir()
	s := open(t, dir)
	registry := sqlite.Registrations[builtin.Registration](s)
	if got, err := registry.Load(ctx); err != nil || len(got) != 0 {
		t.Fatalf("an empty registry has %+v, %v", got, err)
	}
	one := builtin.Registration{TargetGroup: "web", Instance: "i-1", Address: "10.0.0.1:80", In: true, Generation: 1 << 60}
	two := builtin.Registration{TargetGroup: "web", Instance: "i-2", Address: "10.0.0.2", In: true, Environment: "d-1", Generation: 2}
	for _, save := range [][]builtin.Registration{nil, {one, two}} {
		if err := registry.Save(ctx, save); err != nil {
			t.Fatal(err)
		}
	}
	two.In, two.Address, two.Environment, two.Generation = false, "", "d-2", 3
	if err := registry.Save(ctx, []builtin.Registration{two}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := sqlite.Registrations[builtin.Registration](open(t, dir)).Load(ctx)
	if want := []builtin.Registration{one, two}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestSplits(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dir := t.TempDir()
	s := open(t, dir)
	registry := sqlite.Registrations[builtin.Registration](s)
	if got, err := registry.LoadSplits(ctx); err != nil || len(got) != 0 {
		t.Fatalf("an empty registry has %+v, %v", got, err)
	}
	api := traffic.SplitObserved{TargetGroup: "api", Environment: "d-1", Percent: 100, Generation: 1 << 60}
	web := traffic.SplitObserved{TargetGroup: "web", Environment: "d-2", Percent: 10, Generation: 2}
	for _, save := range [][]traffic.SplitObserved{nil, {web, api}} {
		if err := registry.SaveSplits(ctx, save); err != nil {
			t.Fatal(err)
		}
	}
	web = traffic.SplitObserved{TargetGroup: "web", Generation: 3}
	if err := registry.SaveSplits(ctx, []traffic.SplitObserved{web}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := sqlite.Registrations[builtin.Registration](open(t, dir)).LoadSplits(ctx)
	if want := []traffic.SplitObserved{api, web}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// TestChangesOfKeysAreCounted holds that whoever remembers keys can tell when to forget them.
func TestChangesOfKeysAreCounted(t *testing.T) {
	t.Parallel()
	storetest.RunKeys(t, open(t, t.TempDir()).Keys())
}
