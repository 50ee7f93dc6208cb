package storetest

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

const (
	topicAll  = "arn:aws:sns:us-east-1:" + account + ":all"
	topicEnds = "arn:aws:sns:us-east-1:" + account + ":ends"
)

// triggered makes a world and a deployment that two topics are told of: one of everything, one of ends.
func triggered(t *testing.T, s store.Store) (*world, deploy.Spec) {
	t.Helper()
	w := newWorld(t, s, func(g deploy.Group) { seedGroup(t, s, g) })
	spec := w.spec(w.group(), deploy.KindInPlace)
	spec.AutoRollback = nil
	spec.Triggers = []deploy.Trigger{
		{Name: "all", Target: topicAll, Events: []string{"DeploymentStart", "DeploymentSuccess", "DeploymentFailure", "DeploymentStop", "InstanceStart", "InstanceSuccess", "InstanceFailure"}},
		{Name: "ends", Target: topicEnds, Events: []string{"DeploymentSuccess", "DeploymentFailure", "DeploymentStop", "DeploymentRollback"}},
	}
	return w, spec
}

func logged(t *testing.T, s store.Store, after int64, limit int) []store.LoggedNotice {
	t.Helper()
	return must1[[]store.LoggedNotice](t)(s.Notices(t.Context(), after, limit))
}

func dueDeliveries(t *testing.T, s store.Store, at time.Time, skip ...string) []store.Delivery {
	t.Helper()
	return must1[[]store.Delivery](t)(s.DueDeliveries(t.Context(), at, skip, 0))
}

// noticeLog holds that the log has each transition's notices, as they were, in the order of commits.
func noticeLog(t *testing.T, s store.Store) {
	if first, last, err := s.NoticeBounds(t.Context()); err != nil || first != 0 || last != 0 {
		t.Fatalf("an empty log goes from %d to %d, %v", first, last, err)
	}
	w, spec := triggered(t, s)
	var told []deploy.Notice
	created := deploy.New(spec)
	w.check(w.apply(created))
	told = append(told, created.Notices()...)
	other := deploy.New(w.spec(w.group(), deploy.KindInPlace))
	w.check(w.apply(other))
	told = append(told, other.Notices()...)
	told = append(told, w.step(spec.ID, deploy.Resolved{Originals: selected("old", 1)}).Notices()...)
	told = append(told, w.step(spec.ID, deploy.Wake{}).Notices()...)
	told = append(told, w.step(spec.ID, deploy.Stop{By: "me"}).Notices()...)
	if len(told) < 4 {
		t.Fatalf("only %d notices were made", len(told))
	}
	all := logged(t, s, 0, 0)
	var got []deploy.Notice
	for i, n := range all {
		got = append(got, n.Notice)
		if n.ID != int64(i)+1 {
			t.Fatalf("notice %d has the id %d", i, n.ID)
		}
	}
	equal(t, "the log", got, told)
	equal(t, "the rest of the log", logged(t, s, 1, 2), all[1:3])
	if rest := logged(t, s, int64(len(all)), 0); len(rest) != 0 {
		t.Fatalf("behind the end is %v", rest)
	}
	if first, last, err := s.NoticeBounds(t.Context()); err != nil || first != 1 || last != int64(len(all)) {
		t.Fatalf("the log goes from %d to %d, %v", first, last, err)
	}
}

// noticesCommitWhole holds that a batch that fails tells nobody.
func noticesCommitWhole(t *testing.T, s store.Store) {
	w, spec := triggered(t, s)
	want(t, s.Batch(t.Context(), func(b store.Batch) error {
		must(t, b.Apply(t.Context(), deploy.New(spec)))
		return store.ErrConflict
	}), store.ErrConflict)
	if n, d := logged(t, s, 0, 0), dueDeliveries(t, s, w.at.AddDate(1, 0, 0)); len(n)+len(d) != 0 {
		t.Fatalf("a batch that failed left %v and %v", n, d)
	}
}

// noticesOfRollback holds that the rollback is told of after the end that brings it about.
func noticesOfRollback(t *testing.T, s store.Store) {
	w, spec := triggered(t, s)
	spec.AutoRollback = &deploy.AutoRollback{Enabled: true, Events: []string{deploy.RollbackOnFailure}}
	spec.Previous = &deploy.Previous{DeploymentID: "d-0", Revision: revision("v0")}
	w.fails = func(e deploy.Effect) bool { return e.Key.DeploymentID == spec.ID }
	w.createSpec(spec)
	w.resolve(spec.ID, 1, 0)
	w.drive(spec.ID)
	var got []string
	for _, n := range logged(t, s, 0, 0) {
		if n.Instance == nil {
			got = append(got, n.DeploymentID+" "+string(n.Moment))
		}
	}
	id, back := spec.ID+" ", spec.RollbackID+" "
	if tail := []string{id + "Failed", id + "Rollback", back + "Created"}; len(got) < 3 || !slices.Equal(got[len(got)-3:], tail) {
		t.Fatalf("told was %v, want %v at the end", got, tail)
	}
	for _, d := range dueDeliveries(t, s, w.at.Add(time.Hour), topicAll) {
		if d.Notice.DeploymentID == spec.ID && d.Notice.Moment != deploy.MomentFailed {
			t.Errorf("%s is due before the end is told", d.Notice.Moment)
		}
	}
}

// deliveryOrder holds that one delivery of a deployment and destination is due at a time, in the order of what happened, whatever becomes of the
// ones before, and that destinations and deployments don't wait for each other.
func deliveryOrder(t *testing.T, s store.Store) {
	ctx := t.Context()
	w, spec := triggered(t, s)
	w.createSpec(spec)
	w.resolve(spec.ID, 1, 0)
	w.step(spec.ID, deploy.Wake{})
	w.step(spec.ID, deploy.Stop{By: "me"})
	w.drive(spec.ID)
	second := w.spec(w.group(), deploy.KindInPlace)
	second.Triggers = spec.Triggers
	w.createSpec(second)
	if early := dueDeliveries(t, s, start); len(early) != 0 {
		t.Fatalf("due before anything happened: %+v", early)
	}
	at := w.at
	line := func(skip ...string) map[string]store.Delivery {
		t.Helper()
		out := map[string]store.Delivery{}
		for _, d := range dueDeliveries(t, s, at, skip...) {
			key := d.Notice.DeploymentID + " " + d.Destination
			if _, twice := out[key]; twice {
				t.Fatalf("two deliveries of %s are due", key)
			}
			out[key] = d
		}
		return out
	}
	all, ends := spec.ID+" "+topicAll, spec.ID+" "+topicEnds
	due := line()
	head := due[all]
	if len(due) != 3 || head.Notice.Moment != deploy.MomentCreated || head.Trigger != "all" || head.NoticeID != 1 || head.Tries != 0 || !head.CreatedAt.Equal(spec.CreatedAt) ||
		due[ends].Notice.Moment != deploy.MomentStopped {
		t.Fatalf("due are %+v", due)
	}
	if skipped := line(topicAll); len(skipped) != 1 || skipped[ends].ID == 0 {
		t.Fatalf("without %s there are %+v", topicAll, skipped)
	}
	if none := line(topicAll, topicEnds, "a", "b", "c", "d"); len(none) != 0 {
		t.Fatalf("with everything skipped there are %+v", none)
	}
	// A failure holds up its own line and nothing else.
	later := at.Add(time.Minute)
	must(t, s.DeliveryFailed(ctx, head.ID, later, "it is down"))
	if _, due := line()[all]; due {
		t.Fatal("a later delivery went before one that is tried again")
	}
	if next := must1[time.Time](t)(s.NextDelivery(ctx, at)); !next.Equal(later) {
		t.Fatalf("the next is due at %s, want %s", next, later)
	}
	at = later
	if d := line()[all]; d.ID != head.ID || d.Tries != 1 || d.Problem != "it is down" || !d.NotBefore.Equal(later) {
		t.Fatalf("tried again is %+v", d)
	}
	// One that is lost makes way for the next, and so does one that is done; an end twice told is one.
	must(t, s.DeliveryLost(ctx, head.ID, at, "too long"))
	must(t, s.DeliveryLost(ctx, head.ID, at, "too long"))
	must(t, s.DeliveryDone(ctx, head.ID))
	must(t, s.DeliveryFailed(ctx, head.ID, at, "no"))
	var moments []deploy.Moment
	for {
		d, ok := line()[all]
		if !ok {
			break
		}
		moments = append(moments, d.Notice.Moment)
		must(t, s.DeliveryDone(ctx, d.ID))
	}
	var happened []deploy.Moment
	for _, n := range logged(t, s, head.NoticeID, 0) {
		if n.DeploymentID == spec.ID && slices.ContainsFunc(n.Triggers, func(t deploy.Trigger) bool { return t.Name == "all" }) {
			happened = append(happened, n.Moment)
		}
	}
	if len(happened) < 2 || !slices.Equal(moments, happened) {
		t.Fatalf("then came %v, want %v", moments, happened)
	}
	if left := line(); len(left) != 2 {
		t.Fatalf("left are %+v", left)
	}
	lost := must1[[]store.LostDelivery](t)(s.LostDeliveries(ctx, account, 0, 10))
	equal(t, "the lost deliveries", lost, []store.LostDelivery{{
		ID: head.ID, Account: account, DeploymentID: spec.ID, Trigger: "all", Destination: topicAll, Tries: 2, CreatedAt: spec.CreatedAt, LostAt: at, Problem: "too long",
	}})
	if next := must1[time.Time](t)(s.NextDelivery(ctx, at)); !next.IsZero() {
		t.Fatalf("something is due at %s", next)
	}
}

// triggerTests holds that tests of triggers are queued without a place in the log.
func triggerTests(t *testing.T, s store.Store) {
	ctx := t.Context()
	d := store.Delivery{Notice: deploy.Notice{Account: account, Application: "shop", Group: "web", At: start}, Trigger: "x", Destination: topicAll, CreatedAt: start}
	must(t, s.AddDelivery(ctx, d))
	must(t, s.AddDelivery(ctx, d))
	due := dueDeliveries(t, s, start)
	if len(due) != 1 {
		t.Fatalf("due are %+v", due)
	}
	first := due[0].ID
	due[0].ID, d.NotBefore = 0, start
	equal(t, "the delivery", due[0], d)
	must(t, s.DeliveryDone(ctx, first))
	if due := dueDeliveries(t, s, start); len(due) != 1 || due[0].ID <= first {
		t.Fatalf("then due are %+v", due)
	}
	if n := logged(t, s, 0, 0); len(n) != 0 {
		t.Fatalf("the log has %+v", n)
	}
}

// lostDeliveries holds the list of what was given up: accounts apart, the latest first, in pages.
func lostDeliveries(t *testing.T, s store.Store) {
	ctx := t.Context()
	for i := range 6 {
		d := store.Delivery{Notice: deploy.Notice{Account: account}, Trigger: strconv.Itoa(i), Destination: topicAll + strconv.Itoa(i), CreatedAt: start}
		if i == 3 {
			d.Notice.Account = other
		}
		must(t, s.AddDelivery(ctx, d))
	}
	for _, d := range dueDeliveries(t, s, start) {
		must(t, s.DeliveryLost(ctx, d.ID, start.Add(time.Second), "gone"))
	}
	page := func(account string, before int64) (names []string, last int64) {
		t.Helper()
		for _, l := range must1[[]store.LostDelivery](t)(s.LostDeliveries(ctx, account, before, 3)) {
			names, last = append(names, l.Trigger), l.ID
		}
		return names, last
	}
	names, last := page(account, 0)
	equal(t, "the first page", names, []string{"5", "4", "2"})
	names, _ = page(account, last)
	equal(t, "the second page", names, []string{"1", "0"})
	names, _ = page(other, 0)
	equal(t, "another account's", names, []string{"3"})
	names, _ = page("", 0)
	equal(t, "anybody's", names, []string{"5", "4", "3"})
}

func noticeCursors(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, err := s.NoticeCursor(ctx, "ops")
	want(t, err, store.ErrNotFound)
	for _, c := range []store.NoticeCursor{
		{Name: "ops", After: 7, Tries: 2, Since: start, NotBefore: start.Add(time.Nanosecond)},
		{Name: "other", After: 1},
		{Name: "ops", After: 8},
	} {
		must(t, s.SetNoticeCursor(ctx, c))
		equal(t, "the cursor", must1[store.NoticeCursor](t)(s.NoticeCursor(ctx, c.Name)), c)
	}
}

// trimming holds that the log loses its oldest, in small steps, but nothing that a delivery needs and never its last notice.
func trimming(t *testing.T, s store.Store) {
	ctx := t.Context()
	w := newWorld(t, s, func(g deploy.Group) { seedGroup(t, s, g) })
	w.createSpec(w.spec(w.group(), deploy.KindInPlace)) // without triggers
	_, spec := triggered(t, s)
	spec.ID, spec.RollbackID, spec.CreatedAt = w.id(), w.id(), w.now()
	w.createSpec(spec)
	for range 8 {
		w.createSpec(w.spec(w.group(), deploy.KindInPlace))
	}
	all := logged(t, s, 0, 0)
	last := all[len(all)-1].ID
	trim := func(before time.Time, most int64, limit int) (removed int, first int64) {
		t.Helper()
		removed = must1[int](t)(s.TrimNotices(ctx, before, most, limit))
		first, l, err := s.NoticeBounds(ctx)
		if err != nil || l != last || len(logged(t, s, 0, 0)) != int(last-first)+1 {
			t.Fatalf("the log goes from %d to %d, %v", first, l, err)
		}
		return removed, first
	}
	if n, first := trim(all[0].At, 1000, 0); n != 0 || first != 1 {
		t.Fatalf("nothing is too old, and %d went: the first is %d", n, first)
	}
	due := dueDeliveries(t, s, w.at)
	if len(due) != 1 || due[0].NoticeID != 2 {
		t.Fatalf("due are %+v", due)
	}
	if n, first := trim(w.at.Add(time.Hour), 0, 0); n != 1 || first != 2 {
		t.Fatalf("%d went, and the first is %d, but a delivery needs 2", n, first)
	}
	must(t, s.DeliveryLost(ctx, due[0].ID, w.at, "gone"))
	if n, first := trim(start, last-3, 0); n != 2 || first != 4 {
		t.Fatalf("%d went, and the first is %d: too many were to go", n, first)
	}
	if n, first := trim(all[5].At, 1000, 1); n != 1 || first != 5 {
		t.Fatalf("%d went, and the first is %d: one was to go", n, first)
	}
	if n, first := trim(all[5].At, 1000, 100); n != 1 || first != 6 {
		t.Fatalf("%d went, and the first is %d: those before 6 were to go", n, first)
	}
	if n, _ := trim(w.at.Add(time.Hour), 0, 0); n != int(last)-6+1 { // a lost delivery is among them
		t.Fatalf("%d went, all but the last were to go", n)
	}
	if lost := must1[[]store.LostDelivery](t)(s.LostDeliveries(ctx, "", 0, 0)); len(lost) != 0 {
		t.Fatalf("lost deliveries outlive the time: %+v", lost)
	}
	w.createSpec(w.spec(w.group(), deploy.KindInPlace))
	if next := logged(t, s, last, 0); len(next) != 1 || next[0].ID != last+1 {
		t.Fatalf("then came %+v", next)
	}
}

// concurrentLog holds that whoever reads on from the last id misses nothing while others write.
func concurrentLog(t *testing.T, s store.Store) {
	w := newWorld(t, s, func(g deploy.Group) { seedGroup(t, s, g) })
	const writers, each = 4, 20
	var specs [writers][]deploy.Spec
	for i := range specs {
		for range each {
			specs[i] = append(specs[i], w.spec(w.group(), deploy.KindInPlace))
		}
	}
	done := make(chan error, writers)
	for _, mine := range specs {
		go func() {
			for _, spec := range mine {
				if err := s.Batch(context.Background(), func(b store.Batch) error { return b.Apply(context.Background(), deploy.New(spec)) }); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	seen, after, running := map[string]bool{}, int64(0), writers
	for {
		last := running == 0
		for _, n := range logged(t, s, after, 7) {
			after = n.ID
			seen[n.DeploymentID] = true
		}
		if last && len(logged(t, s, after, 1)) == 0 {
			break
		}
		select {
		case err := <-done:
			must(t, err)
			running--
		default:
		}
	}
	if len(seen) != writers*each {
		t.Fatalf("%d of %d were seen", len(seen), writers*each)
	}
}
