package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"

	"github.com/google/uuid"
)

// world moves deployments in a store by real events. It is used by one goroutine.
type world struct {
	t    testing.TB
	s    store.Deployments
	seed func(deploy.Group)
	at   time.Time
	ids  int
	// fails says which effects go wrong; nil: none.
	fails func(deploy.Effect) bool
}

func newWorld(t testing.TB, s store.Deployments, seed func(deploy.Group)) *world {
	return &world{t: t, s: s, seed: seed, at: start}
}

// now is a new time, later than all before.
func (w *world) now() time.Time {
	w.at = w.at.Add(time.Second + time.Nanosecond)
	return w.at
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// group makes a group that the store knows.
func (w *world) group() deploy.Group {
	g := group(deploy.Application{ID: uuid.NewString(), Account: account, Name: "app-" + uuid.NewString()}, "web")
	w.seed(g)
	return g
}

func (w *world) id() string {
	w.ids++
	return fmt.Sprintf("d-%09d", w.ids)
}

// spec is a deployment to be, keeping the originals for a day and rolling back on every occasion.
func (w *world) spec(g deploy.Group, kind deploy.Kind) deploy.Spec {
	s := deploy.Spec{
		ID: w.id(), RollbackID: w.id(), Account: g.Account, ApplicationID: g.ApplicationID, Application: g.Application, GroupID: g.ID, Group: g.Name,
		Kind: kind, Creator: deploy.CreatorUser, CreatedAt: w.now(), Description: "a test", Revision: revision("v1"),
		Config: "CodeDeployDefault.OneAtATime", MinimumHealthy: deploy.HealthyHosts{Type: deploy.MostConcurrency, Value: 1},
		AutoRollback: &deploy.AutoRollback{Enabled: true, Events: []string{deploy.RollbackOnFailure, deploy.RollbackOnRequest}},
	}
	if kind.Traffic() {
		s.LoadBalancer = &deploy.LoadBalancer{TargetGroups: []string{"web"}}
	}
	if kind.BlueGreen() {
		s.BlueGreen = &deploy.BlueGreenSettings{
			ReadyAction: deploy.ReadyStop, ReadyWaitMinutes: 60,
			TerminationAction: deploy.TerminationTerminate, TerminationWaitMinutes: 60,
		}
	}
	return s
}

func (w *world) create(g deploy.Group, kind deploy.Kind) string {
	w.t.Helper()
	spec := w.spec(g, kind)
	w.createSpec(spec)
	return spec.ID
}

func (w *world) createSpec(spec deploy.Spec) {
	w.t.Helper()
	w.check(w.apply(deploy.New(spec)))
}

func (w *world) apply(t deploy.Transition) error {
	ctx := context.Background()
	return w.s.Batch(ctx, func(b store.Batch) error { return b.Apply(ctx, t) })
}

func (w *world) read(id string) deploy.Deployment {
	w.t.Helper()
	d, err := w.s.Deployment(context.Background(), "", id)
	w.check(err)
	return d
}

// decide lets Step decide in a batch; the transition is not applied.
func decide(b store.Batch, id string, ev deploy.Event) (deploy.Transition, error) {
	ctx := context.Background()
	d, err := b.Deployment(ctx, id)
	if err != nil {
		return deploy.Transition{}, err
	}
	v, err := b.View(ctx, d, deploy.Needs(d, ev.What))
	if err != nil {
		return deploy.Transition{}, err
	}
	return deploy.Step(v, ev)
}

// step brings one event to a deployment in a batch of its own and returns what was applied. A refusal fails the test.
func (w *world) step(id string, what deploy.What) deploy.Transition {
	w.t.Helper()
	var t deploy.Transition
	err := w.s.Batch(context.Background(), func(b store.Batch) (err error) {
		if t, err = decide(b, id, deploy.Event{At: w.now(), What: what}); err != nil {
			return err
		}
		return b.Apply(context.Background(), t)
	})
	if err != nil {
		w.t.Fatalf("%T of %s: %v", what, id, err)
	}
	return t
}

// selected is n instances; every third is of rank 1.
func selected(prefix string, n int) []deploy.Selected {
	var out []deploy.Selected
	for i := range n {
		id := fmt.Sprintf("%s-%05d", prefix, i)
		out = append(out, deploy.Selected{ID: id, ARN: "arn:" + id, Host: "host:" + id, Rank: i % 3 / 2})
	}
	return out
}

// resolve answers the first effect of a deployment.
func (w *world) resolve(id string, originals, replacements int) {
	w.t.Helper()
	w.step(id, deploy.Resolved{Originals: selected("old", originals), Replacements: selected("new", replacements)})
}

// answer carries an effect out.
func (w *world) answer(e deploy.Effect) deploy.What {
	failed := w.fails != nil && w.fails(e)
	switch e.Key.Kind {
	case deploy.EffectCommand:
		d := deploy.Diagnostics{ErrorCode: deploy.DiagnosticsSuccess}
		if failed {
			d = deploy.Diagnostics{ErrorCode: "ScriptFailed", ScriptName: "s.sh", Message: "exit 1", LogTail: "[stderr]oh"}
		}
		return deploy.Completed{Target: e.Key.Target, Attempt: e.Command.Attempt, Succeeded: !failed, Diagnostics: d}
	case deploy.EffectTraffic:
		if failed {
			return deploy.TrafficRefused{Target: e.Key.Target, Generation: e.Traffic.Generation, Reason: "no such target group"}
		}
		return deploy.TrafficSettled{Target: e.Key.Target, Generation: e.Traffic.Generation}
	case deploy.EffectSplit:
		return deploy.SplitSettled{Generation: e.Split.Generation}
	case deploy.EffectTerminate:
		return deploy.Terminated{}
	default:
		panic("storetest: nothing answers " + string(e.Key.Kind))
	}
}

// effects are the outstanding ones of a deployment.
func (w *world) effects(id string) []deploy.Effect {
	w.t.Helper()
	all, err := w.s.Effects(context.Background())
	w.check(err)
	var out []deploy.Effect
	for _, e := range all {
		// A host is held and alarms are watched until the deployment is through; nobody answers.
		if e.Key.DeploymentID == id && e.Key.Kind != deploy.EffectHold && e.Key.Kind != deploy.EffectWatch {
			out = append(out, e)
		}
	}
	return out
}

// drive carries out a deployment's effects and wakes it until it waits for a time to come, or is over.
func (w *world) drive(id string) {
	w.t.Helper()
	for range 100_000 {
		d := w.read(id)
		if !d.State.WakeAt.IsZero() && !d.State.WakeAt.After(w.at) {
			w.step(id, deploy.Wake{})
			continue
		}
		effects := w.effects(id)
		if len(effects) == 0 {
			return
		}
		for _, e := range effects {
			w.step(id, w.answer(e))
		}
	}
	w.t.Fatalf("deployment %s goes on for ever", id)
}

// due is what is due at a time.
func (w *world) due(at time.Time, limit int) []store.Due {
	w.t.Helper()
	out, err := w.s.Due(context.Background(), at, limit)
	w.check(err)
	return out
}

func (w *world) targets(id string) []deploy.Target {
	w.t.Helper()
	out, err := w.s.Targets(context.Background(), id, store.TargetFilter{}, store.Page{})
	w.check(err)
	return out
}

func isBusy(err error, active string) bool {
	var busy *store.GroupBusyError
	return errors.As(err, &busy) && busy.Active == active
}
