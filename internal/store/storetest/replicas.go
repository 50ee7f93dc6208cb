package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// replicaTests are the tests of what several servers on one store need of it.
var replicaTests = []struct {
	name string
	test func(*testing.T, store.Store)
}{
	{"leases", leases},
	{"leases shared out", leaseShares},
	{"leases claimed at once", leaseRaces},
	{"fences", fences},
	{"the feed of changes", feed},
	{"the feed beside writers", concurrentFeed},
	{"a feed that was trimmed", trimmedFeed},
	{"the times of shared batches", sharedTimes},
	{"shards", shards},
	{"secrets", secrets},
	{"wishes for proxies", proxyWishes},
	{"wishes for proxies at once", proxyWishRaces},
	{"reports of proxies", proxyReports},
}

// replicasOf is the store as replicas use it.
func replicasOf(t *testing.T, s store.Store) store.Replicas {
	t.Helper()
	r, ok := s.(store.Replicas)
	if !ok {
		t.Fatalf("%T can't be shared by replicas", s)
	}
	return r
}

func heldNames(a store.Attended) []string {
	var out []string
	for _, l := range a.Held {
		out = append(out, l.Name)
	}
	return out
}

// attend claims for long enough that only a clock that is put forward ends it.
func attend(t *testing.T, r store.Replicas, replica string, shared, sole []string) store.Attended {
	t.Helper()
	got, err := r.Attend(t.Context(), store.Attendance{Replica: replica, For: time.Hour, Now: time.Now(), Shared: shared, Sole: sole})
	must(t, err)
	return got
}

// leases holds that one has a lease at a time, that it can be prolonged, given up and lost, and that its epoch tells who had it when.
func leases(t *testing.T, s store.Store) {
	r := replicasOf(t, s)
	sole := []string{"duty/a", "duty/b"}
	first := attend(t, r, "one", nil, sole)
	equal(t, "the first one's", heldNames(first), sole)
	equal(t, "who lives", first.Live, []string{"one"})
	if first.Now.IsZero() {
		t.Fatal("the store does not say what time it is")
	}
	equal(t, "the first one's, again", attend(t, r, "one", nil, sole).Held, first.Held)
	second := attend(t, r, "two", nil, sole)
	equal(t, "the second one's", len(second.Held), 0)
	equal(t, "who lives", second.Live, []string{"one", "two"})
	must(t, r.Leave(t.Context(), "one"))
	must(t, r.Leave(t.Context(), "nobody"))
	second = attend(t, r, "two", nil, sole)
	equal(t, "the second one's, after the first has left", heldNames(second), sole)
	equal(t, "who lives", second.Live, []string{"two"})
	for i, l := range second.Held {
		if l.Owner != "two" || l.Epoch <= first.Held[i].Epoch {
			t.Fatalf("%+v after %+v", l, first.Held[i])
		}
	}
	// A lease that is no longer asked for is still held.
	equal(t, "the second one's, asking for less", heldNames(attend(t, r, "two", nil, sole[:1])), sole[:1])
	equal(t, "what is left for a third", len(attend(t, r, "three", nil, sole).Held), 0)

	// One that stays silent loses its leases and does not count as live. The time is the store's own, or the one given.
	short := store.Attendance{Replica: "brief", For: time.Nanosecond, Now: time.Now(), Sole: []string{"duty/c"}}
	brief := must1[store.Attended](t)(r.Attend(t.Context(), short))
	equal(t, "the silent one's", heldNames(brief), []string{"duty/c"})
	later := must1[store.Attended](t)(r.Attend(t.Context(), store.Attendance{Replica: "later", For: time.Hour, Now: time.Now().Add(time.Second), Sole: []string{"duty/c"}}))
	equal(t, "the next one's", heldNames(later), []string{"duty/c"})
	if slices.Contains(later.Live, "brief") || later.Held[0].Epoch <= brief.Held[0].Epoch {
		t.Fatalf("%+v after %+v", later, brief)
	}
	// One that comes back after nobody has taken its lease goes on with it.
	own := must1[store.Attended](t)(r.Attend(t.Context(), store.Attendance{Replica: "pausing", For: time.Nanosecond, Now: time.Now(), Sole: []string{"duty/d"}}))
	again := must1[store.Attended](t)(r.Attend(t.Context(), store.Attendance{Replica: "pausing", For: time.Hour, Now: time.Now().Add(time.Second), Sole: []string{"duty/d"}}))
	equal(t, "after a pause", again.Held, own.Held)
}

// leaseShares holds that each replica comes to have an equal share.
func leaseShares(t *testing.T, s store.Store) {
	r := replicasOf(t, s)
	var all []string
	for i := range 7 {
		all = append(all, fmt.Sprintf("shard/%02d", i))
	}
	equal(t, "of one", len(attend(t, r, "one", all, nil).Held), 7)
	equal(t, "of the second, before the first has given up its surplus", len(attend(t, r, "two", all, nil).Held), 0)
	equal(t, "of the first of two", len(attend(t, r, "one", all, nil).Held), 4)
	equal(t, "of the second of two", len(attend(t, r, "two", all, nil).Held), 3)
	attend(t, r, "three", all, nil)
	owners := map[string]string{}
	for _, name := range []string{"one", "two", "three"} {
		got := attend(t, r, name, all, nil)
		if len(got.Held) > 3 {
			t.Fatalf("%s of three has %d of 7", name, len(got.Held))
		}
		for _, l := range got.Held {
			if other := owners[l.Name]; other != "" {
				t.Fatalf("%s is %s's and %s's", l.Name, other, name)
			}
			owners[l.Name] = name
		}
	}
	must(t, r.Leave(t.Context(), "one"))
	must(t, r.Leave(t.Context(), "two"))
	equal(t, "of the last", heldNames(attend(t, r, "three", all, nil)), all)
}

// leaseRaces holds that no two have a lease.
func leaseRaces(t *testing.T, s store.Store) {
	r := replicasOf(t, s)
	var all []string
	for i := range 64 {
		all = append(all, fmt.Sprintf("shard/%02d", i))
	}
	var wg sync.WaitGroup
	got := make([]store.Attended, 4)
	for i := range got {
		wg.Go(func() {
			for range 5 {
				a, err := r.Attend(context.Background(), store.Attendance{Replica: fmt.Sprint("r", i), For: time.Hour, Now: time.Now(), Shared: all, Sole: []string{"duty/a"}})
				if err != nil {
					t.Error(err)
				}
				got[i] = a
			}
		})
	}
	wg.Wait()
	for i := range got {
		got[i] = attend(t, r, fmt.Sprint("r", i), all, nil)
	}
	for i := range got {
		got[i] = attend(t, r, fmt.Sprint("r", i), all, []string{"duty/a"})
	}
	owners := map[string]int{}
	for _, a := range got {
		for _, l := range a.Held {
			owners[l.Name]++
		}
	}
	for _, name := range append(all, "duty/a") {
		if owners[name] != 1 {
			t.Errorf("%s has %d owners", name, owners[name])
		}
	}
}

// shared runs a batch of a replica.
func shared(t *testing.T, r store.Replicas, replica string, fn func(store.SharedBatch) error) (store.Shared, error) {
	t.Helper()
	return r.SharedBatch(t.Context(), replica, time.Now(), fn)
}

// fences holds that a lease which somebody else has taken since refuses a batch, and nothing else does.
func fences(t *testing.T, s store.Store) {
	r := replicasOf(t, s)
	sole := []string{"duty/a"}
	old := must1[store.Attended](t)(r.Attend(t.Context(), store.Attendance{Replica: "one", For: time.Nanosecond, Now: time.Now(), Sole: sole})).Held[0]
	check := func(l store.Lease) error {
		_, err := shared(t, r, "any", func(b store.SharedBatch) error { return b.Fence(t.Context(), l) })
		return err
	}
	must(t, check(old)) // it has run out, and is still its owner's
	is := must1[store.Attended](t)(r.Attend(t.Context(), store.Attendance{Replica: "two", For: time.Nanosecond, Now: time.Now().Add(time.Second), Sole: sole})).Held[0]
	must(t, check(is))
	want(t, check(old), store.ErrLeaseLost)
	back := must1[store.Attended](t)(r.Attend(t.Context(), store.Attendance{Replica: "one", For: time.Hour, Now: time.Now().Add(2 * time.Second), Sole: sole})).Held[0]
	must(t, check(back))
	want(t, check(old), store.ErrLeaseLost) // the owner is the same, the epoch is not
	want(t, check(is), store.ErrLeaseLost)
	want(t, check(store.Lease{Name: "duty/none", Owner: "one", Epoch: 1}), store.ErrLeaseLost)
	must(t, r.Leave(t.Context(), "one"))
	want(t, check(back), store.ErrLeaseLost)
	// A refused fence does not end the batch.
	w := newWorld(t, s, func(g deploy.Group) { seedGroup(t, s, g) })
	spec := w.spec(w.group(), deploy.KindInPlace)
	_, err := shared(t, r, "any", func(b store.SharedBatch) error {
		if err := b.Fence(t.Context(), back); !errors.Is(err, store.ErrLeaseLost) {
			return fmt.Errorf("the fence says %w", err)
		}
		return b.Apply(t.Context(), deploy.New(spec))
	})
	must(t, err)
	w.read(spec.ID)
}

// position is where the feed ends.
func position(t *testing.T, r store.Replicas) int64 {
	t.Helper()
	_, at, err := r.EffectsOf(t.Context(), 0)
	must(t, err)
	return at
}

// feed holds that a reader of the feed learns what has changed, in order, and how it is now.
func feed(t *testing.T, s store.Store) {
	r := replicasOf(t, s)
	w := newWorld(t, s, func(g deploy.Group) { seedGroup(t, s, g) })
	ctx := t.Context()
	begin := position(t, r)
	spec := w.spec(w.group(), deploy.KindInPlace)
	id := spec.ID
	where := must1[store.Shared](t)(shared(t, r, "one", func(b store.SharedBatch) error { return b.Apply(ctx, deploy.New(spec)) }))
	if where.Before != begin || where.Position <= begin {
		t.Fatalf("the first batch is at %+v, the feed began at %d", where, begin)
	}
	nothing := must1[store.Shared](t)(shared(t, r, "one", func(store.SharedBatch) error { return nil }))
	equal(t, "a batch that does nothing", nothing, store.Shared{Before: where.Position, Position: where.Position})
	_, err := shared(t, r, "one", func(b store.SharedBatch) error {
		tr, err := decide(b, id, deploy.Event{At: w.now(), What: deploy.Resolved{Originals: selected("old", 2)}})
		return errors.Join(err, b.Apply(ctx, tr), errors.New("no"))
	})
	if err == nil {
		t.Fatal("a batch that fails was committed")
	}
	resolve := deploy.EffectKey{DeploymentID: id, Kind: deploy.EffectResolve}
	c := must1[store.Changes](t)(r.Changes(ctx, begin, "", 100))
	if c.Position != where.Position || c.More || len(c.Effects) != 1 || c.Effects[0].Key != resolve || c.Effects[0].Effect == nil || !c.Notices || c.Ended || c.Leases {
		t.Fatalf("the feed says %s", printable(c))
	}
	own := must1[store.Changes](t)(r.Changes(ctx, begin, "one", 100))
	equal(t, "without its own", own, store.Changes{Position: where.Position, Effects: []store.EffectChange{}})

	step := func(replica string, what deploy.What) {
		t.Helper()
		must1[store.Shared](t)(shared(t, r, replica, func(b store.SharedBatch) error {
			tr, err := decide(b, id, deploy.Event{At: w.now(), What: what})
			return errors.Join(err, b.Apply(ctx, tr))
		}))
	}
	step("two", deploy.Resolved{Originals: selected("old", 2)})
	for d := w.read(id); !d.State.WakeAt.IsZero() && !d.State.WakeAt.After(w.at); d = w.read(id) {
		step("two", deploy.Wake{})
	}
	c = must1[store.Changes](t)(r.Changes(ctx, begin, "", 100))
	found := map[deploy.EffectKind]bool{}
	for _, e := range c.Effects {
		found[e.Key.Kind] = e.Effect != nil
		if e.Effect != nil && e.Effect.Key != e.Key {
			t.Fatalf("%+v is %+v", e.Key, e.Effect)
		}
	}
	if found[deploy.EffectResolve] || !found[deploy.EffectCommand] || !found[deploy.EffectHold] || c.Due.IsZero() {
		t.Fatalf("the feed says %s", printable(c))
	}
	// Piece by piece it is the same.
	pieces := store.Changes{Position: begin, More: true}
	n := 0
	for pieces.More {
		pieces = must1[store.Changes](t)(r.Changes(ctx, pieces.Position, "", 1))
		n++
	}
	if pieces.Position != c.Position || n < 2 {
		t.Fatalf("%d pieces end at %d, not %d", n, pieces.Position, c.Position)
	}
	// The end takes everything back, and says so.
	before := c.Position
	for range 1000 {
		d := w.read(id)
		if d.State.Status.Terminal() {
			break
		}
		effects := w.effects(id)
		if len(effects) == 0 {
			step("two", deploy.Wake{})
		}
		for _, e := range effects {
			step("two", w.answer(e))
		}
	}
	c = must1[store.Changes](t)(r.Changes(ctx, before, "one", 1000))
	for _, e := range c.Effects {
		if e.Effect != nil {
			t.Fatalf("%+v is outstanding after the end", e.Key)
		}
	}
	if !c.Ended || !slices.ContainsFunc(c.Effects, func(e store.EffectChange) bool { return e.Key.Kind == deploy.EffectHold }) {
		t.Fatalf("the feed says %s", printable(c))
	}
	// Leases that are given up are told.
	attend(t, r, "one", nil, []string{"duty/a"})
	must(t, r.Leave(ctx, "one"))
	if c := must1[store.Changes](t)(r.Changes(ctx, c.Position, "two", 10)); !c.Leases {
		t.Fatalf("the feed says %s", printable(c))
	}
}

// concurrentFeed holds that no entry comes to be seen after one with a higher position.
func concurrentFeed(t *testing.T, s store.Store) {
	r := replicasOf(t, s)
	w := newWorld(t, s, func(g deploy.Group) { seedGroup(t, s, g) })
	begin := position(t, r)
	const writers, each = 4, 15
	var specs [writers][]deploy.Spec
	for i := range writers {
		for range each {
			specs[i] = append(specs[i], w.spec(w.group(), deploy.KindInPlace))
		}
	}
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for _, spec := range specs[i] {
				_, err := r.SharedBatch(context.Background(), fmt.Sprint("r", i), time.Now(), func(b store.SharedBatch) error { return b.Apply(context.Background(), deploy.New(spec)) })
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	seen := map[string]bool{}
	at := begin
	for ended := false; ; {
		c, err := r.Changes(context.Background(), at, "", 7)
		must(t, err)
		at = c.Position
		for _, e := range c.Effects {
			seen[e.Key.DeploymentID] = true
		}
		if c.More {
			continue
		}
		if ended {
			break
		}
		select {
		case <-done:
			ended = true // what was committed before is still to be read
		default:
		}
	}
	if len(seen) != writers*each {
		t.Errorf("a reader saw %d of %d deployments", len(seen), writers*each)
	}
}

// trimmedFeed holds that a reader who is too far behind is told so, and others are not.
func trimmedFeed(t *testing.T, s store.Store) {
	r := replicasOf(t, s)
	w := newWorld(t, s, func(g deploy.Group) { seedGroup(t, s, g) })
	batch := func() store.Shared {
		spec := w.spec(w.group(), deploy.KindInPlace)
		return must1[store.Shared](t)(shared(t, r, "one", func(b store.SharedBatch) error { return b.Apply(t.Context(), deploy.New(spec)) }))
	}
	begin := batch().Position
	must1[int](t)(r.TrimChanges(t.Context(), time.Hour, 100)) // the entry that a new store begins with
	var last store.Shared
	for range 5 {
		last = batch()
	}
	equal(t, "removed of what is young", must1[int](t)(r.TrimChanges(t.Context(), time.Hour, 100)), 0)
	equal(t, "removed at once", must1[int](t)(r.TrimChanges(t.Context(), -time.Hour, 2)), 2)
	_, err := r.Changes(t.Context(), begin, "", 100)
	want(t, err, store.ErrBehind)
	must1[int](t)(r.TrimChanges(t.Context(), -time.Hour, 100))
	equal(t, "at the end", must1[store.Changes](t)(r.Changes(t.Context(), last.Position, "", 100)), store.Changes{Position: last.Position, Effects: []store.EffectChange{}})
	_, err = r.Changes(t.Context(), last.Before, "", 100)
	want(t, err, store.ErrBehind)
	equal(t, "the position", position(t, r), last.Position)
}

// sharedTimes holds that the times of events go up with the commits, whatever the clocks of replicas say.
func sharedTimes(t *testing.T, s store.Store) {
	r := replicasOf(t, s)
	w := newWorld(t, s, func(g deploy.Group) { seedGroup(t, s, g) })
	now := time.Now()
	var last time.Time
	for i, skew := range []time.Duration{0, 5 * time.Second, -5 * time.Second, 0, 0, 10 * time.Second, 0} {
		spec := w.spec(w.group(), deploy.KindInPlace)
		var at time.Time
		_, err := r.SharedBatch(t.Context(), fmt.Sprint("r", i%3), now.Add(skew), func(b store.SharedBatch) error {
			at = b.At()
			return b.Apply(t.Context(), deploy.New(spec))
		})
		must(t, err)
		if !at.After(last) || at.Location() != time.UTC {
			t.Fatalf("batch %d is at %s, the one before was to %s", i, at, last)
		}
		last = at.Add(store.SharedSpan)
	}
}

// shards holds that what is due and outstanding can be asked for by shard.
func shards(t *testing.T, s store.Store) {
	r := replicasOf(t, s)
	w := newWorld(t, s, func(g deploy.Group) { seedGroup(t, s, g) })
	ctx := t.Context()
	var ids []string
	for _, tail := range []string{"00", "A0", "0A", "ZZ", "9Z", "Q7", "XY", "K3"} {
		spec := w.spec(w.group(), deploy.KindInPlace)
		spec.ID = "d-SHARD00" + tail
		w.createSpec(spec)
		w.resolve(spec.ID, 2, 0)
		w.step(spec.ID, deploy.Wake{})
		ids = append(ids, spec.ID)
	}
	far := w.at.Add(1000 * time.Hour)
	all := must1[[]store.Due](t)(r.DueIn(ctx, deploy.AllShards, far, 0))
	equal(t, "all that is due", all, w.due(far, 0))
	equal(t, "the next of all", must1[time.Time](t)(r.NextDueIn(ctx, deploy.AllShards)), all[0].At)
	if got := must1[[]store.Due](t)(r.DueIn(ctx, 0, far, 0)); len(got) != 0 {
		t.Fatalf("due in no shard: %+v", got)
	}
	if next := must1[time.Time](t)(r.NextDueIn(ctx, 0)); !next.IsZero() {
		t.Fatalf("next in no shard: %s", next)
	}
	for _, id := range ids {
		one := deploy.Shards(0).With(deploy.ShardOf(id))
		var wantDue []store.Due
		for _, d := range all {
			if one.Of(d.DeploymentID) {
				wantDue = append(wantDue, d)
			}
		}
		if len(wantDue) == 0 {
			t.Fatalf("nothing of %s is due", id)
		}
		equal(t, "due in the shard of "+id, must1[[]store.Due](t)(r.DueIn(ctx, one, far, 0)), wantDue)
		equal(t, "the first due in the shard of "+id, must1[[]store.Due](t)(r.DueIn(ctx, one, far, 1)), wantDue[:1])
		equal(t, "next in the shard of "+id, must1[time.Time](t)(r.NextDueIn(ctx, one)), wantDue[0].At)
		effects, _, err := r.EffectsOf(ctx, one)
		must(t, err)
		if len(effects) == 0 || slices.ContainsFunc(effects, func(e deploy.Effect) bool { return !one.Of(e.Key.DeploymentID) }) {
			t.Fatalf("the effects in the shard of %s are %+v", id, effects)
		}
	}
	effects, _, err := r.EffectsOf(ctx, deploy.AllShards)
	must(t, err)
	equal(t, "all effects", effects, must1[[]deploy.Effect](t)(s.Effects(ctx)))
}
