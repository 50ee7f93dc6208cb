package test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"crossfade/internal/agent/control"
	"crossfade/internal/sigv4"
)

// logGroup makes the group prod of the application shop over the hosts of an environment, without a load balancer.
func (s *stand) logGroup(env string) {
	s.t.Helper()
	s.createApplication("shop")
	in := groupOf("prod", types.DeploymentTypeInPlace)
	in.OnPremisesInstanceTagFilters, in.LoadBalancerInfo = []types.TagFilter{tag("env", env)}, nil
	in.DeploymentStyle.DeploymentOption = types.DeploymentOptionWithoutTrafficControl
	if _, err := s.deploy.CreateDeploymentGroup(s.t.Context(), in); err != nil {
		s.t.Fatal(err)
	}
}

// printing is a run of the program whose output is read while it runs.
type printing struct {
	mu    sync.Mutex
	lines []string
	errs  strings.Builder
	cmd   *exec.Cmd
	read  chan struct{}
}

func (s *stand) printing(args ...string) *printing {
	s.t.Helper()
	p := &printing{cmd: exec.CommandContext(s.t.Context(), s.program, args...), read: make(chan struct{})}
	p.cmd.Env, p.cmd.Dir, p.cmd.Stderr = s.environment(), s.dir, &p.errs
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(p.read)
		for l := bufio.NewScanner(out); l.Scan(); {
			p.mu.Lock()
			p.lines = append(p.lines, l.Text())
			p.mu.Unlock()
		}
	}()
	return p
}

func (p *printing) have() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

// prints waits until a line is printed.
func (s *stand) prints(p *printing, line string) {
	s.t.Helper()
	s.until(line+" is printed", func() error {
		if have := p.have(); !slices.Contains(have, line) {
			return fmt.Errorf("printed is %q", have)
		}
		return nil
	})
}

// ended waits for the end, which must be with exit code 0.
func (p *printing) ended(t *testing.T) []string {
	t.Helper()
	<-p.read
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("it ends with %v\n%s", err, p.errs.String())
	}
	return p.have()
}

// hand is a host whose agent's part the test plays.
type hand struct {
	*stand
	client *control.Client
}

func (s *stand) hand(name, env string) *hand {
	s.t.Helper()
	file := filepath.Join(s.dir, name+".yml")
	s.run("host", "add", name, "--tag", "env="+env, "--out", file, "--endpoint", s.endpoint)
	content, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	value := func(key string) string {
		m := regexp.MustCompile(key + `: *"?([^"\s]+)`).FindSubmatch(content)
		if m == nil {
			s.t.Fatalf("%s has no %s", content, key)
		}
		return string(m[1])
	}
	key := sigv4.Credential{AccessKeyID: value("aws_access_key_id"), SecretAccessKey: value("aws_secret_access_key")}
	return &hand{stand: s, client: &control.Client{
		Endpoint: s.endpoint, Host: value("iam_user_arn"), Version: "hand", HTTP: http.DefaultClient, Now: time.Now,
		Sign: func(_ context.Context, r *http.Request, service, payload string, at time.Time) error {
			sigv4.Sign(r, key, region, service, payload, at)
			return nil
		},
	}}
}

// take plays the agent up to an event: all before it succeed, and it is acknowledged.
func (h *hand) take(event string) *control.Command {
	h.t.Helper()
	for {
		c, err := h.client.Poll(h.t.Context())
		if err != nil {
			h.t.Fatal(err)
		}
		if c == nil {
			continue
		}
		if goes, err := h.client.Acknowledge(h.t.Context(), c.ID, false); err != nil || !goes {
			h.t.Fatalf("acknowledge %s: %t, %v", c.Name, goes, err)
		}
		if c.Name == event {
			return c
		}
		if err := h.client.Complete(h.t.Context(), c.ID, true, `{"error_code":0}`); err != nil {
			h.t.Fatal(err)
		}
	}
}

// post sends lines as a stream that a script writes.
func (h *hand) post(c *control.Command, first, lost int, lines ...string) (wanted bool) {
	h.t.Helper()
	var all []map[string]string
	for _, l := range lines {
		stream, text, _ := strings.Cut(l, " ")
		all = append(all, map[string]string{"t": "2026-03-04T05:06:07.89Z", "s": stream, "l": text})
	}
	payload, err := json.Marshal(map[string]any{"v": 1, "first": first, "lost": lost, "lines": all})
	if err != nil {
		h.t.Fatal(err)
	}
	wanted, err = h.client.Update(h.t.Context(), c.ID, "Crossfade/Log", string(payload))
	if err != nil {
		h.t.Fatal(err)
	}
	return wanted
}

// TestLogs streams the log of a script by hand: it is printed while the script runs, once, through kill -9 of the server, and the same afterwards.
func TestLogs(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	h := s.hand("hand-1", "hand")
	s.logGroup("hand")
	s.upload("app.zip", bundle(t, "v1", nil))
	id := s.begin("shop", "prod", "app.zip")
	all := s.printing("logs", id, "--follow")
	other := s.printing("logs", id, "--follow", "--event", "AfterInstall", "--output", "json")
	waits := s.begun("wait", id, "--for", "complete", "--logs")

	c := h.take("BeforeInstall")
	h.post(c, 0, 0, "agent begins", "stdout one")
	s.prints(all, "hand-1 BeforeInstall stdout| one")
	h.post(c, 0, 0, "agent begins", "stdout one") // the answer to the first did not come
	h.post(c, 1, 0, "stdout one", "stderr two")
	s.prints(all, "hand-1 BeforeInstall stderr| two")
	s.server.kill()
	s.startServer()
	if !h.post(c, 5, 2, "stdout \x1b[1mfive") {
		t.Error("after a restart of the server no more is wanted")
	}
	s.prints(all, "hand-1 BeforeInstall stdout| five")
	if err := h.client.Complete(t.Context(), c.ID, false, `{"error_code":4,"script_name":"scripts/install.sh","message":"exit code 7","log":"[stdout]five"}`); err != nil {
		t.Fatal(err)
	}
	s.fails(id)
	if !h.post(c, 6, 0, "agent the last one") {
		t.Error("what comes a moment after the end is not wanted")
	}
	want := []string{
		"hand-1 BeforeInstall agent| begins", "hand-1 BeforeInstall stdout| one", "hand-1 BeforeInstall stderr| two",
		"hand-1 BeforeInstall ...| 2 lines are missing that the host could not send", "hand-1 BeforeInstall stdout| five", "hand-1 BeforeInstall agent| the last one",
	}
	got := all.ended(t)
	if len(got) == len(want)-1 {
		got = append(got, want[len(want)-1]) // it came too late for the stream
	}
	if !slices.Equal(got, want) {
		t.Errorf("following prints\n%q, want\n%q", got, want)
	}
	if got := other.ended(t); len(got) != 0 {
		t.Errorf("another event's log has %q", got)
	}
	if e := waits(); e.code != 3 {
		t.Errorf("waiting ends with %+v", e)
	} else {
		says(t, e.out, "  "+want[2]+"\n", "  "+want[3]+"\n", "BeforeInstall failed")
	}
	if got := s.exits(0, "logs", id, "--instance", "hand-1"); got != strings.Join(want, "\n")+"\n" {
		t.Errorf("afterwards it prints\n%s", got)
	}
	if got := s.exits(0, "logs", id, "--tail", "1", "--times", "--event", "BeforeInstall"); got != "2026-03-04T05:06:07.890Z "+want[5]+"\n" {
		t.Errorf("the last line is\n%s", got)
	}
	says(t, s.exits(3, "wait", id, "--for", "complete"), "BeforeInstall failed", "\n  "+want[0]+"\n", "\n  "+want[4]+"\n")
	says(t, s.exits(0, "explain", id), "| [stdout]five", "all of it: crossfade logs "+id+" --instance hand-1 --event BeforeInstall")

	// An agent that sends nothing while a script runs.
	id = s.begin("shop", "prod", "app.zip", func(in *codedeploy.CreateDeploymentInput) { in.Description = aws.String("official") })
	all = s.printing("logs", id, "--follow", "--output", "json")
	c = h.take("AfterInstall")
	if err := h.client.Complete(t.Context(), c.ID, false, `{"error_code":4,"script_name":"s.sh","message":"exit code 1","log":"LifecycleEvent - AfterInstall\n[stdout]asking\n[stderr]no"}`); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(all.ended(t), "\n"); strings.Count(got, "\n") != 3 || !strings.Contains(got, `"stream":"stderr","text":"no"}`) || !strings.Contains(got, `"text":"exit code 1"`) {
		t.Errorf("of an agent that sends nothing there is\n%s", got)
	}
	if e := s.begun("logs", "d-NONE00000", "--follow")(); e.code != 1 || !strings.Contains(e.errs, "There is no deployment") {
		t.Errorf("no deployment: %+v", e)
	}
}
