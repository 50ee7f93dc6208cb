package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/engine"
	"crossfade/internal/fleet"
	"crossfade/internal/store"
	"crossfade/internal/store/sqlite"
	"crossfade/internal/traffic"
)

type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

// agents runs every command at once, with success, from a goroutine of its own.
type agents struct {
	t    *testing.T
	mu   sync.Mutex
	ask  func(ctx context.Context, id string, what deploy.What) (engine.Result, error)
	wg   sync.WaitGroup
	ran  map[string]int
	hold map[deploy.EventName]chan struct{}
	// offered are the commands that have come.
	offered map[string]bool
	// number is that of every delivery, less one: no two mailboxes may have the same.
	number int64
}

func (a *agents) Offer(e deploy.Effect) {
	if e.Key.Kind == deploy.EffectHold || e.Command.Acknowledged || !a.first(e) {
		return
	}
	a.wg.Go(func() {
		ctx := context.Background()
		if c := a.hold[e.Command.Event]; c != nil {
			<-c
		}
		if _, err := a.ask(ctx, e.Key.DeploymentID, deploy.Acknowledged{Target: e.Key.Target, Attempt: e.Command.Attempt, Delivery: a.number + 1}); err != nil {
			return // superseded
		}
		a.mu.Lock()
		a.ran[fmt.Sprintf("%s/%s/%s", e.Key.DeploymentID, e.Key.Target, e.Command.Event)]++
		a.mu.Unlock()
		if _, err := a.ask(ctx, e.Key.DeploymentID, deploy.Completed{Target: e.Key.Target, Attempt: e.Command.Attempt, Delivery: a.number + 1, Succeeded: true}); err != nil {
			a.t.Errorf("complete %s on %s: %v", e.Command.Event, e.Key.Target, err)
		}
	})
}

// first reports whether a command was not offered before: as in the mailbox, the same offer twice changes nothing.
func (a *agents) first(e deploy.Effect) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.offered == nil {
		a.offered = map[string]bool{}
	}
	what := fmt.Sprintf("%v/%s/%d", e.Key, e.Command.Event, e.Command.Attempt)
	known := a.offered[what]
	a.offered[what] = true
	return !known
}

func (a *agents) Withdraw(deploy.EffectKey) {}

func (a *agents) HeldBy(deploy.EffectKey) string { return "" }

func (a *agents) Retain(func(deploy.EffectKey) bool) {}

func (a *agents) Untaken(string) []string { return nil }

// balancer is always as it was told to be.
type balancer struct {
	mu sync.Mutex
	in map[string]bool
}

func (b *balancer) Known(context.Context, []string) ([]string, error) { return nil, nil }

func (b *balancer) MakeSo(_ context.Context, w traffic.Want) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.in[w.Instance] = w.In
	return nil
}

func (b *balancer) WhatIsSo(_ context.Context, groups []string, instance string) ([]traffic.Observed, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	state := traffic.StateAbsent
	if b.in[instance] {
		state = traffic.StateHealthy
	}
	return []traffic.Observed{{TargetGroup: groups[0], Instance: instance, State: state}}, nil
}

func (b *balancer) Changes() <-chan struct{} { return nil }

// hosts finds instances by the only key of a filter.
type hosts map[string][]string

func (h hosts) Find(_ context.Context, _ string, s deploy.Selection) ([]fleet.Instance, error) {
	var found []fleet.Instance
	for _, name := range h[s.OnPremFilters[0].Key] {
		found = append(found, fleet.Instance{Name: name, ARN: name, Host: name})
	}
	return found, nil
}

func (h hosts) Lookup(_ context.Context, _ string, names []string) ([]fleet.Instance, error) {
	var found []fleet.Instance
	for _, name := range names {
		found = append(found, fleet.Instance{Name: name, ARN: name, Host: name})
	}
	return found, nil
}

func (hosts) Address(context.Context, string, string) (string, error) { return "127.0.0.1:1", nil }

func (hosts) Terminate(context.Context, string, []string) ([]string, error) { return nil, nil }

type world struct {
	*engine.Service
	store  *sqlite.Store
	agents *agents
	lb     *balancer
	spec   deploy.Spec
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx := t.Context()
	s, err := sqlite.Open(ctx, t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	app := deploy.Application{ID: "app-id", Account: "1", Name: "shop", Platform: deploy.PlatformServer, CreatedAt: time.Now()}
	if err := s.CreateApplication(ctx, app, 10); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateGroup(ctx, deploy.Group{ID: "group-id", Account: "1", ApplicationID: app.ID, Application: app.Name, Name: "prod", CreatedAt: time.Now()}, 10); err != nil {
		t.Fatal(err)
	}
	w := &world{store: s, agents: &agents{t: t, ran: map[string]int{}, hold: map[deploy.EventName]chan struct{}{}}, lb: &balancer{in: map[string]bool{"blue-1": true, "blue-2": true}}}
	w.Service, err = engine.Start(ctx, engine.Config{
		Store: s, Clock: wallClock{}, Agents: w.agents, Router: w.lb, Log: slog.New(slog.DiscardHandler),
		Fleet: hosts{"blue": {"blue-1", "blue-2"}, "green": {"green-1", "green-2"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.agents.ask = w.Do
	t.Cleanup(func() {
		w.agents.wg.Wait()
		w.Stop()
		w.Stop()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w.spec = deploy.Spec{
		ID: "d-TEST00001", RollbackID: "d-TEST00002", Account: "1", ApplicationID: app.ID, Application: app.Name, GroupID: "group-id", Group: "prod",
		Kind: deploy.KindBlueGreen, Creator: deploy.CreatorUser, Config: "CodeDeployDefault.AllAtOnce", MinimumHealthy: deploy.HealthyHosts{Type: deploy.FleetPercent},
		GroupSelection:  deploy.Selection{OnPremFilters: []deploy.TagFilter{{Key: "blue", Type: deploy.KeyOnly}}},
		TargetInstances: &deploy.Selection{OnPremFilters: []deploy.TagFilter{{Key: "green", Type: deploy.KeyOnly}}},
		BlueGreen:       &deploy.BlueGreenSettings{ReadyAction: deploy.ReadyStop, ReadyWaitMinutes: 60, TerminationAction: deploy.TerminationKeepAlive},
		LoadBalancer:    &deploy.LoadBalancer{TargetGroups: []string{"web"}},
		Revision:        deploy.Revision{Type: deploy.RevisionS3, S3: &deploy.S3Location{Bucket: "b", Key: "k", BundleType: "zip"}},
	}
	return w
}

// patience bounds each wait; it is no expectation.
const patience = time.Minute

// until waits for the deployment to be as wished.
func (w *world) until(t *testing.T, id string, ok func(deploy.Deployment) bool) deploy.Deployment {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		d, err := w.store.Deployment(t.Context(), "", id)
		if err != nil {
			t.Fatal(err)
		}
		if ok(d) {
			return d
		}
		if d.State.Status.Terminal() {
			t.Fatalf("%s ended %s: %+v", id, d.State.Status, d.State.Error)
		}
		if time.Now().After(end) {
			t.Fatalf("%s stays %s: %+v", id, d.State.Status, d.State)
		}
	}
}

// TestHundredContinues holds that of a hundred simultaneous ContinueDeployment calls one starts the rerouting, and the others get the
// refusal of the state after it.
func TestHundredContinues(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// Rerouting waits until all hundred have been answered.
	answered := make(chan struct{})
	w.agents.hold[deploy.BeforeAllowTraffic] = answered
	release := sync.OnceFunc(func() { close(answered) })
	t.Cleanup(release) // before that of the world, which waits for its agents
	if _, err := w.Create(t.Context(), w.spec); err != nil {
		t.Fatal(err)
	}
	w.until(t, w.spec.ID, deploy.Deployment.Ready)
	var wg sync.WaitGroup
	var mu sync.Mutex
	answers := map[deploy.Reason]int{}
	for i := range 100 {
		wg.Go(func() {
			_, err := w.Do(t.Context(), w.spec.ID, deploy.Continue{Wait: deploy.ReadyWait, By: fmt.Sprint("caller ", i)})
			var r *deploy.Refusal
			reason := deploy.Reason("")
			if errors.As(err, &r) {
				reason = r.Reason
			} else if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			answers[reason]++
		})
	}
	wg.Wait()
	if answers[""] != 1 || answers[deploy.ReasonNotReady] != 99 {
		t.Errorf("the answers were %v", answers)
	}
	release()
	d := w.until(t, w.spec.ID, func(d deploy.Deployment) bool { return d.State.Status == deploy.StatusSucceeded })
	if d.State.Overview.Succeeded != 4 {
		t.Errorf("the overview says %+v", d.State.Overview)
	}
	w.agents.wg.Wait()
	for what, n := range w.agents.ran {
		if n != 1 {
			t.Errorf("%s ran %d times", what, n)
		}
	}
	g, err := w.store.GroupByID(t.Context(), "group-id")
	if err != nil || g.Environment != w.spec.ID || g.LastSuccessful == nil || g.LastSuccessful.ID != w.spec.ID {
		t.Errorf("the group remembers %+v, %v", g, err)
	}
	if w.lb.in["blue-1"] || !w.lb.in["green-1"] {
		t.Errorf("in traffic: %v", w.lb.in)
	}
}

// TestOneDeploymentPerGroup holds the refusal of a second deployment, which names the first.
func TestOneDeploymentPerGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.Create(t.Context(), w.spec); err != nil {
		t.Fatal(err)
	}
	second := w.spec
	second.ID, second.RollbackID = "d-TEST00003", "d-TEST00004"
	_, err := w.Create(t.Context(), second)
	var busy *store.GroupBusyError
	if !errors.As(err, &busy) || busy.Active != w.spec.ID {
		t.Errorf("the second deployment: %v", err)
	}
	w.until(t, w.spec.ID, deploy.Deployment.Ready)
	if _, err := w.Do(t.Context(), w.spec.ID, deploy.Stop{By: "me"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Create(t.Context(), second); err != nil {
		t.Errorf("after the first one ended: %v", err)
	}
	w.until(t, second.ID, deploy.Deployment.Ready)
}

// TestUnknownDeployment holds the answer about a deployment that there is not.
func TestUnknownDeployment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.Do(t.Context(), "d-NOWHERE00", deploy.Stop{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// TestStoppedServiceAnswers holds that whoever comes after the end is told so.
func TestStoppedServiceAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Stop()
	if _, err := w.Do(t.Context(), "d-NOWHERE00", deploy.Stop{}); err == nil {
		t.Error("a stopped service took an event")
	}
}
