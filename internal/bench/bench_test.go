package bench_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/bench"
	"crossfade/internal/config"
	"crossfade/internal/operator"
	"crossfade/internal/server"
	"crossfade/internal/sigv4"
)

var root = sigv4.Credential{AccessKeyID: "AKIDBENCH", SecretAccessKey: "bench-secret-bench-secret"}

// inside is a stage of servers in this process.
type inside struct {
	t    *testing.T
	keep bool // leave what was made: the server goes away

	mu     sync.Mutex
	opened int
	last   *process
}

// process is a server of this process. Its end is in good order: what a real kill does is held elsewhere.
type process struct {
	t       *testing.T
	options server.Options

	mu     sync.Mutex
	server *server.Server
}

func (p *process) ID() int { return os.Getpid() }

func (p *process) Start(ctx context.Context) error {
	s, err := server.Start(ctx, p.options)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = s
	p.options.Config.Listen = s.Addr() // the same one next time
	return nil
}

func (p *process) Kill() error { return p.stop(p.t.Context()) }

func (p *process) stop(ctx context.Context) error {
	p.mu.Lock()
	s := p.server
	p.server = nil
	p.mu.Unlock()
	if s == nil {
		return nil
	}
	// Held polls are answered, so the end takes no time of its own.
	return s.Stop(ctx)
}

func (p *process) Profile(context.Context) (func() error, error) {
	return func() error { return nil }, nil
}

func (s *inside) Open(ctx context.Context, n bench.Needs) (*bench.Installation, error) {
	c := config.Default()
	c.Listen, c.Data = "127.0.0.1:0", filepath.Join(s.t.TempDir(), "data")
	c.Agents.PollHold = 200 * time.Millisecond
	at := &bench.Installation{Region: c.Region, Credential: root, HTTP: http.DefaultClient, Keep: s.keep}
	if n.TargetGroups > 0 {
		c.LoadBalancer.TargetGroups = []config.TargetGroup{{Name: "web", DeregistrationDelay: time.Second}}
		at.TargetGroups = []string{"web"}
	}
	p := &process{t: s.t, options: server.Options{Config: c, Log: slog.New(slog.DiscardHandler), Version: "test", Root: root}}
	if err := p.Start(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	s.last = p
	at.Endpoint, at.Process = p.server.Endpoint(), p
	// Runs end here; the server stays until the test's end, for the test to look at.
	s.t.Cleanup(func() {
		if err := p.stop(context.WithoutCancel(s.t.Context())); err != nil {
			s.t.Error(err)
		}
	})
	at.Close = func(context.Context) error { return nil }
	return at, nil
}

func run(t *testing.T, stage bench.Stage, o bench.Options) *bench.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // far more than it needs
	defer cancel()
	o.Name = "bench-test"
	r, err := bench.Run(ctx, stage, o)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil || !strings.HasPrefix(text.String(), o.Scenario+": ") {
		t.Errorf("text %q, %v", text.String(), err)
	}
	return r
}

func figure(t *testing.T, r *bench.Report, name string) float64 {
	t.Helper()
	for _, f := range r.Figures {
		if f.Name == name {
			return f.Value
		}
	}
	t.Errorf("the report of %s has no figure %q: %+v", r.Scenario, name, r.Figures)
	return -1
}

func latency(t *testing.T, r *bench.Report, name string) bench.Latency {
	t.Helper()
	for _, l := range r.Latencies {
		if l.Name == name {
			if l.Failed > 0 || l.P50 > l.P90 || l.P90 > l.P99 || l.P99 > l.Max {
				t.Errorf("%s: %+v", name, l)
			}
			return l
		}
	}
	t.Errorf("the report of %s has no latency %q: %+v", r.Scenario, name, r.Latencies)
	return bench.Latency{}
}

func TestIdle(t *testing.T) {
	t.Parallel()
	r := run(t, &inside{t: t, keep: true}, bench.Options{Scenario: bench.ScenarioIdle, Hosts: 7, Settle: time.Millisecond, Window: 3 * time.Second})
	if n := latency(t, r, "PollHostCommand without work").Count; n < 7 {
		t.Errorf("%d polls by 7 hosts in several times the server's hold", n)
	}
	if figure(t, r, "polls that failed") != 0 {
		t.Error("polls failed")
	}
	if runtime.GOOS == "linux" && (figure(t, r, "server: resident memory") <= 0 || figure(t, r, "server: open connections") < 7) {
		t.Errorf("the process was not looked at: %+v", r.Figures)
	}
}

func TestFleet(t *testing.T) {
	t.Parallel()
	r := run(t, &inside{t: t, keep: true}, bench.Options{Scenario: bench.ScenarioFleet, Hosts: 6})
	if n := figure(t, r, "lifecycle events"); n != 6*7 {
		t.Errorf("%v lifecycle events on 6 hosts, want 7 on each", n)
	}
	for name, want := range map[string]int{
		"result taken to next command": 6 * 6, "GetDeploymentSpecification": 6, "PutHostCommandAcknowledgement": 6 * 7, "PutHostCommandComplete": 6 * 7,
	} {
		if n := latency(t, r, name).Count; n != want {
			t.Errorf("%s: %d, want %d", name, n, want)
		}
	}
}

func TestMany(t *testing.T) {
	t.Parallel()
	r := run(t, &inside{t: t, keep: true}, bench.Options{Scenario: bench.ScenarioMany, Deployments: 3})
	if figure(t, r, "deployments that did not succeed") != 0 || latency(t, r, "deployment: creation to end").Count != 3 {
		t.Errorf("%+v", r)
	}
}

func TestAPI(t *testing.T) {
	t.Parallel()
	r := run(t, &inside{t: t, keep: true}, bench.Options{Scenario: bench.ScenarioAPI, Clients: 3, Window: time.Nanosecond})
	if len(r.Latencies) != 7 {
		t.Errorf("%+v", r.Latencies)
	}
	for _, l := range r.Latencies {
		// The window is over at once: each calls once all the same.
		if l.Count != 3 || l.PerSecond <= 0 || latency(t, r, l.Name).Failed > 0 {
			t.Errorf("%+v", l)
		}
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	r := run(t, &inside{t: t, keep: true}, bench.Options{Scenario: bench.ScenarioRestart, Deployments: 2})
	if figure(t, r, "deployments that did not move") != 0 || figure(t, r, "deployments that did not succeed") != 0 {
		t.Errorf("%+v", r)
	}
	if latency(t, r, "restart to next command of a deployment").Count != 2 {
		t.Errorf("%+v", r.Latencies)
	}
	if figure(t, r, "start of the new process until all move") < figure(t, r, "ready until all move") {
		t.Errorf("the whole is shorter than its part: %+v", r.Figures)
	}
}

func TestGrowth(t *testing.T) {
	t.Parallel()
	stage := &inside{t: t, keep: true}
	r := run(t, stage, bench.Options{Scenario: bench.ScenarioGrowth, Hosts: 2, Factors: []int{1, 2}})
	if stage.opened != 2 || len(r.Growth) != 2 || r.Growth[1].Items != 4 {
		t.Fatalf("%d servers, %+v", stage.opened, r.Growth)
	}
	for _, s := range r.Growth {
		if len(s.PerOne) == 0 || len(s.PerOne) != len(r.Growth[0].PerOne) || s.Report == nil {
			t.Errorf("%+v", s)
		}
	}
	if got := r.Growth[0].PerOne[0]; got.Ratio != 1 || got.Value <= 0 {
		t.Errorf("the smallest step is not the measure: %+v", got)
	}
}

// TestGrowthOfRestarts holds that what grows may also be what is under way when the server is killed.
func TestGrowthOfRestarts(t *testing.T) {
	t.Parallel()
	r := run(t, &inside{t: t, keep: true}, bench.Options{Scenario: bench.ScenarioGrowth, Of: bench.ScenarioRestart, Deployments: 1, Factors: []int{1, 2}})
	if len(r.Growth) != 2 || r.Growth[1].Items != 2 || len(r.Growth[1].PerOne) != 1 || r.Growth[0].PerOne[0].Value <= 0 {
		t.Errorf("%+v", r.Growth)
	}
}

// TestNothingStaysOnAServerOfSomebodyElse holds that what a run makes is taken away, and that one without a process is not looked at.
func TestNothingStaysOnAServerOfSomebodyElse(t *testing.T) {
	t.Parallel()
	own := &inside{t: t}
	at, err := own.Open(t.Context(), bench.Needs{TargetGroups: 1})
	if err != nil {
		t.Fatal(err)
	}
	at.Process = nil
	r := run(t, bench.Reached{Installation: *at}, bench.Options{Scenario: bench.ScenarioMany, Deployments: 2})
	for _, f := range r.Figures {
		if strings.HasPrefix(f.Name, "server: ") {
			t.Errorf("the report has %q of a process that is not known", f.Name)
		}
	}
	client := &operator.Client{Endpoint: at.Endpoint, Region: at.Region, Credential: root, HTTP: http.DefaultClient, Now: time.Now}
	// All names are free again, or this fails.
	for _, name := range []string{"bench-test-h00000", "bench-test-h00007"} {
		if _, err := client.AddHost(t.Context(), operator.AddHostInput{Name: &name}); err != nil {
			t.Errorf("%s is still there: %v", name, err)
		}
		if err := client.RemoveHost(t.Context(), operator.RemoveHostInput{Name: &name}); err != nil {
			t.Error(err)
		}
	}
	run(t, bench.Reached{Installation: *at}, bench.Options{Scenario: bench.ScenarioFleet, Hosts: 1})
}

func TestWhatCannotBeMeasured(t *testing.T) {
	t.Parallel()
	own := &inside{t: t}
	at, err := own.Open(t.Context(), bench.Needs{})
	if err != nil {
		t.Fatal(err)
	}
	at.Process = nil
	for name, c := range map[string]struct {
		options bench.Options
		want    string
	}{
		"no target group":    {bench.Options{Scenario: bench.ScenarioMany}, "--target-group"},
		"not to be killed":   {bench.Options{Scenario: bench.ScenarioRestart}, "--start"},
		"no time":            {bench.Options{Scenario: bench.ScenarioIdle, Hosts: 1, Window: time.Hour, Settle: time.Millisecond, Limit: 2 * time.Second}, "idle has not ended after 2s"},
		"unknown scenario":   {bench.Options{Scenario: "sleep"}, `no scenario "sleep"`},
		"too many hosts":     {bench.Options{Scenario: bench.ScenarioIdle, Hosts: 1 << 20}, "outside of 0 to 50000"},
		"less than nothing":  {bench.Options{Scenario: bench.ScenarioAPI, Clients: -1}, "-1 clients"},
		"grows too much":     {bench.Options{Scenario: bench.ScenarioGrowth, Of: bench.ScenarioMany, Deployments: 11}, "100 times 11 deployments"},
		"restarts grow much": {bench.Options{Scenario: bench.ScenarioGrowth, Of: bench.ScenarioRestart, Deployments: 11}, "100 times 11 deployments"},
		"cannot grow":        {bench.Options{Scenario: bench.ScenarioGrowth, Of: bench.ScenarioGrowth}, `"growth" can't grow`},
		"shrinks":            {bench.Options{Scenario: bench.ScenarioGrowth, Factors: []int{10, 1}}, "ascend"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.options.Name = "bench-" + strings.ReplaceAll(name, " ", "-")
			if _, err := bench.Run(t.Context(), bench.Reached{Installation: *at}, c.options); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
