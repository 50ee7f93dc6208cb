package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/api"
	"crossfade/internal/auth"
	"crossfade/internal/awsjson"
	"crossfade/internal/clocktest"
	"crossfade/internal/deploy"
	"crossfade/internal/engine"
	"crossfade/internal/fleet"
	"crossfade/internal/store"
	"crossfade/internal/store/sqlite"
	"crossfade/internal/traffic"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

const (
	account = "123456789012"
	region  = "eu-central-1"
	role    = "arn:aws:iam::123456789012:role/CodeDeploy"
)

// world is the control API over a real store and a real engine that is moved by hand; the hosts, the load balancer and the clock are played.
type world struct {
	t       testing.TB
	store   store.Store
	sealer  *auth.Sealer
	engine  *steppedEngine
	handler *awsjson.Handler
	api     *api.Service
	router  *router
	agents  *agents
	clock   *clocktest.Clock
	account string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	s, err := sqlite.Open(context.Background(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{
		t: t, store: s, router: &router{in: map[string]bool{}}, agents: &agents{offers: map[deploy.EffectKey]deploy.Effect{}},
		clock: clocktest.At(time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)), account: account,
	}
	hosts := fleet.Registered{Instances: s}
	runner := engine.New(engine.Config{Store: s, Clock: w.clock, Agents: w.agents, Router: w.router, Fleet: hosts, Log: slog.New(slog.DiscardHandler)})
	if err := runner.Recover(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.engine = &steppedEngine{runner: runner}
	if w.sealer, err = auth.NewSealer(make([]byte, auth.KeySize), "GitHub tokens"); err != nil {
		t.Fatal(err)
	}
	w.api, err = api.New(api.Config{
		Store: s, Engine: w.engine, Fleet: hosts, Scaling: &scaling{}, Now: w.clock.Now, IDs: &counter{}, Region: region, TokenKey: []byte("0123456789abcdef"), Sealer: w.sealer,
		Caller: func(context.Context) api.Caller {
			return api.Caller{Account: w.account, ARN: "arn:aws:iam::" + w.account + ":user/tester"}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	// Strict: an exception that the operation does not declare becomes an InternalFailure, which no test expects.
	w.handler, err = awsjson.New(awsjson.Config{
		Services: []wire.Service{control.Describe(w.api)}, Log: slog.New(slog.NewTextHandler(testWriter{t}, nil)),
		NewRequestID: func() string { return "id" }, Explain: api.Explain, Strict: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// scaling has the Auto Scaling groups a and asg, and for one look the group brief.
type scaling struct{ brief atomic.Bool }

func (s *scaling) Groups(_ context.Context, _ string, names []string) (out []fleet.Group, err error) {
	for _, n := range names {
		if n == "a" || n == "asg" || n == "brief" && !s.brief.Swap(true) {
			out = append(out, fleet.Group{Name: n})
		}
	}
	return out, nil
}

func (*scaling) RemoveHook(_ context.Context, _, group, hook string) error {
	if group == "asg" {
		return fmt.Errorf("remove %s: not to be reached", hook)
	}
	return nil
}

type testWriter struct{ testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.Log(string(b))
	return len(b), nil
}

// call posts a body and returns the answer's exception (empty on success) and body.
func (w *world) call(operation, body string) (exception, answer string) {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", "CodeDeploy_20141006."+operation)
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	exception = rec.Header().Get("x-amzn-ErrorType")
	if (rec.Code == http.StatusOK) != (exception == "") {
		w.t.Errorf("%s answered %d with the exception %q", operation, rec.Code, exception)
	}
	return exception, rec.Body.String()
}

// must calls an operation that succeeds, and returns what a path of members leads to in its answer, as JSON.
func (w *world) must(operation, body string, path ...string) string {
	w.t.Helper()
	exception, answer := w.call(operation, body)
	if exception != "" {
		w.t.Fatalf("%s %s answered %s", operation, body, answer)
	}
	return dig(w.t, answer, path...)
}

func dig(t testing.TB, answer string, path ...string) string {
	t.Helper()
	for _, member := range path {
		var object map[string]json.RawMessage
		if err := json.Unmarshal([]byte(answer), &object); err != nil {
			t.Fatalf("%s has no member %s: %v", answer, member, err)
		}
		answer = string(object[member])
	}
	return answer
}

// text takes the quotes off a JSON string.
func text(t testing.TB, quoted string) string {
	t.Helper()
	var s string
	if err := json.Unmarshal([]byte(quoted), &s); err != nil {
		t.Fatalf("%s is no string: %v", quoted, err)
	}
	return s
}

// Preview implements api.Engine.
func (e *steppedEngine) Preview(ctx context.Context, spec deploy.Spec) (deploy.Resolved, error) {
	return e.runner.Preview(ctx, spec)
}

// steppedEngine is the engine's door: an event is decided when it comes, and nothing else happens.
type steppedEngine struct {
	mu     sync.Mutex
	runner *engine.Runner
}

func (e *steppedEngine) Create(ctx context.Context, spec deploy.Spec) (engine.Result, error) {
	return e.wait(ctx, e.runner.SubmitNew(spec))
}

func (e *steppedEngine) Do(ctx context.Context, id string, what deploy.What) (engine.Result, error) {
	return e.wait(ctx, e.runner.Submit(id, what))
}

func (e *steppedEngine) wait(ctx context.Context, reply <-chan engine.Reply) (engine.Result, error) {
	for {
		select {
		case r := <-reply:
			return r.Result, r.Err
		default:
		}
		e.mu.Lock()
		_, err := e.runner.RunOnce(ctx)
		e.mu.Unlock()
		if err != nil {
			return engine.Result{}, fmt.Errorf("run: %w", err)
		}
	}
}

// run lets everything happen that can happen now.
func (w *world) run() {
	w.t.Helper()
	quiet := 0
	for range 400 {
		worked, err := w.engine.runner.RunOnce(context.Background())
		if err != nil {
			w.t.Fatal(err)
		}
		w.engine.runner.CarryOnce(context.Background(), true, nil)
		if w.agents.answering {
			worked = w.answer() || worked
		}
		// What an effect came to is an event of the next round.
		if quiet++; worked {
			quiet = 0
		}
		if quiet == 3 {
			return
		}
	}
	w.t.Fatal("the deployments do not come to rest")
}

// answer lets the agents carry out what is offered, and reports whether there was anything.
func (w *world) answer() bool {
	offers := w.agents.take()
	for _, e := range offers {
		w.answerOne(e)
	}
	return len(offers) > 0
}

// answerOne lets an agent carry out one command.
func (w *world) answerOne(e deploy.Effect) {
	ok := w.agents.fails != e.Command.Event
	code := deploy.DiagnosticsSuccess
	if !ok {
		code = "ScriptFailed"
	}
	_, err := w.engine.Do(context.Background(), e.Key.DeploymentID, deploy.Completed{
		Target: e.Key.Target, Attempt: e.Command.Attempt, Succeeded: ok, Diagnostics: deploy.Diagnostics{ErrorCode: code},
	})
	// While one agent answers, the deployment may end for another.
	var refusal *deploy.Refusal
	if err != nil && !errors.As(err, &refusal) {
		w.t.Fatal(err)
	}
}

// agents are the hosts: they answer at once when they answer at all.
type agents struct {
	mu        sync.Mutex
	offers    map[deploy.EffectKey]deploy.Effect
	answering bool
	fails     deploy.EventName // this event fails everywhere
}

func (a *agents) Offer(e deploy.Effect) {
	if e.Key.Kind == deploy.EffectHold {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.offers[e.Key] = e
}

func (a *agents) Withdraw(k deploy.EffectKey) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.offers, k)
}

func (a *agents) HeldBy(deploy.EffectKey) string { return "" }

func (a *agents) Retain(func(deploy.EffectKey) bool) {}

func (a *agents) Untaken(string) []string { return nil }

func (a *agents) take() []deploy.Effect {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []deploy.Effect
	for _, e := range a.offers {
		out = append(out, e)
	}
	return out
}

// router is a load balancer that obeys at once, unless it is stuck.
type router struct {
	mu    sync.Mutex
	in    map[string]bool
	stuck bool // wishes are recorded and never fulfilled
}

func (r *router) Known(context.Context, []string) ([]string, error) { return nil, nil }

func (r *router) MakeSo(_ context.Context, want traffic.Want) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stuck {
		r.in[want.Instance] = want.In
	}
	return nil
}

func (r *router) WhatIsSo(_ context.Context, groups []string, instance string) ([]traffic.Observed, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	state := traffic.StateAbsent
	switch {
	case r.stuck:
		state = traffic.StateInitial
	case r.in[instance]:
		state = traffic.StateHealthy
	}
	var out []traffic.Observed
	for _, g := range groups {
		out = append(out, traffic.Observed{TargetGroup: g, Instance: instance, State: state})
	}
	return out, nil
}

func (r *router) Changes() <-chan struct{} { return nil }

func (r *router) setStuck(stuck bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stuck = stuck
}

// counter draws ids that never repeat.
type counter struct{ n atomic.Int64 }

func (c *counter) UUID() string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", c.n.Add(1)) }

func (c *counter) Letters(n int) string { return fmt.Sprintf("%0*d", n, c.n.Add(1)) }

const (
	bundle = `{"revisionType":"S3","s3Location":{"bucket":"bundles","key":"shop.zip","bundleType":"zip"}}`
	style  = `"deploymentStyle":{"deploymentType":"BLUE_GREEN","deploymentOption":"WITH_TRAFFIC_CONTROL"},"loadBalancerInfo":{"targetGroupInfoList":[{"name":"web"}]}`
)

// blueGreenBlock is a blueGreenDeploymentConfiguration.
func blueGreenBlock(ready string, readyWait int, end string, endWait int) string {
	return fmt.Sprintf(`"blueGreenDeploymentConfiguration":{"deploymentReadyOption":{"actionOnTimeout":%q,"waitTimeInMinutes":%d},
		"terminateBlueInstancesOnDeploymentSuccess":{"action":%q,"terminationWaitTimeInMinutes":%d},
		"greenFleetProvisioningOption":{"action":"DISCOVER_EXISTING"}}`, ready, readyWait, end, endWait)
}

// stock makes applications of each platform, an in-place and a blue/green group, a config, and two instances of each colour.
func (w *world) stock(block string) {
	w.t.Helper()
	w.must("CreateApplication", `{"applicationName":"shop","tags":[{"Key":"team","Value":"a"}]}`)
	w.must("CreateApplication", `{"applicationName":"fn","computePlatform":"Lambda"}`)
	w.must("CreateApplication", `{"applicationName":"tasks","computePlatform":"ECS"}`)
	w.must("CreateDeploymentConfig", `{"deploymentConfigName":"mine","minimumHealthyHosts":{"type":"HOST_COUNT","value":0}}`)
	w.must("CreateDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"flat","serviceRoleArn":"`+role+`","deploymentConfigName":"mine",
		"onPremisesInstanceTagFilters":[{"Key":"colour","Value":"blue","Type":"KEY_AND_VALUE"}]}`)
	w.must("CreateDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"prod","serviceRoleArn":"`+role+`",
		"deploymentConfigName":"CodeDeployDefault.AllAtOnce",`+style+`,`+block+`,
		"onPremisesInstanceTagFilters":[{"Key":"colour","Value":"blue","Type":"KEY_AND_VALUE"}]}`)
	w.must("CreateDeploymentGroup", `{"applicationName":"fn","deploymentGroupName":"alias","serviceRoleArn":"`+role+`"}`)
	for _, name := range []string{"blue-1", "blue-2", "green-1", "green-2"} {
		w.must("RegisterOnPremisesInstance", `{"instanceName":"`+name+`","iamUserArn":"arn:aws:iam::123456789012:user/`+name+`"}`)
		colour, _, _ := strings.Cut(name, "-")
		w.must("AddTagsToOnPremisesInstances", `{"instanceNames":["`+name+`"],"tags":[{"Key":"colour","Value":"`+colour+`"},{"Key":"crossfade:address","Value":"127.0.0.2"}]}`)
	}
}

// deployTo creates a deployment of the stock's application and returns its id.
func (w *world) deployTo(group string) string {
	w.t.Helper()
	green := ""
	if group == "prod" {
		green = `,"targetInstances":{"tagFilters":[{"Key":"colour","Value":"green","Type":"KEY_AND_VALUE"}]}`
	}
	return text(w.t, w.must("CreateDeployment", `{"applicationName":"shop","deploymentGroupName":"`+group+`","revision":`+bundle+green+`}`, "deploymentId"))
}

func (w *world) status(id string) string {
	w.t.Helper()
	return text(w.t, w.must("GetDeployment", `{"deploymentId":"`+id+`"}`, "deploymentInfo", "status"))
}

// refused calls an operation that answers with an exception, named without its suffix.
func (w *world) refused(operation, body, want string) {
	w.t.Helper()
	if exception, answer := w.call(operation, body); exception != want+"Exception" {
		w.t.Errorf("%s %.300s answered %s, want %s", operation, body, answer, want)
	}
}
