package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// retentionTests are the tests of cleaning up.
var retentionTests = []struct {
	name string
	test func(*testing.T, store.Store)
}{
	{"old deployments", oldDeployments},
	{"what a group needs stays", neededDeployments},
	{"deployments go in small pieces", removedInPieces},
	{"history of groups that are gone", historyOfGone},
	{"old logs", oldLogs},
	{"old revisions", oldRevisions},
	{"revisions that are needed", neededRevisions},
	{"cleaning beside deployments", cleaningBeside},
}

func retentionOf(t *testing.T, s store.Store) store.Retention {
	t.Helper()
	r, ok := s.(store.Retention)
	if !ok {
		t.Fatalf("%T can't be cleaned up", s)
	}
	return r
}

// ended makes n deployments in place that have come to their end, the oldest first.
func (w *world) ended(g deploy.Group, n int) (ids []string) {
	w.t.Helper()
	for range n {
		id := w.create(g, deploy.KindInPlace)
		w.resolve(id, 2, 0)
		w.drive(id)
		if d := w.read(id); !d.State.Status.Terminal() {
			w.t.Fatalf("deployment %s is %s", id, d.State.Status)
		}
		ids = append(ids, id)
	}
	return ids
}

// olds is "id" or "id held" of each, with a + where it is beyond the newest.
func olds(all []store.OldDeployment) (out []string) {
	for _, d := range all {
		text := d.ID
		if d.Beyond {
			text += " +"
		}
		if d.Held != "" {
			text += " " + string(d.Held)
		}
		out = append(out, text)
	}
	return out
}

func oldDeployments(t *testing.T, s store.Store) {
	ctx, r := t.Context(), retentionOf(t, s)
	_, g := seeded(t, s)
	w := newWorld(t, s, func(deploy.Group) {})
	ids := w.ended(g, 6)
	old := func(before time.Time, newest int, p store.Page) []store.OldDeployment {
		t.Helper()
		return must1[[]store.OldDeployment](t)(r.OldDeployments(ctx, g.ID, before, newest, p))
	}
	equal(t, "no bound", old(time.Time{}, 0, store.Page{}), []store.OldDeployment(nil))
	equal(t, "as many as there are", old(time.Time{}, 6, store.Page{}), []store.OldDeployment(nil))
	equal(t, "beyond the newest four", olds(old(time.Time{}, 4, store.Page{})), []string{ids[0] + " +", ids[1] + " +"})
	third := w.read(ids[2])
	byAge := old(third.Spec.CreatedAt, 0, store.Page{})
	equal(t, "before the third", olds(byAge), []string{ids[0], ids[1]})
	equal(t, "before the third or beyond the newest five", olds(old(third.Spec.CreatedAt, 5, store.Page{})), []string{ids[0] + " +", ids[1]})
	equal(t, "before the second or beyond the newest three", olds(old(w.read(ids[1]).Spec.CreatedAt, 3, store.Page{})), []string{ids[0] + " +", ids[1] + " +", ids[2] + " +"})
	first := w.read(ids[0])
	equal(t, "what is told of one", byAge[0], store.OldDeployment{
		ID: ids[0], Account: g.Account, Cursor: byAge[0].Cursor, Group: g.Name, Application: g.Application, CreatedAt: first.Spec.CreatedAt, CompletedAt: first.State.CompletedAt,
	})
	page := old(w.now(), 0, store.Page{Limit: 2})
	equal(t, "a page", olds(page), []string{ids[0], ids[1]})
	equal(t, "the next page", olds(old(w.now(), 0, store.Page{Limit: 2, After: page[1].Cursor})), []string{ids[2], ids[3]})
	equal(t, "the groups", must1[[]string](t)(r.HistoryGroups(ctx, store.Page{Limit: 10})), []string{g.ID})
	equal(t, "the groups after the last", must1[[]string](t)(r.HistoryGroups(ctx, store.Page{After: g.ID, Limit: 10})), []string(nil))

	went := must1[store.RemovedDeployments](t)(r.RemoveDeployments(ctx, g.ID, []string{ids[0], "d-NONE", ids[1]}, 10_000))
	if went.Deployments != 2 || !went.Done || went.Rows < 20 {
		t.Fatalf("what went: %+v", went)
	}
	w.isGone(ids[0], ids[1])
	equal(t, "what is left to sweep up", must1[int](t)(r.SweepDeployments(ctx, 100)), 0)
	equal(t, "the list", olds(old(w.now(), 0, store.Page{}))[:2], []string{ids[2], ids[3]})
	if len(w.targets(ids[2])) != 2 {
		t.Error("a deployment that stays has lost targets")
	}
	if went := must1[store.RemovedDeployments](t)(r.RemoveDeployments(ctx, "another group", []string{ids[2]}, 100)); went.Deployments != 0 || !went.Done {
		t.Errorf("another group's deployment: %+v", went)
	}
}

// isGone holds that nothing is left of deployments.
func (w *world) isGone(ids ...string) {
	w.t.Helper()
	s := w.s.(store.Store)
	for _, id := range ids {
		_, err := s.Deployment(w.t.Context(), "", id)
		if !errors.Is(err, store.ErrNotFound) {
			w.t.Errorf("deployment %s: %v", id, err)
		}
		lines, err := s.Journal(w.t.Context(), id, 0, 0)
		w.check(err)
		logs, err := s.EventLog(w.t.Context(), store.EventLogQuery{DeploymentID: id})
		w.check(err)
		if targets := w.targets(id); len(targets)+len(lines)+len(logs) > 0 {
			w.t.Errorf("of deployment %s there are %d targets, %d lines of the journal and %d of the logs", id, len(targets), len(lines), len(logs))
		}
	}
}

func neededDeployments(t *testing.T, s store.Store) {
	ctx, r := t.Context(), retentionOf(t, s)
	_, g := seeded(t, s)
	w := newWorld(t, s, func(deploy.Group) {})
	ids := w.ended(g, 1)
	first := w.create(g, deploy.KindBlueGreen) // makes the group's instances
	w.resolve(first, 2, 2)
	w.drive(first)
	held := func() []string {
		t.Helper()
		return olds(must1[[]store.OldDeployment](t)(r.OldDeployments(ctx, g.ID, w.now(), 0, store.Page{})))
	}
	none := func(all ...string) {
		t.Helper()
		if went := must1[store.RemovedDeployments](t)(r.RemoveDeployments(ctx, g.ID, all, 10_000)); went.Deployments != 0 || went.Rows != 0 || !went.Done {
			t.Fatalf("what went: %+v", went)
		}
	}
	equal(t, "while it waits", held(), []string{ids[0] + " " + string(store.HeldByGroup), first + " " + string(store.HeldUnfinished)})
	none(ids[0], first)
	for _, wait := range []deploy.Wait{deploy.ReadyWait, deploy.TerminationWait} {
		w.step(first, deploy.Continue{Wait: wait, By: "me"})
		w.drive(first)
	}
	failed := w.create(g, deploy.KindInPlace)
	w.resolve(failed, 0, 0)
	equal(t, "after a success and a failure", held(), []string{ids[0], first + " " + string(store.HeldByGroup), failed + " " + string(store.HeldByGroup)})

	spec := w.spec(g, deploy.KindInPlace)
	spec.Previous = &deploy.Previous{DeploymentID: ids[0], Revision: revision("v0")}
	w.createSpec(spec)
	want := []string{
		ids[0] + " " + string(store.HeldByGroup), first + " " + string(store.HeldByGroup), failed, spec.ID + " " + string(store.HeldUnfinished),
	}
	equal(t, "while another one would go back to the first", held(), want)
	none(ids[0], first, spec.ID)
	w.resolve(spec.ID, 2, 0)
	none(ids[0], first, spec.ID)
	w.drive(spec.ID)
	if went := must1[store.RemovedDeployments](t)(r.RemoveDeployments(ctx, g.ID, []string{ids[0], first, failed, spec.ID}, 10_000)); went.Deployments != 1 {
		t.Fatalf("what went: %+v", went)
	}
	w.isGone(failed)
	w.read(first)
	w.read(ids[0])
}

func removedInPieces(t *testing.T, s store.Store) {
	ctx, r := t.Context(), retentionOf(t, s)
	_, g := seeded(t, s)
	w := newWorld(t, s, func(deploy.Group) {})
	id := w.create(g, deploy.KindInPlace)
	w.resolve(id, 40, 0)
	for target := range 10 {
		for n := range int64(3) {
			c := chunk(store.EventLogKey{DeploymentID: id, Target: fmt.Sprintf("old-%05d", target), Attempt: 1, Event: deploy.Install}, 5*n, 5)
			must1[int64](t)(s.AppendEventLog(ctx, c))
		}
	}
	w.drive(id)
	last := w.ended(g, 1)[0]
	before, rows := len(w.targets(id))+len(must1[[]deploy.Line](t)(s.Journal(ctx, id, 0, 0))), 0
	calls, done := 0, false
	for ; !done; calls++ {
		went := must1[store.RemovedDeployments](t)(r.RemoveDeployments(ctx, g.ID, []string{id, last}, 8))
		if went.Rows > 12 {
			t.Fatalf("one piece has %d rows", went.Rows)
		}
		rows, done = rows+went.Rows, went.Done
		d, err := s.Deployment(ctx, "", id)
		if (err == nil) == done || err == nil && len(w.targets(id)) != 40 {
			t.Fatalf("after %d calls the deployment is %+v, %v, and has %d targets", calls, d.State.Status, err, len(w.targets(id)))
		}
	}
	if calls != 6 { // 30 chunks, 10 logs, and the deployment
		t.Errorf("it took %d calls", calls)
	}
	for {
		n := must1[int](t)(r.SweepDeployments(ctx, 8))
		if n == 0 {
			break
		}
		if rows += n; n > 8 {
			t.Fatalf("one sweep removed %d rows", n)
		}
	}
	if want := before + 30 + 10 + 3; rows != want {
		t.Errorf("%d rows went, want %d", rows, want)
	}
	w.isGone(id)
	w.read(last)
}

func historyOfGone(t *testing.T, s store.Store) {
	ctx, r := t.Context(), retentionOf(t, s)
	_, g := seeded(t, s)
	w := newWorld(t, s, func(deploy.Group) {})
	id := w.ended(g, 1)[0]
	running := w.create(g, deploy.KindInPlace)
	must1[[]string](t)(s.DeleteApplication(ctx, account, "shop"))
	equal(t, "the groups", must1[[]string](t)(r.HistoryGroups(ctx, store.Page{})), []string{g.ID})
	got := olds(must1[[]store.OldDeployment](t)(r.OldDeployments(ctx, g.ID, w.now(), 0, store.Page{})))
	equal(t, "what nobody needs", got, []string{id, running + " " + string(store.HeldUnfinished)})
	went := must1[store.RemovedDeployments](t)(r.RemoveDeployments(ctx, g.ID, []string{id, running}, 1000))
	equal(t, "how many went", went.Deployments, 1)
	w.isGone(id)
	w.read(running)
}

func oldLogs(t *testing.T, s store.Store) {
	ctx, r := t.Context(), retentionOf(t, s)
	_, g := seeded(t, s)
	w := newWorld(t, s, func(deploy.Group) {})
	write := func(id string, chunks int) (bytes int64) {
		t.Helper()
		for n := range int64(chunks) {
			c := chunk(store.EventLogKey{DeploymentID: id, Target: "old-00000", Attempt: 1, Event: deploy.Install}, n, 1)
			must1[int64](t)(s.AppendEventLog(ctx, c))
			bytes += int64(len(c.Lines[0].Text)) + store.LogLineCost
		}
		return bytes
	}
	ended := w.create(g, deploy.KindInPlace)
	w.resolve(ended, 2, 0)
	size := write(ended, 5)
	w.drive(ended)
	running := w.create(g, deploy.KindInPlace)
	size2 := write(running, 3)

	all, end, err := r.OldLogs(ctx, 0, 100)
	must(t, err)
	d := w.read(ended)
	equal(t, "the logs", all, []store.OldLog{
		{DeploymentID: ended, Account: account, CreatedAt: d.Spec.CreatedAt, CompletedAt: d.State.CompletedAt, Bytes: size},
		{DeploymentID: running, Account: account, CreatedAt: w.read(running).Spec.CreatedAt, Bytes: size2},
	})
	piece, position, err := r.OldLogs(ctx, 0, 4)
	must(t, err)
	if len(piece) != 1 || piece[0].Bytes != size || position <= 0 || position >= end {
		t.Errorf("the first piece is %+v up to %d of %d", piece, position, end)
	}
	if rest, position, err := r.OldLogs(ctx, end, 4); err != nil || len(rest) != 0 || position != end {
		t.Errorf("after the end there is %+v, %d, %v", rest, position, err)
	}
	equal(t, "all bytes", must1[int64](t)(r.LogBytes(ctx)), size+size2)

	remove := func(id string, rows int) (int, int64) {
		t.Helper()
		n, bytes, err := r.RemoveLogs(ctx, id, rows)
		must(t, err)
		return n, bytes
	}
	if n, bytes := remove(running, 100); n != 0 || bytes != 0 {
		t.Errorf("of one that runs %d rows went, %d bytes", n, bytes)
	}
	var total int64
	var counts []int
	for {
		n, bytes := remove(ended, 2)
		if n == 0 {
			break
		}
		counts, total = append(counts, n), total+bytes
	}
	equal(t, "rows by call", counts, []int{2, 2, 2})
	equal(t, "bytes that went", total, size)
	equal(t, "all bytes then", must1[int64](t)(r.LogBytes(ctx)), size2)
	left, _, err := r.OldLogs(ctx, 0, 100)
	must(t, err)
	if len(left) != 1 || left[0].DeploymentID != running {
		t.Errorf("the logs then: %+v", left)
	}
	if n, _ := remove("d-NONE", 5); n != 0 {
		t.Errorf("of none %d rows went", n)
	}
}

func oldRevisions(t *testing.T, s store.Store) {
	ctx, r := t.Context(), retentionOf(t, s)
	a, _ := seeded(t, s)
	var all []deploy.Revision
	for n := range 5 {
		v := revision(fmt.Sprint("v", n))
		all = append(all, v)
		must(t, s.RegisterRevision(ctx, account, deploy.RegisteredRevision{ApplicationID: a.ID, Revision: v, RegisteredAt: start.Add(time.Duration(n) * time.Hour)}))
	}
	old := func(since time.Time, newest int, p store.Page) (out []string) {
		t.Helper()
		for _, v := range must1[[]store.OldRevision](t)(r.OldRevisions(ctx, a.ID, since, newest, p)) {
			text := v.Revision.S3.Key
			if v.Beyond {
				text += " +"
			}
			out = append(out, text)
		}
		return out
	}
	key := func(n int) string { return all[n].S3.Key }
	equal(t, "no bound", old(time.Time{}, 0, store.Page{}), []string(nil))
	equal(t, "out of use for long", old(start.Add(2*time.Hour), 0, store.Page{}), []string{key(0), key(1)})
	equal(t, "beyond the newest two", old(time.Time{}, 2, store.Page{}), []string{key(0) + " +", key(1) + " +", key(2) + " +"})
	equal(t, "either", old(start.Add(2*time.Hour), 4, store.Page{}), []string{key(0) + " +", key(1)})
	page := must1[[]store.OldRevision](t)(r.OldRevisions(ctx, a.ID, start.Add(9*time.Hour), 0, store.Page{Limit: 3}))
	equal(t, "the next page", old(start.Add(9*time.Hour), 0, store.Page{Limit: 3, After: page[2].Cursor}), []string{key(3), key(4)})
	equal(t, "what is told of one", page[1], store.OldRevision{
		Number: page[1].Number, Account: account, ApplicationID: a.ID, Application: a.Name, Revision: all[1], Cursor: page[1].Cursor, RegisteredAt: start.Add(time.Hour),
	})
	equal(t, "the applications", must1[[]string](t)(r.RevisionApplications(ctx, store.Page{Limit: 5})), []string{a.ID})

	went := must1[[]store.RemovedRevision](t)(r.RemoveRevisions(ctx, page[:2]))
	equal(t, "what went", went, []store.RemovedRevision{{Account: account, Revision: all[0]}, {Account: account, Revision: all[1]}})
	_, err := s.Revision(ctx, a.ID, all[0])
	want(t, err, store.ErrNotFound)
	equal(t, "what went again", must1[[]store.RemovedRevision](t)(r.RemoveRevisions(ctx, page[:2])), []store.RemovedRevision(nil))
	known := func(v deploy.Revision) bool { t.Helper(); return must1[bool](t)(r.RevisionKnown(ctx, v)) }
	another := all[2]
	another.S3 = new(*another.S3)
	another.S3.ETag = "other"
	if known(all[0]) || !known(all[2]) || !known(another) {
		t.Errorf("known: %t, %t, %t", known(all[0]), known(all[2]), known(another))
	}
	commit := deploy.Revision{Type: deploy.RevisionGitHub, GitHub: &deploy.GitHubLocation{Repository: "shop/web", CommitID: "abc"}}
	if known(commit) {
		t.Error("a commit is known before")
	}
	must(t, s.RegisterRevision(ctx, account, deploy.RegisteredRevision{ApplicationID: a.ID, Revision: commit, RegisteredAt: start}))
	if !known(commit) {
		t.Error("a commit is not known")
	}
}

func neededRevisions(t *testing.T, s store.Store) {
	ctx, r := t.Context(), retentionOf(t, s)
	a, g := seeded(t, s)
	w := newWorld(t, s, func(deploy.Group) {})
	deployed := func(name, previous string) string {
		spec := w.spec(g, deploy.KindInPlace)
		spec.Revision = revision(name)
		if previous != "" {
			spec.Previous = &deploy.Previous{DeploymentID: "d-gone", Revision: revision(previous)}
		}
		w.createSpec(spec)
		return spec.ID
	}
	finish := func(id string) {
		w.resolve(id, 2, 0)
		w.drive(id)
	}
	finish(deployed("v1", ""))
	finish(deployed("v2", "v1"))
	finish(deployed("v3", "v2"))
	must(t, s.RegisterRevision(ctx, account, deploy.RegisteredRevision{ApplicationID: a.ID, Revision: revision("v0"), RegisteredAt: start}))
	all := func() []store.OldRevision {
		t.Helper()
		return must1[[]store.OldRevision](t)(r.OldRevisions(ctx, a.ID, w.now(), 0, store.Page{}))
	}
	held := func() map[string]string {
		out := map[string]string{}
		for _, v := range all() {
			out[v.Revision.S3.Key] = string(v.Held)
		}
		return out
	}
	free, byGroup, unfinished := "", string(store.HeldByGroup), string(store.HeldUnfinished)
	equal(t, "after three deployments", held(), map[string]string{"shop/v0.zip": free, "shop/v1.zip": free, "shop/v2.zip": byGroup, "shop/v3.zip": byGroup})
	seen := all()
	running := deployed("v1", "v0")
	// The last success is still of the third, and could be gone back from to the second.
	equal(t, "while the first is deployed again", held(), map[string]string{"shop/v0.zip": unfinished, "shop/v1.zip": unfinished, "shop/v2.zip": byGroup, "shop/v3.zip": byGroup})
	equal(t, "what went", must1[[]store.RemovedRevision](t)(r.RemoveRevisions(ctx, all())), []store.RemovedRevision(nil))
	// What was read before must not go: it has come into use.
	first := slices.IndexFunc(seen, func(v store.OldRevision) bool { return v.Revision.S3.Key == "shop/v1.zip" })
	if seen[first].Held != "" {
		t.Fatalf("it was held before: %+v", seen[first])
	}
	equal(t, "what went of what was read before", must1[[]store.RemovedRevision](t)(r.RemoveRevisions(ctx, seen[first:first+1])), []store.RemovedRevision(nil))
	finish(running)
	equal(t, "after that", held(), map[string]string{"shop/v0.zip": byGroup, "shop/v1.zip": byGroup, "shop/v2.zip": free, "shop/v3.zip": free})
	went := must1[[]store.RemovedRevision](t)(r.RemoveRevisions(ctx, all()))
	equal(t, "what went then", went, []store.RemovedRevision{{Account: account, Revision: revision("v2")}, {Account: account, Revision: revision("v3")}})
}

// cleaningBeside holds that what is removed and what is created at the same time do not come in each other's way.
func cleaningBeside(t *testing.T, s store.Store) {
	ctx, r := t.Context(), retentionOf(t, s)
	_, g := seeded(t, s)
	w := newWorld(t, s, func(deploy.Group) {})
	ids := w.ended(g, 12)
	var done sync.WaitGroup
	for range 2 {
		done.Go(func() {
			for _, id := range ids[:10] {
				for over := false; !over; {
					went, err := r.RemoveDeployments(ctx, g.ID, []string{id}, 5)
					if err != nil {
						t.Error(err)
						return
					}
					over = went.Done
				}
				if _, err := r.SweepDeployments(ctx, 5); err != nil {
					t.Error(err)
				}
			}
		})
	}
	more := w.ended(g, 10)
	done.Wait()
	for {
		n := must1[int](t)(r.SweepDeployments(ctx, 100))
		if n == 0 {
			break
		}
	}
	w.isGone(ids[:10]...)
	for _, id := range slices.Concat(ids[10:], more) {
		if len(w.targets(id)) != 2 {
			t.Errorf("deployment %s has %d targets", id, len(w.targets(id)))
		}
	}
}
