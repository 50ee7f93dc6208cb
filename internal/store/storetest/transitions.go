package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// RunTransitions runs the part of the suite that moves deployments. open returns an empty store that lives until the test ends, and a function
// that makes a group known to it.
func RunTransitions(t *testing.T, open func(t *testing.T) (store.Deployments, func(deploy.Group))) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, *world)
	}{
		{"a whole blue/green deployment", wholeLife},
		{"times to the nanosecond", nanoseconds},
		{"a batch that fails", batchFails},
		{"a batch sees its own writes", batchSeesItself},
		{"a version that moved on", conflict},
		{"a busy group", groupBusy},
		{"turns", turns},
		{"beside the group's own", beside},
		{"what a group knows of its instances", instanceStates},
		{"a rollback in the same commit", spawn},
		{"the rest is skipped", skipRest},
		{"the end clears all but traffic", clearAll},
		{"an effect replaces its key's older one", effectReplaced},
		{"candidates in order", candidateOrder},
		{"deadlines", deadlines},
		{"unknown rows", unknownRows},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, seed := open(t)
			c.test(t, newWorld(t, s, seed))
		})
	}
}

// wholeLife checks, in each pause of a deployment, that the rows agree with the tallies.
func wholeLife(t *testing.T, w *world) {
	id := w.create(w.group(), deploy.KindBlueGreen)
	w.resolve(id, 4, 3)
	agree := func(status deploy.Status) {
		t.Helper()
		d := w.read(id)
		if d.State.Status != status {
			t.Fatalf("the deployment is %s, want %s (%+v)", d.State.Status, status, d.State.Error)
		}
		counts := map[deploy.TargetStatus]int{}
		for _, x := range w.targets(id) {
			counts[x.Status]++
		}
		equal(t, "the overview", d.State.Overview, deploy.Counts{
			Pending: counts[deploy.TargetPending], InProgress: counts[deploy.TargetInProgress], Succeeded: counts[deploy.TargetSucceeded],
			Failed: counts[deploy.TargetFailed], Skipped: counts[deploy.TargetSkipped], Ready: counts[deploy.TargetReady],
		})
		lines, err := w.s.Journal(context.Background(), id, 0, 0)
		must(t, err)
		if int64(len(lines)) != d.State.Journal {
			t.Fatalf("%d lines, the deployment counts %d", len(lines), d.State.Journal)
		}
		for i, l := range lines {
			if l.Number != int64(i)+1 || l.Text == "" || l.At.IsZero() {
				t.Fatalf("line %d is %+v", i+1, l)
			}
		}
	}
	agree(deploy.StatusInProgress)
	w.drive(id)
	agree(deploy.StatusReady)
	w.step(id, deploy.Continue{Wait: deploy.ReadyWait, By: "me"})
	w.drive(id)
	agree(deploy.StatusInProgress)
	w.step(id, deploy.Continue{Wait: deploy.TerminationWait, By: "me"})
	w.drive(id)
	agree(deploy.StatusSucceeded)
	if e := w.effects(id); len(e) != 0 {
		t.Fatalf("effects outlive the deployment: %+v", e)
	}
	if at := must1[time.Time](t)(w.s.NextDue(context.Background())); !at.IsZero() {
		t.Fatalf("something is due at %s after the end", at)
	}
	for _, x := range w.targets(id) {
		for _, e := range x.Events {
			if e.Status != deploy.EventSucceeded || e.Diagnostics == nil {
				t.Fatalf("%s of %s is %+v", e.Name, x.ID, e)
			}
		}
	}
}

func nanoseconds(t *testing.T, w *world) {
	spec := w.spec(w.group(), deploy.KindBlueGreen)
	spec.Previous = &deploy.Previous{DeploymentID: "d-0", Revision: revision("v0"), FileExists: "RETAIN"}
	spec.TargetInstances = &deploy.Selection{OnPremFilters: []deploy.TagFilter{{Key: "k", Type: deploy.KeyOnly}}}
	w.createSpec(spec)
	equal(t, "the spec", w.read(spec.ID).Spec, spec)
	tr := w.step(spec.ID, deploy.Resolved{Originals: selected("old", 1), Replacements: selected("new", 2)})
	d := w.read(spec.ID)
	equal(t, "the state", d.State, tr.Deployment().State)
	if d.State.Version != 2 || !d.State.StartedAt.Equal(w.at) || d.State.StartedAt.Location() != time.UTC {
		t.Fatalf("version %d, started at %s, want 2 and %s", d.State.Version, d.State.StartedAt, w.at)
	}
	tr = w.step(spec.ID, deploy.Wake{})
	for _, changed := range tr.Targets() {
		got := must1[deploy.Target](t)(w.s.Target(context.Background(), spec.ID, changed.ID))
		equal(t, "the target", got, changed)
		if got.DueAt.IsZero() || !got.DueAt.Equal(changed.DueAt) {
			t.Fatalf("the target is due at %s, want %s", got.DueAt, changed.DueAt)
		}
	}
	lines := must1[[]deploy.Line](t)(w.s.Journal(context.Background(), spec.ID, 0, 0))
	equal(t, "the last line", lines[len(lines)-1], tr.Journal()[len(tr.Journal())-1])
}

func batchFails(t *testing.T, w *world) {
	ctx := context.Background()
	g, h := w.group(), w.group()
	id := w.create(g, deploy.KindInPlace)
	before := w.read(id)
	effects := w.effects(id)
	no := errors.New("no")
	created := w.spec(h, deploy.KindInPlace)
	err := w.s.Batch(ctx, func(b store.Batch) error {
		tr, err := decide(b, id, deploy.Event{At: w.now(), What: deploy.Resolved{Originals: selected("old", 3)}})
		must(t, err)
		must(t, b.Apply(ctx, tr))
		must(t, b.Apply(ctx, deploy.New(created)))
		return no
	})
	want(t, err, no)
	equal(t, "the deployment", w.read(id), before)
	equal(t, "its version", w.read(id).State.Version, before.State.Version)
	equal(t, "its effects", w.effects(id), effects)
	equal(t, "its targets", len(w.targets(id)), 0)
	_, err = w.s.Deployment(ctx, "", created.ID)
	want(t, err, store.ErrNotFound)
	w.createSpec(created) // neither the id nor the group is taken
	w.resolve(id, 3, 0)
}

// batchSeesItself brings two deployments from nothing to the end in one batch.
func batchSeesItself(t *testing.T, w *world) {
	ctx := context.Background()
	g, h := w.group(), w.group()
	first, second, third := w.spec(g, deploy.KindInPlace), w.spec(h, deploy.KindInPlace), w.spec(g, deploy.KindInPlace)
	must(t, w.s.Batch(ctx, func(b store.Batch) error {
		for _, spec := range []deploy.Spec{first, second} {
			must(t, b.Apply(ctx, deploy.New(spec)))
		}
		if err := b.Apply(ctx, deploy.New(third)); !isBusy(err, first.ID) {
			t.Fatalf("a second deployment of the group: %v", err)
		}
		for _, spec := range []deploy.Spec{first, second} {
			tr, err := decide(b, spec.ID, deploy.Event{At: w.now(), What: deploy.Resolved{Originals: selected("old", 2)}})
			must(t, err)
			must(t, b.Apply(ctx, tr))
		}
		for d := must1[deploy.Deployment](t)(b.Deployment(ctx, first.ID)); !d.State.Status.Terminal(); d = must1[deploy.Deployment](t)(b.Deployment(ctx, first.ID)) {
			what := deploy.What(deploy.Wake{})
			if !d.State.Pump {
				running := ""
				for _, x := range selected("old", 2) {
					v := must1[deploy.View](t)(b.View(ctx, d, deploy.Need{Target: x.ID}))
					if v.Target.Running {
						running = x.ID
						what = deploy.Completed{Target: x.ID, Attempt: v.Target.Attempt, Succeeded: true}
					}
				}
				if running == "" {
					t.Fatalf("nothing runs: %+v", d.State)
				}
			}
			tr, err := decide(b, first.ID, deploy.Event{At: w.now(), What: what})
			must(t, err)
			must(t, b.Apply(ctx, tr))
		}
		return b.Apply(ctx, deploy.New(third)) // now the group is free
	}))
	for id, status := range map[string]deploy.Status{first.ID: deploy.StatusSucceeded, second.ID: deploy.StatusInProgress, third.ID: deploy.StatusCreated} {
		if d := w.read(id); d.State.Status != status {
			t.Errorf("%s is %s, want %s", id, d.State.Status, status)
		}
	}
}

func conflict(t *testing.T, w *world) {
	ctx := context.Background()
	g, h := w.group(), w.group()
	id, beside := w.create(g, deploy.KindInPlace), w.create(h, deploy.KindInPlace)
	v := deploy.View{Deployment: w.read(id)}
	ev := deploy.Event{At: w.now(), What: deploy.Resolved{Originals: selected("old", 3)}}
	one, err := deploy.Step(v, ev)
	must(t, err)
	ev.What = deploy.Resolved{Originals: selected("late", 5)}
	two, err := deploy.Step(v, ev)
	must(t, err)
	must(t, w.s.Batch(ctx, func(b store.Batch) error {
		must(t, b.Apply(ctx, one))
		want(t, b.Apply(ctx, two), store.ErrConflict)
		want(t, b.Apply(ctx, one), store.ErrConflict)
		tr, err := decide(b, beside, deploy.Event{At: w.now(), What: deploy.Resolved{Originals: selected("old", 2)}})
		must(t, err)
		return b.Apply(ctx, tr) // the batch goes on
	}))
	want(t, w.apply(two), store.ErrConflict) // in another batch as well
	equal(t, "the deployment", w.read(id), one.Deployment())
	equal(t, "its targets", len(w.targets(id)), 3)
	equal(t, "the targets of the one beside", len(w.targets(beside)), 2)

	unknown := deploy.View{Deployment: v.Deployment}
	unknown.Deployment.Spec.ID = "d-none"
	tr, err := deploy.Step(unknown, ev)
	must(t, err)
	want(t, w.apply(tr), store.ErrConflict)
}

func groupBusy(t *testing.T, w *world) {
	g := w.group()
	id := w.create(g, deploy.KindInPlace)
	spec := w.spec(g, deploy.KindInPlace)
	for range 2 {
		if err := w.apply(deploy.New(spec)); !isBusy(err, id) {
			t.Fatalf("a second deployment of the group: %v", err)
		}
	}
	_, err := w.s.Deployment(context.Background(), "", spec.ID)
	want(t, err, store.ErrNotFound)
	w.resolve(id, 0, 0)
	w.createSpec(spec)
	spec = w.spec(w.group(), deploy.KindInPlace)
	spec.ID = id
	want(t, w.apply(deploy.New(spec)), store.ErrExists)
}

func spawn(t *testing.T, w *world) {
	ctx := context.Background()
	id := w.create(w.group(), deploy.KindBlueGreen)
	w.resolve(id, 2, 2)
	w.drive(id)
	w.step(id, deploy.Continue{Wait: deploy.ReadyWait, By: "me"})
	w.drive(id) // to the termination wait
	tr := w.step(id, deploy.Stop{By: "me"})
	if tr.Spawn() == nil {
		t.Fatal("the stop brings no rollback about")
	}
	back := w.read(id).State.Rollback.DeploymentID
	d := w.read(back)
	if d.Spec.Kind != deploy.KindBlueGreenRollback || d.Spec.RollbackOf != id || d.State.Version != 1 {
		t.Fatalf("the rollback is %+v", d)
	}
	if e := w.effects(back); len(e) != 1 || e[0].Key.Kind != deploy.EffectResolve {
		t.Fatalf("the rollback's effects are %+v", e)
	}
	if err := w.apply(deploy.New(w.spec(deploy.Group{ID: d.Spec.GroupID, Account: account, ApplicationID: d.Spec.ApplicationID}, deploy.KindInPlace))); !isBusy(err, back) {
		t.Fatalf("the group is not the rollback's: %v", err)
	}
	w.resolve(back, 2, 2)
	w.drive(back)
	if d := w.read(back); d.State.Status != deploy.StatusSucceeded {
		t.Fatalf("the rollback is %s: %+v", d.State.Status, d.State.Error)
	}
	equal(t, "lines of the rollback", must1[[]deploy.Line](t)(w.s.Journal(ctx, back, 0, 1))[0].Number, 1)
}

func skipRest(t *testing.T, w *world) {
	id := w.create(w.group(), deploy.KindInPlace)
	bystander := w.create(w.group(), deploy.KindInPlace)
	w.resolve(bystander, 5, 0)
	w.resolve(id, 5, 0)
	w.step(id, deploy.Wake{})
	first := w.effects(id)[0]
	w.step(id, deploy.Stop{By: "me"})
	w.step(id, deploy.Completed{Target: first.Key.Target, Attempt: first.Command.Attempt, Succeeded: true})
	for _, x := range w.targets(id) {
		if x.Status != deploy.TargetSkipped || !x.DueAt.IsZero() {
			t.Errorf("%s is %s and due at %s", x.ID, x.Status, x.DueAt)
		}
	}
	for _, x := range w.targets(bystander) {
		if x.Status != deploy.TargetPending {
			t.Errorf("%s of another deployment is %s", x.ID, x.Status)
		}
	}
	for _, d := range w.due(w.at.Add(1000*time.Hour), 100) {
		if d.DeploymentID == id {
			t.Errorf("still due: %+v", d)
		}
	}
}

// clearAll: a deployment that ends by the failure of AllowTraffic leaves the order to take the instance out of traffic again.
func clearAll(t *testing.T, w *world) {
	id := w.create(w.group(), deploy.KindBlueGreen)
	w.resolve(id, 2, 2)
	w.drive(id)
	w.fails = func(e deploy.Effect) bool { return e.Key.Kind == deploy.EffectTraffic && e.Traffic.In }
	w.step(id, deploy.Continue{Wait: deploy.ReadyWait, By: "me"})
	for range 10 {
		if w.read(id).State.Status.Terminal() {
			break
		}
		if d := w.read(id); d.State.Pump {
			w.step(id, deploy.Wake{})
			continue
		}
		for _, e := range w.effects(id) {
			if e.Traffic == nil || e.Traffic.In {
				w.step(id, w.answer(e))
			}
		}
	}
	e := w.effects(id)
	if len(e) != 1 || e[0].Key.Kind != deploy.EffectTraffic || e[0].Traffic.In || e[0].Key.Target == "" {
		t.Fatalf("after the end (%s) there is outstanding: %+v", w.read(id).State.Status, e)
	}
	w.step(id, deploy.TrafficSettled{Target: e[0].Key.Target, Generation: e[0].Traffic.Generation})
	equal(t, "outstanding after the order was carried out", len(w.effects(id)), 0)

	// One that is stopped before it began leaves nothing.
	early, beside := w.create(w.group(), deploy.KindInPlace), w.create(w.group(), deploy.KindInPlace)
	w.step(early, deploy.Stop{By: "me"})
	equal(t, "outstanding after an early end", len(w.effects(early)), 0)
	equal(t, "outstanding of the one beside", len(w.effects(beside)), 1)
}

func effectReplaced(t *testing.T, w *world) {
	id := w.create(w.group(), deploy.KindInPlace)
	w.resolve(id, 2, 0)
	w.step(id, deploy.Wake{})
	before := w.effects(id)
	if len(before) != 1 || before[0].Command == nil || before[0].Command.Acknowledged {
		t.Fatalf("outstanding: %+v", before)
	}
	w.step(id, deploy.Acknowledged{Target: before[0].Key.Target, Attempt: before[0].Command.Attempt, Delivery: 1<<40 + 1})
	after := w.effects(id)
	before[0].Command.Acknowledged = true
	equal(t, "outstanding after the acknowledgement", after, before)
	x := must1[deploy.Target](t)(w.s.Target(context.Background(), id, before[0].Key.Target))
	equal(t, "the delivery", x.Delivery, 1<<40+1)
	w.step(id, deploy.Completed{Target: x.ID, Attempt: x.Attempt, Delivery: x.Delivery, Succeeded: true})
	next := w.effects(id)
	if len(next) != 1 || next[0].Command.Event == before[0].Command.Event || next[0].Command.Acknowledged {
		t.Fatalf("outstanding after the completion: %+v", next)
	}
}

// candidateOrder: by rank and then id, of the lane, of a lower turn, Pending or Ready.
func candidateOrder(t *testing.T, w *world) {
	ctx := context.Background()
	id := w.create(w.group(), deploy.KindBlueGreen)
	w.resolve(id, 4, 6)
	next := func(n deploy.Need) (ids []string) {
		t.Helper()
		must(t, w.s.Batch(ctx, func(b store.Batch) error {
			v, err := b.View(ctx, must1[deploy.Deployment](t)(b.Deployment(ctx, id)), n)
			for _, x := range v.Next {
				ids = append(ids, x.ID)
			}
			return err
		}))
		return ids
	}
	green := func(n ...int) (ids []string) {
		for _, i := range n {
			ids = append(ids, fmt.Sprintf("new-%05d", i))
		}
		return ids
	}
	equal(t, "all replacements", next(deploy.Need{Lane: deploy.LaneReplacement, Turn: 1, Limit: 10}), green(0, 1, 3, 4, 2, 5))
	equal(t, "the first of them", next(deploy.Need{Lane: deploy.LaneReplacement, Turn: 1, Limit: 5}), green(0, 1, 3, 4, 2))
	equal(t, "none", next(deploy.Need{Lane: deploy.LaneReplacement, Turn: 1}), []string(nil))
	equal(t, "of turn 0", next(deploy.Need{Lane: deploy.LaneReplacement, Limit: 9}), []string(nil))
	equal(t, "originals", len(next(deploy.Need{Lane: deploy.LaneOriginal, Turn: 4, Limit: 9})), 4)
	equal(t, "another lane", next(deploy.Need{Lane: deploy.LaneInPlace, Turn: 4, Limit: 9}), []string(nil))

	w.step(id, deploy.Wake{}) // starts new-00000
	equal(t, "after a start", next(deploy.Need{Lane: deploy.LaneReplacement, Turn: 1, Limit: 9}), green(1, 3, 4, 2, 5))
	for e := w.effects(id)[0]; e.Key.Target == "new-00000"; e = w.effects(id)[0] {
		w.step(id, w.answer(e))
	}
	equal(t, "with one Ready, for this stage", next(deploy.Need{Lane: deploy.LaneReplacement, Turn: 1, Limit: 9}), green(3, 4, 2, 5))
	equal(t, "with one Ready, for a later one", next(deploy.Need{Lane: deploy.LaneReplacement, Turn: 3, Limit: 9}), green(0, 3, 4, 2, 5))
	equal(t, "the first two of it", next(deploy.Need{Lane: deploy.LaneReplacement, Turn: 3, Limit: 2}), green(0, 3))
}

func deadlines(t *testing.T, w *world) {
	ctx := context.Background()
	if at := must1[time.Time](t)(w.s.NextDue(ctx)); !at.IsZero() {
		t.Fatalf("an empty store has something due at %s", at)
	}
	a, b := w.create(w.group(), deploy.KindInPlace), w.create(w.group(), deploy.KindInPlace)
	w.resolve(a, 2, 0)
	pump := w.at
	w.resolve(b, 2, 0)
	equal(t, "due", w.due(w.at, 10), []store.Due{{DeploymentID: a, At: pump}, {DeploymentID: b, At: w.at}})
	equal(t, "due at the very time", w.due(pump, 10), []store.Due{{DeploymentID: a, At: pump}})
	equal(t, "due a nanosecond before", len(w.due(pump.Add(-1), 10)), 0)
	equal(t, "due, one of them", w.due(w.at, 1), []store.Due{{DeploymentID: a, At: pump}})
	if at := must1[time.Time](t)(w.s.NextDue(ctx)); !at.Equal(pump) || at.Location() != time.UTC {
		t.Fatalf("the next is due at %s, want %s", at, pump)
	}
	w.step(a, deploy.Wake{})
	target := w.effects(a)[0].Key.Target
	pickUp := w.at.Add(deploy.PickUpLimit)
	w.step(b, deploy.Wake{})
	if at := must1[time.Time](t)(w.s.NextDue(ctx)); !at.Equal(pickUp) {
		t.Fatalf("the next is due at %s, want %s", at, pickUp)
	}
	later := w.due(pickUp.Add(100*time.Hour), 0)
	equal(t, "everything due in the order of time", len(later), 4)
	equal(t, "the first", later[0], store.Due{DeploymentID: a, Target: target, At: pickUp})
	w.at = pickUp
	w.step(a, deploy.TargetDue{Target: target}) // and so it fails
	for _, d := range w.due(pickUp, 10) {
		if d.Target == target && d.DeploymentID == a {
			t.Fatalf("still due: %+v", d)
		}
	}
}

func unknownRows(t *testing.T, w *world) {
	ctx := context.Background()
	id := w.create(w.group(), deploy.KindInPlace)
	_, err := w.s.Deployment(ctx, "", "d-none")
	want(t, err, store.ErrNotFound)
	_, err = w.s.Target(ctx, id, "none")
	want(t, err, store.ErrNotFound)
	must(t, w.s.Batch(ctx, func(b store.Batch) error {
		_, err := b.Deployment(ctx, "d-none")
		want(t, err, store.ErrNotFound)
		v := must1[deploy.View](t)(b.View(ctx, must1[deploy.Deployment](t)(b.Deployment(ctx, id)), deploy.Need{Target: "none"}))
		if v.Target != nil {
			t.Fatalf("a target that does not exist is %+v", v.Target)
		}
		return b.Apply(ctx, deploy.Transition{}) // changes nothing
	}))
	equal(t, "the version", w.read(id).State.Version, 1)
}
