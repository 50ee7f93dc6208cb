package upkeep_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/engine"
	"crossfade/internal/fleet"
	"crossfade/internal/store"
	"crossfade/internal/store/sqlite"
	"crossfade/internal/traffic"
	"crossfade/internal/upkeep"
)

const account = "1"

// clock is the wall's, moved on.
type clock struct{ ahead atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// agents runs every command at once, from a goroutine of its own.
type agents struct {
	t    *testing.T
	wg   sync.WaitGroup
	ask  func(ctx context.Context, id string, what deploy.What) (engine.Result, error)
	mu   sync.Mutex
	fail map[string]bool          // instances on which everything fails
	gate map[string]chan struct{} // instances whose commands wait until it is closed
	ran  []string                 // instance/event
}

// fails makes everything fail on an instance.
func (w *world) fails(instance string) {
	w.agents.mu.Lock()
	defer w.agents.mu.Unlock()
	w.agents.fail[instance] = true
}

// held makes the agent of an instance wait until the function is called.
func (w *world) held(instance string) (release func()) {
	gate := make(chan struct{})
	w.agents.mu.Lock()
	defer w.agents.mu.Unlock()
	w.agents.gate[instance] = gate
	return func() { close(gate) }
}

func (a *agents) Offer(e deploy.Effect) {
	if e.Key.Kind == deploy.EffectHold || e.Command.Acknowledged {
		return
	}
	a.mu.Lock()
	gate, fails := a.gate[e.Key.Target], a.fail[e.Key.Target]
	a.ran = append(a.ran, e.Key.Target+"/"+string(e.Command.Event))
	a.mu.Unlock()
	a.wg.Go(func() {
		if gate != nil {
			<-gate
		}
		ctx := context.Background()
		if _, err := a.ask(ctx, e.Key.DeploymentID, deploy.Acknowledged{Target: e.Key.Target, Attempt: e.Command.Attempt, Delivery: 1}); err != nil {
			return // superseded
		}
		done := deploy.Completed{Target: e.Key.Target, Attempt: e.Command.Attempt, Delivery: 1, Succeeded: !fails}
		var over *deploy.Refusal
		if _, err := a.ask(ctx, e.Key.DeploymentID, done); err != nil && !errors.As(err, &over) {
			a.t.Errorf("complete %s on %s: %v", e.Command.Event, e.Key.Target, err)
		}
	})
}

func (a *agents) Withdraw(deploy.EffectKey) {}

func (a *agents) Untaken(string) []string { return nil }

func (a *agents) HeldBy(deploy.EffectKey) string { return "" }

func (a *agents) Retain(func(deploy.EffectKey) bool) {}

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
	state := traffic.StateAbsent
	if b.serves(instance) {
		state = traffic.StateHealthy
	}
	return []traffic.Observed{{TargetGroup: groups[0], Instance: instance, State: state}}, nil
}

func (b *balancer) serves(instance string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.in[instance]
}

func (b *balancer) Changes() <-chan struct{} { return nil }

// scaling is the Auto Scaling groups of a cloud, with members and hooks.
type scaling struct {
	mu      sync.Mutex
	groups  map[string][]fleet.Member
	hooks   map[string][]fleet.Hook
	waits   []fleet.Waiting
	calls   []string
	refuse  map[string]error // what a call fails with
	sticky  bool             // an instance is listed at every hook until it waits at none, as AWS does it
	over    []fleet.Waiting  // waits that are over and still listed
	changes chan struct{}
}

var _ fleet.Driver = (*scaling)(nil)

func (s *scaling) call(format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if err := s.refuse[text]; err != nil {
		return err
	}
	s.calls = append(s.calls, text)
	return nil
}

// add makes a group without instances.
func (s *scaling) add(group string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups[group] = nil
}

// launch starts an instance, which waits at the launch hooks, or serves when there are none.
func (s *scaling) launch(group, name string) {
	s.move(group, name, fleet.MemberPendingWait, false)
}

// end begins the end of an instance.
func (s *scaling) end(group, name string) { s.move(group, name, fleet.MemberEndWait, true) }

func (s *scaling) move(group, name string, to fleet.MemberState, termination bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := fleet.Instance{Name: name, ARN: "arn:" + name, Host: "host:" + name}
	s.groups[group] = append(slices.DeleteFunc(s.groups[group], func(m fleet.Member) bool { return m.Name == name }), fleet.Member{Instance: i, State: to})
	for _, h := range s.hooks[group] {
		if h.Termination == termination {
			s.waits = append(s.waits, fleet.Waiting{Group: group, Hook: h, Instance: i})
		}
	}
	s.settle(group)
}

// settle moves on the members that wait at no hook.
func (s *scaling) settle(group string) {
	var left []fleet.Member
	for _, m := range s.groups[group] {
		waits := slices.ContainsFunc(s.waits, func(w fleet.Waiting) bool { return w.Group == group && w.Instance.Name == m.Name })
		switch {
		case waits:
		case m.State == fleet.MemberEndWait:
			continue
		default:
			m.State = fleet.MemberInService
		}
		left = append(left, m)
	}
	s.groups[group] = left
}

func (s *scaling) state(group, name string) fleet.MemberState {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.groups[group] {
		if m.Name == name {
			return m.State
		}
	}
	return ""
}

// took empties the list of calls.
func (s *scaling) took() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

func (s *scaling) refusing(call string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse[call] = err
}

func (s *scaling) Groups(_ context.Context, _ string, names []string) (out []fleet.Group, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range names {
		if members, ok := s.groups[n]; ok {
			out = append(out, fleet.Group{Name: n, Desired: len(members), Members: slices.Clone(members)})
		}
	}
	return out, nil
}

func (s *scaling) Find(ctx context.Context, account string, sel deploy.Selection) (out []fleet.Instance, err error) {
	groups, err := s.Groups(ctx, account, sel.AutoScalingGroups)
	for _, g := range groups {
		for _, m := range g.Members {
			if m.State == fleet.MemberInService {
				out = append(out, m.Instance)
			}
		}
	}
	slices.SortFunc(out, func(a, b fleet.Instance) int { return cmp.Compare(a.Name, b.Name) })
	return out, err
}

func (s *scaling) Lookup(_ context.Context, _ string, names []string) (out []fleet.Instance, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range names {
		for _, members := range s.groups {
			for _, m := range members {
				if m.Name == n {
					out = append(out, m.Instance)
				}
			}
		}
	}
	return out, nil
}

func (s *scaling) SetHook(_ context.Context, _, group string, h fleet.Hook) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.groups[group]; !ok {
		return fleet.ErrUnknownGroup
	}
	if !slices.Contains(s.hooks[group], h) {
		s.hooks[group] = append(s.hooks[group], h)
	}
	return s.call("set %s %s", group, h.Name)
}

func (s *scaling) RemoveHook(_ context.Context, _, group, hook string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks[group] = slices.DeleteFunc(s.hooks[group], func(h fleet.Hook) bool { return h.Name == hook })
	return s.call("remove %s %s", group, hook)
}

func (s *scaling) Waiting(_ context.Context, _ string, groups []string) (out []fleet.Waiting, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refuse["waiting"]; err != nil {
		return nil, err
	}
	for _, w := range s.waits {
		if slices.Contains(groups, w.Group) {
			out = append(out, w)
		}
	}
	return out, nil
}

func (s *scaling) Heartbeat(_ context.Context, _ string, w fleet.Waiting) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.call("heartbeat %s %s", w.Hook.Name, w.Instance.Name)
}

func (s *scaling) Complete(_ context.Context, _ string, w fleet.Waiting, proceed bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	word := map[bool]string{true: "proceed", false: "abandon"}[proceed]
	if err := s.call("%s %s %s", word, w.Hook.Name, w.Instance.Name); err != nil {
		return err
	}
	s.over = append(s.over, w)
	waits := func(x fleet.Waiting) bool { return x.Instance.Name == w.Instance.Name && !slices.Contains(s.over, x) }
	if !s.sticky || !slices.ContainsFunc(s.waits, waits) {
		s.waits = slices.DeleteFunc(s.waits, func(x fleet.Waiting) bool {
			return x.Instance.Name == w.Instance.Name && (!waits(x) || !proceed)
		})
	}
	if !proceed {
		s.groups[w.Group] = slices.DeleteFunc(s.groups[w.Group], func(m fleet.Member) bool { return m.Name == w.Instance.Name })
	}
	s.settle(w.Group)
	return nil
}

func (s *scaling) Changes() <-chan struct{} { return s.changes }

func (*scaling) Address(context.Context, string, string) (string, error) { return "127.0.0.1:1", nil }

func (*scaling) Terminate(context.Context, string, []string) ([]string, error) { return nil, nil }

func (s *scaling) Copy(_ context.Context, _, _, name string, size int) error {
	for i := range size {
		s.launch(name, fmt.Sprint(name, "-", i))
	}
	return nil
}

func (*scaling) Delete(context.Context, string, string) (bool, error) { return true, nil }

// world is a server with one application, whose groups the tests add.
type world struct {
	t       *testing.T
	store   *sqlite.Store
	engine  *engine.Service
	agents  *agents
	lb      *balancer
	scaling *scaling
	clock   *clock
	ids     atomic.Int64
	draws   []string // ids to be drawn next
	upkeep  *upkeep.Upkeep
	gone    atomic.Bool // the bundles of revisions are
}

// Prepare implements engine.Revisions.
func (w *world) Prepare(context.Context, string, deploy.Revision) (*deploy.ErrorInfo, error) {
	if w.gone.Load() {
		return &deploy.ErrorInfo{Code: deploy.CodeRevisionMissing, Message: "The bundle is gone."}, nil
	}
	return nil, nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := sqlite.Open(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	must(t, err)
	must(t, s.CreateApplication(t.Context(), deploy.Application{ID: "app", Account: account, Name: "shop", Platform: deploy.PlatformServer, CreatedAt: time.Now()}, 10))
	w := &world{
		t: t, store: s, clock: &clock{}, lb: &balancer{in: map[string]bool{}},
		agents:  &agents{t: t, fail: map[string]bool{}, gate: map[string]chan struct{}{}},
		scaling: &scaling{groups: map[string][]fleet.Member{}, hooks: map[string][]fleet.Hook{}, refuse: map[string]error{}, changes: make(chan struct{}, 1)},
	}
	w.engine, err = engine.Start(t.Context(), engine.Config{
		Store: s, Clock: w.clock, Agents: w.agents, Router: w.lb, Fleet: w.fleet(s), Scaling: w.scaling, Revisions: w, Log: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	w.agents.ask = w.engine.Do
	w.upkeep = w.another(w.engine)
	t.Cleanup(func() {
		w.agents.wg.Wait()
		w.engine.Stop()
		must(t, s.Close())
	})
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) fleet(registered fleet.Instances) fleet.Fleet {
	return fleet.Joined{Drivers: []fleet.Driver{w.scaling}, Rest: fleet.Registered{Instances: registered}}
}

func (w *world) id() string {
	if len(w.draws) > 0 {
		id := w.draws[0]
		w.draws = w.draws[1:]
		return id
	}
	return fmt.Sprintf("d-%09d", w.ids.Add(1))
}

// another is an Upkeep as a server has it after a start: it remembers nothing.
func (w *world) another(e upkeep.Engine) *upkeep.Upkeep { return w.anotherOn(w.scaling, e) }

func (w *world) anotherOn(s fleet.Scaling, e upkeep.Engine) *upkeep.Upkeep {
	return upkeep.New(w.config(s, e))
}

func (w *world) config(s fleet.Scaling, e upkeep.Engine) upkeep.Config {
	return upkeep.Config{
		Store: w.store, Engine: e, Fleet: w.fleet, Scaling: s, Clock: w.clock, NewID: w.id, Interval: time.Hour,
		Log: slog.New(slog.DiscardHandler), Configs: configs,
	}
}

func configs(_ context.Context, _, name string) (deploy.Config, error) {
	switch name {
	case "CodeDeployDefault.OneAtATime":
		return deploy.Config{Name: name, MinimumHealthy: &deploy.HealthyHosts{Type: deploy.MostConcurrency, Value: 1}}, nil
	case "Two":
		return deploy.Config{Name: name, MinimumHealthy: &deploy.HealthyHosts{Type: deploy.HostCount, Value: 2}}, nil
	default:
		return deploy.Config{}, store.ErrNotFound
	}
}

// group adds a group of registered instances with the tag "web".
func (w *world) group(change ...func(*deploy.Group)) deploy.Group {
	w.t.Helper()
	g := deploy.Group{
		ID: "group-" + w.id(), Account: account, ApplicationID: "app", Application: "shop", CreatedAt: time.Now(),
		Settings: deploy.GroupSettings{
			Config: "Two", Style: deploy.Style{Type: deploy.StyleInPlace, Option: deploy.WithoutTrafficCntrl},
			Selection: deploy.Selection{OnPremFilters: []deploy.TagFilter{{Key: "web", Type: deploy.KeyOnly}}},
		},
	}
	for _, c := range change {
		c(&g)
	}
	g.Name = cmp.Or(g.Name, g.ID)
	must(w.t, w.store.CreateGroup(w.t.Context(), g, 1000))
	return g
}

// scaled makes a group one of the instances of Auto Scaling groups, with hooks.
func scaled(names ...string) func(*deploy.Group) {
	return func(g *deploy.Group) {
		g.Settings.Selection = deploy.Selection{AutoScalingGroups: names}
		g.Settings.TerminationHook = true
		for _, n := range names {
			g.Settings.Hooks = append(g.Settings.Hooks, deploy.ScalingHook{AutoScalingGroup: n, Launch: "in-" + g.Name, Termination: "out-" + g.Name})
		}
	}
}

// host registers an instance with the tag "web", whose agent runs.
func (w *world) host(names ...string) {
	w.t.Helper()
	for _, name := range names {
		w.silentHost(name)
		must(w.t, w.store.SetInstanceAddress(w.t.Context(), account, name, "127.0.0.1"))
	}
}

func (w *world) silentHost(name string) {
	w.t.Helper()
	must(w.t, w.store.RegisterInstance(w.t.Context(), deploy.Instance{
		Account: account, Name: name, ARN: "arn:" + name, IAMUserARN: "host:" + name, RegisteredAt: time.Now(), Tags: map[string]string{"web": ""},
	}))
}

// start begins a user's deployment of a revision to all of a group.
func (w *world) start(g deploy.Group, key string) string {
	w.t.Helper()
	now := w.groupNow(g)
	spec := deploy.Spec{ID: w.id(), RollbackID: w.id(), Creator: deploy.CreatorUser, FileExists: "OVERWRITE"}
	spec.Revision = deploy.Revision{Type: deploy.RevisionS3, S3: &deploy.S3Location{Bucket: "b", Key: key, BundleType: "zip"}}
	spec.Take(now, deploy.Config{Name: "All", MinimumHealthy: &deploy.HealthyHosts{Type: deploy.HostCount}}, deploy.Spec{})
	_, err := w.engine.Create(w.t.Context(), spec)
	must(w.t, err)
	return spec.ID
}

func (w *world) deploy(g deploy.Group, key string) string {
	w.t.Helper()
	return w.ends(w.start(g, key), deploy.StatusSucceeded).Spec.ID
}

func (w *world) groupNow(g deploy.Group) deploy.Group {
	w.t.Helper()
	now, err := w.store.GroupByID(w.t.Context(), g.ID)
	must(w.t, err)
	return now
}

// ends waits for the end of a deployment.
func (w *world) ends(id string, status deploy.Status) deploy.Deployment {
	w.t.Helper()
	var d deploy.Deployment
	w.until(id+" is "+string(status), func() bool {
		var err error
		d, err = w.store.Deployment(w.t.Context(), account, id)
		must(w.t, err)
		if d.State.Status != status && d.State.Status.Terminal() {
			w.t.Fatalf("%s ended %s and not %s: %+v", id, d.State.Status, status, d.State.Error)
		}
		return d.State.Status == status
	})
	return d
}

func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("never: %s", what)
		}
	}
}

// made lists the group's deployments by upkeep, the oldest first.
func (w *world) made(g deploy.Group) []deploy.Deployment {
	w.t.Helper()
	entries, err := w.store.Deployments(w.t.Context(), account, store.DeploymentFilter{GroupID: g.ID}, store.Page{})
	must(w.t, err)
	var out []deploy.Deployment
	for _, e := range entries {
		d, err := w.store.Deployment(w.t.Context(), account, e.ID)
		must(w.t, err)
		if d.Spec.Creator != deploy.CreatorUser {
			out = append(out, d)
		}
	}
	slices.Reverse(out)
	return out
}

// one is the only deployment by upkeep.
func (w *world) one(g deploy.Group) deploy.Deployment {
	w.t.Helper()
	all := w.made(g)
	if len(all) != 1 {
		w.t.Fatalf("%d deployments were made, want one: %+v", len(all), all)
	}
	return all[0]
}

// round runs a pass, and says whether it did anything.
func (w *world) round() bool {
	w.t.Helper()
	acted, err := w.upkeep.RunOnce(w.t.Context())
	must(w.t, err)
	return acted
}

// follows is the next follow-up or hook deployment, the n-th from 0, when it has succeeded.
func (w *world) follows(g deploy.Group, n int) deploy.Deployment {
	w.t.Helper()
	w.round()
	all := w.made(g)
	if len(all) != n+1 {
		w.t.Fatalf("%d deployments were made, want %d", len(all), n+1)
	}
	return w.ends(all[n].Spec.ID, deploy.StatusSucceeded)
}

// idle holds that there is nothing to do.
func (w *world) idle() {
	w.t.Helper()
	if w.round() {
		w.t.Fatal("a pass with nothing to do did something")
	}
}
