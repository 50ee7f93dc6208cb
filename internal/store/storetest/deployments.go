package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// groupMemory: what deployments write into their group.
func groupMemory(t *testing.T, s store.Store) {
	_, g := seeded(t, s)
	w := newWorld(t, s, func(deploy.Group) {})
	read := func() deploy.Group { return must1[deploy.Group](t)(s.GroupByID(t.Context(), g.ID)) }

	id := w.create(g, deploy.KindBlueGreen)
	got := read()
	if got.Active != id || got.LastAttempted == nil || got.LastAttempted.ID != id || got.LastSuccessful != nil || got.TargetRevision != nil {
		t.Fatalf("while it runs, the group remembers %+v", got)
	}
	w.resolve(id, 2, 2)
	w.drive(id)
	for _, wait := range []deploy.Wait{deploy.ReadyWait, deploy.TerminationWait} {
		w.step(id, deploy.Continue{Wait: wait, By: "me"})
		w.drive(id)
	}
	d := w.read(id)
	ref := deploy.DeploymentRef{ID: id, Status: deploy.StatusSucceeded, CreatedAt: d.Spec.CreatedAt, CompletedAt: d.State.CompletedAt}
	got = read()
	equal(t, "the last attempt", got.LastAttempted, ref)
	equal(t, "the last success", got.LastSuccessful, ref)
	equal(t, "the target revision", got.TargetRevision, revision("v1"))
	equal(t, "environment and active", []string{got.Environment, got.Active}, []string{id, ""})

	second := w.create(g, deploy.KindInPlace)
	w.resolve(second, 0, 0)
	got = read()
	if got.LastAttempted.ID != second || got.LastAttempted.Status != deploy.StatusFailed || got.LastSuccessful.ID != id || got.Environment != id {
		t.Fatalf("after a failure, the group remembers %+v", got)
	}
}

// groupGone: nothing can be created in a group that is gone, and what runs goes on.
func groupGone(t *testing.T, s store.Store) {
	_, g := seeded(t, s)
	w := newWorld(t, s, func(deploy.Group) {})
	id := w.create(g, deploy.KindInPlace)
	w.resolve(id, 2, 0)
	must1[[]string](t)(s.DeleteGroup(t.Context(), account, "shop", "web"))
	spec := w.spec(g, deploy.KindInPlace)
	want(t, w.apply(deploy.New(spec)), store.ErrNotFound)
	_, err := s.Deployment(t.Context(), "", spec.ID)
	want(t, err, store.ErrNotFound)
	w.drive(id)
	if d := w.read(id); d.State.Status != deploy.StatusSucceeded {
		t.Fatalf("the deployment is %s", d.State.Status)
	}
}

// rollbackOfDeleted: a deployment that is to be rolled back ends, with its rollback, although group and application were deleted meanwhile.
func rollbackOfDeleted(t *testing.T, s store.Store) {
	_, g := seeded(t, s)
	w := newWorld(t, s, func(deploy.Group) {})
	id := w.create(g, deploy.KindBlueGreen)
	w.resolve(id, 2, 2)
	w.drive(id)
	w.step(id, deploy.Continue{Wait: deploy.ReadyWait, By: "me"}) // some are in flight
	w.step(id, deploy.Stop{By: "me"})
	must1[[]string](t)(s.DeleteApplication(t.Context(), account, "shop"))
	w.drive(id)
	d := w.read(id)
	if d.State.Status != deploy.StatusStopped || d.State.Rollback == nil {
		t.Fatalf("the deployment is %s, its rollback %+v", d.State.Status, d.State.Rollback)
	}
	if back := w.read(d.State.Rollback.DeploymentID); back.State.Status != deploy.StatusCreated {
		t.Fatalf("the rollback is %s", back.State.Status)
	}
}

// hostileText: what agents report is kept as it is, whatever letters it has.
func hostileText(t *testing.T, s store.Store) {
	_, g := seeded(t, s)
	w := newWorld(t, s, func(deploy.Group) {})
	id := w.create(g, deploy.KindInPlace)
	w.resolve(id, 2, 0)
	w.step(id, deploy.Wake{})
	e := w.effects(id)[0]
	message := "a\x00b'; DROP TABLE target; --\u2028\n\U0001F600"
	w.step(id, deploy.Completed{Target: e.Key.Target, Attempt: e.Command.Attempt, Diagnostics: deploy.Diagnostics{ErrorCode: "ScriptFailed", Message: message, LogTail: message}})
	x := must1[deploy.Target](t)(s.Target(t.Context(), id, e.Key.Target))
	equal(t, "the diagnostics", *x.Events[0].Diagnostics, deploy.Diagnostics{ErrorCode: "ScriptFailed", Message: message, LogTail: message})
	found := false
	for _, l := range must1[[]deploy.Line](t)(s.Journal(t.Context(), id, 0, 0)) {
		found = found || strings.Contains(l.Text, message)
	}
	if !found {
		t.Fatal("no line of the journal has the message")
	}
}

func listDeployments(t *testing.T, s store.Store) {
	ctx := t.Context()
	a, g := seeded(t, s)
	h := group(a, "batch")
	must(t, s.CreateGroup(ctx, h, 10))
	w := newWorld(t, s, func(deploy.Group) {})
	var ids []string // the oldest first
	created := map[string]time.Time{}
	for i := range 12 {
		in := []deploy.Group{g, h}[i%2]
		spec := w.spec(in, deploy.KindInPlace)
		if i == 3 || i == 4 {
			spec.ExternalID = "ext"
		}
		if i == 7 {
			spec.CreatedAt = created[ids[6]] // two at the same time
		}
		w.createSpec(spec)
		ids, created[spec.ID] = append(ids, spec.ID), spec.CreatedAt
		if i < 10 {
			w.resolve(spec.ID, 0, 0) // fails
		}
	}
	w.resolve(ids[10], 2, 0) // InProgress; 11 stays Created
	pick := func(n ...int) []string {
		out := []string{}
		for _, i := range slices.Backward(n) {
			out = append(out, ids[i])
		}
		return out
	}
	all := pick(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
	for _, c := range []struct {
		name   string
		filter store.DeploymentFilter
		want   []string
	}{
		{"all", store.DeploymentFilter{}, all},
		{"an application", store.DeploymentFilter{ApplicationID: a.ID}, all},
		{"a group", store.DeploymentFilter{ApplicationID: a.ID, GroupID: g.ID}, pick(0, 2, 4, 6, 8, 10)},
		{"no group", store.DeploymentFilter{GroupID: "none"}, pick()},
		{"an external id", store.DeploymentFilter{ExternalID: "ext"}, pick(3, 4)},
		{"a status", store.DeploymentFilter{Statuses: []deploy.Status{deploy.StatusInProgress}}, pick(10)},
		{"two statuses", store.DeploymentFilter{Statuses: []deploy.Status{deploy.StatusInProgress, deploy.StatusFailed, deploy.StatusInProgress}}, pick(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)},
		{"two statuses of a group", store.DeploymentFilter{GroupID: h.ID, Statuses: []deploy.Status{deploy.StatusCreated, deploy.StatusFailed}}, pick(1, 3, 5, 7, 9, 11)},
		{"every status", store.DeploymentFilter{Statuses: deploy.Statuses()}, all},
		{"a time, both ends", store.DeploymentFilter{From: created[ids[2]], To: created[ids[4]]}, pick(2, 3, 4)},
		{"just after a time", store.DeploymentFilter{From: created[ids[9]].Add(1)}, pick(10, 11)},
		{"all of time", store.DeploymentFilter{From: time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), To: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}, all},
		{"long ago", store.DeploymentFilter{To: time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC)}, pick()},
		{"just before a time", store.DeploymentFilter{To: created[ids[1]].Add(-1)}, pick(0)},
		{"everything at once", store.DeploymentFilter{
			ApplicationID: a.ID, GroupID: h.ID, ExternalID: "ext", Statuses: []deploy.Status{deploy.StatusFailed}, From: created[ids[0]], To: created[ids[11]],
		}, pick(3)},
	} {
		for _, size := range []int{0, 1, 5} {
			got := []string{}
			p := store.Page{Limit: size}
			for {
				page := must1[[]store.DeploymentEntry](t)(s.Deployments(ctx, account, c.filter, p))
				for _, e := range page {
					got = append(got, e.ID)
				}
				if size == 0 || len(page) < size {
					break
				}
				p.After = page[len(page)-1].Cursor
			}
			equal(t, c.name, got, c.want)
		}
	}
	// What is created while a list is read does not disturb the reading.
	page := must1[[]store.DeploymentEntry](t)(s.Deployments(ctx, account, store.DeploymentFilter{}, store.Page{Limit: 4}))
	w.step(ids[11], deploy.Stop{By: "me"})
	w.create(h, deploy.KindInPlace)
	rest := must1[[]store.DeploymentEntry](t)(s.Deployments(ctx, account, store.DeploymentFilter{}, store.Page{After: page[3].Cursor}))
	equal(t, "the rest of the list", []string{rest[0].ID, rest[7].ID}, []string{ids[7], ids[0]})
	if _, err := s.Deployments(ctx, account, store.DeploymentFilter{}, store.Page{After: "nonsense"}); err == nil {
		t.Fatal("a place that is none is accepted")
	}
}

func listTargets(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, g := seeded(t, s)
	w := newWorld(t, s, func(deploy.Group) {})
	id := w.create(g, deploy.KindBlueGreen)
	w.resolve(id, 3, 3)
	w.step(id, deploy.Wake{})
	for _, c := range []struct {
		name   string
		filter store.TargetFilter
		want   []string
	}{
		{"all", store.TargetFilter{}, []string{"new-00000", "new-00001", "new-00002", "old-00000", "old-00001", "old-00002"}},
		{"a lane", store.TargetFilter{Lanes: []deploy.Lane{deploy.LaneOriginal}}, []string{"old-00000", "old-00001", "old-00002"}},
		{"a status", store.TargetFilter{Statuses: []deploy.TargetStatus{deploy.TargetInProgress}}, []string{"new-00000"}},
		{"both", store.TargetFilter{Statuses: []deploy.TargetStatus{deploy.TargetPending, deploy.TargetReady}, Lanes: []deploy.Lane{deploy.LaneReplacement, deploy.LaneInPlace}}, []string{"new-00001", "new-00002"}},
		{"neither", store.TargetFilter{Statuses: []deploy.TargetStatus{deploy.TargetFailed}}, []string{}},
	} {
		for _, size := range []int{0, 1, 2} {
			got := []string{}
			p := store.Page{Limit: size}
			for {
				page := must1[[]deploy.Target](t)(s.Targets(ctx, id, c.filter, p))
				for _, x := range page {
					got = append(got, x.ID)
				}
				if size == 0 || len(page) < size {
					break
				}
				p.After = page[len(page)-1].ID
			}
			equal(t, c.name, got, c.want)
		}
	}
	equal(t, "targets of no deployment", len(must1[[]deploy.Target](t)(s.Targets(ctx, "d-none", store.TargetFilter{}, store.Page{}))), 0)
}

func journals(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, g := seeded(t, s)
	w := newWorld(t, s, func(deploy.Group) {})
	id := w.create(g, deploy.KindInPlace)
	w.resolve(id, 2, 0)
	w.drive(id)
	all := must1[[]deploy.Line](t)(s.Journal(ctx, id, 0, 0))
	var paged []deploy.Line
	for {
		after := int64(0)
		if len(paged) > 0 {
			after = paged[len(paged)-1].Number
		}
		page := must1[[]deploy.Line](t)(s.Journal(ctx, id, after, 4))
		paged = append(paged, page...)
		if len(page) < 4 {
			break
		}
	}
	equal(t, "the journal in pages", paged, all)
	equal(t, "the journal of no deployment", len(must1[[]deploy.Line](t)(s.Journal(ctx, "d-none", 0, 0))), 0)
}

// unfinishedTargets: an instance's part in what is under way, and in nothing else.
func unfinishedTargets(t *testing.T, s store.Store) {
	_, g := seeded(t, s)
	w := newWorld(t, s, func(deploy.Group) {})
	finished := w.create(g, deploy.KindInPlace)
	w.resolve(finished, 2, 0)
	w.drive(finished)
	running := w.create(g, deploy.KindInPlace)
	w.resolve(running, 2, 0)
	all := must1[[]deploy.Target](t)(s.Targets(t.Context(), running, store.TargetFilter{}, store.Page{}))
	for _, target := range all {
		equal(t, "the unfinished targets of "+target.ID, must1[[]deploy.Target](t)(s.UnfinishedTargets(t.Context(), account, target.ID)), []deploy.Target{target})
	}
	for _, other := range [][2]string{{"999999999999", all[0].ID}, {account, "nobody"}} {
		if got := must1[[]deploy.Target](t)(s.UnfinishedTargets(t.Context(), other[0], other[1])); len(got) != 0 {
			t.Errorf("%v has %+v", other, got)
		}
	}
	w.drive(running)
	if got := must1[[]deploy.Target](t)(s.UnfinishedTargets(t.Context(), account, all[0].ID)); len(got) != 0 {
		t.Errorf("after the end there is %+v", got)
	}
}
