package deploy_test

import (
	"cmp"
	"errors"
	"slices"
	"testing"
	"time"

	"crossfade/internal/deploy"
)

// world keeps one deployment and its targets as a store would, with nothing around them.
type world struct {
	t       *testing.T
	now     time.Time
	d       deploy.Deployment
	targets []deploy.Target
	effects map[deploy.EffectKey]deploy.Effect
	lines   []deploy.Line
	notices []deploy.Notice
	group   *deploy.GroupChange
	learnt  []deploy.InstanceChange
	spawned *deploy.Transition
}

func blueGreen(change ...func(*deploy.Spec)) deploy.Spec {
	s := deploy.Spec{
		ID: "d-TEST00001", RollbackID: "d-TEST00002", GroupID: "g", Group: "prod", Kind: deploy.KindBlueGreen, Creator: deploy.CreatorUser,
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Config: "CodeDeployDefault.AllAtOnce",
		MinimumHealthy: deploy.HealthyHosts{Type: deploy.FleetPercent},
		BlueGreen: &deploy.BlueGreenSettings{
			ReadyAction: deploy.ReadyStop, ReadyWaitMinutes: 2880,
			TerminationAction: deploy.TerminationTerminate, TerminationWaitMinutes: 60,
		},
		LoadBalancer: &deploy.LoadBalancer{TargetGroups: []string{"web"}},
		Revision:     deploy.Revision{Type: deploy.RevisionS3, S3: &deploy.S3Location{Bucket: "b", Key: "k", BundleType: "zip"}},
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

func newWorld(t *testing.T, spec deploy.Spec) *world {
	t.Helper()
	w := &world{t: t, now: spec.CreatedAt, effects: map[deploy.EffectKey]deploy.Effect{}}
	w.apply(deploy.New(spec))
	return w
}

func (w *world) apply(tr deploy.Transition) {
	if tr.Empty() {
		return
	}
	w.d = tr.Deployment()
	if w.targets = append(w.targets, tr.NewTargets()...); len(tr.NewTargets()) > 0 {
		slices.SortFunc(w.targets, func(a, b deploy.Target) int { return cmp.Or(cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.ID, b.ID)) })
	}
	for _, changed := range tr.Targets() {
		for i := range w.targets {
			if w.targets[i].ID == changed.ID {
				w.targets[i] = changed
			}
		}
	}
	for _, k := range tr.Cleared() {
		delete(w.effects, k)
	}
	if tr.ClearAll() {
		for k := range w.effects {
			if k.Kind != deploy.EffectTraffic {
				delete(w.effects, k)
			}
		}
	}
	for _, e := range tr.Effects() {
		w.effects[e.Key] = e
	}
	if tr.SkipRest() {
		for i := range w.targets {
			if !w.targets[i].Status.Over() {
				w.targets[i].Status = deploy.TargetSkipped
			}
		}
	}
	w.lines = append(w.lines, tr.Journal()...)
	w.notices = append(w.notices, tr.Notices()...)
	w.learnt = append(w.learnt, tr.Instances()...)
	if tr.Group() != nil {
		w.group = tr.Group()
	}
	if tr.Spawn() != nil {
		w.spawned = tr.Spawn()
	}
}

// try brings an event and returns the reason of its refusal, or empty.
func (w *world) try(what deploy.What) deploy.Reason {
	w.t.Helper()
	n := deploy.Needs(w.d, what)
	v := deploy.View{Deployment: w.d}
	for _, t := range w.targets {
		if n.Target == t.ID {
			v.Target = &t
		}
		if len(v.Next) < n.Limit && t.Lane == n.Lane && t.Turn < n.Turn && (t.Status == deploy.TargetPending || t.Status == deploy.TargetReady) {
			v.Next = append(v.Next, t)
		}
	}
	tr, err := deploy.Step(v, deploy.Event{At: w.now, What: what})
	var r *deploy.Refusal
	if errors.As(err, &r) {
		if r.Text == "" {
			w.t.Errorf("%T is refused for %q without a sentence", what, r.Reason)
		}
		return r.Reason
	}
	if err != nil {
		w.t.Fatalf("%T: %v", what, err)
	}
	w.apply(tr)
	return ""
}

func (w *world) do(what deploy.What) {
	w.t.Helper()
	if r := w.try(what); r != "" {
		w.t.Fatalf("%T was refused: %s", what, r)
	}
}

func selected(ids ...string) []deploy.Selected {
	var out []deploy.Selected
	for _, id := range ids {
		out = append(out, deploy.Selected{ID: id, ARN: "arn:" + id, Host: "host:" + id})
	}
	return out
}

func (w *world) resolve() {
	w.t.Helper()
	w.do(deploy.Resolved{Originals: selected("blue-1", "blue-2"), Replacements: selected("green-1", "green-2")})
}

// pump lets the deployment's own wake-ups that are due now happen.
func (w *world) pump() {
	w.t.Helper()
	for w.d.State.Pump {
		w.do(deploy.Wake{})
	}
}

// answer lets every outstanding command and traffic order succeed, once each; it reports whether there was any. When fail names an event, that
// one fails.
func (w *world) answer(fail deploy.EventName) bool {
	w.t.Helper()
	w.pump()
	any := false
	for i := range w.targets {
		t := w.targets[i]
		if e, ok := w.effects[deploy.EffectKey{DeploymentID: w.d.Spec.ID, Target: t.ID, Kind: deploy.EffectCommand}]; ok {
			any = true
			w.do(deploy.Acknowledged{Target: t.ID, Attempt: e.Command.Attempt, Delivery: 1})
			if !w.targets[i].Running {
				continue // the deployment is ending and the command was dropped
			}
			w.do(deploy.Completed{Target: t.ID, Attempt: e.Command.Attempt, Delivery: 1, Succeeded: e.Command.Event != fail,
				Diagnostics: deploy.Diagnostics{ErrorCode: "ScriptFailed", ScriptName: "x.sh", Message: "exit 1"}})
		}
		if e, ok := w.effects[deploy.EffectKey{DeploymentID: w.d.Spec.ID, Target: t.ID, Kind: deploy.EffectTraffic}]; ok {
			any = true
			if t := w.targets[i]; t.Running && t.Current().Name == fail {
				w.do(deploy.TrafficRefused{Target: t.ID, Generation: e.Traffic.Generation, Reason: "no such target group"})
			} else {
				w.do(deploy.TrafficSettled{Target: t.ID, Generation: e.Traffic.Generation})
			}
		}
	}
	return any
}

// run lets everything succeed until the deployment waits or has ended.
func (w *world) run() {
	w.t.Helper()
	for w.answer("") {
	}
	w.pump()
}

func (w *world) target(id string) deploy.Target {
	w.t.Helper()
	for _, t := range w.targets {
		if t.ID == id {
			return t
		}
	}
	w.t.Fatalf("no target %s", id)
	return deploy.Target{}
}
