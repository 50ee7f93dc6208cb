package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/agent/identity"
	"crossfade/internal/counterpart/recording"
	"crossfade/internal/envelope"
)

// deviations are where this agent does not say what the official one was recorded to say, and why that is as good. Each must occur: one that
// does not is out of date.
var deviations = map[string]string{
	"one specification": "All events of a deployment have the same specification, so it is asked for and verified once.",
	"one completion":    "The official agent reports a failed script twice, the second time without script and log. Servers keep the first.",
	"no hash header":    "The hash of the body is in the signature; X-Amz-Content-Sha256 besides is optional outside S3.",
	"no Accept":         "Accept: */* says nothing.",
	"agent version":     "The header names this agent and its version.",
}

// playback is a server that gives the recorded answers and takes down what it is asked.
type playback struct {
	testing.TB
	signer   *envelope.Signer
	commands []recording.Command
	spec     []byte
	bundle   []byte

	mu   sync.Mutex
	next int
	said map[string][]heard // by command
	done chan struct{}
}

// heard is one request of the agent.
type heard struct {
	operation string
	header    http.Header
	body      []byte
	path      string
}

// TestAgentSaysWhatTheOfficialOneSays has this agent carry out the deployments that the official one was recorded with, against the recorded
// answers. For each command its requests must be those of the official agent: the same operations in the same order with the same members.
func TestAgentSaysWhatTheOfficialOneSays(t *testing.T) {
	t.Parallel()
	r := recording.Load(t, "../../test/testdata/interop")["ruby-agent"]
	seen := map[string]bool{}
	root := t.TempDir()
	for n, d := range r.Deployments {
		for what := range playDeployment(t, r, d, root, n) {
			seen[what] = true
		}
	}
	if got, want := slices.Sorted(maps.Keys(seen)), slices.Sorted(maps.Keys(deviations)); !slices.Equal(got, want) {
		t.Errorf("the agent deviates in %q, declared is %q", got, want)
	}
}

// playDeployment returns the deviations that occurred.
func playDeployment(t *testing.T, r recording.Recording, d recording.Deployment, root string, n int) map[string]bool {
	t.Helper()
	commands, err := d.Commands()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := envelope.NewSigner(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	p := &playback{TB: t, signer: signer, commands: commands, spec: d.Specification, bundle: recordedBundle(t, n), said: map[string][]heard{}, done: make(chan struct{})}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	s := &fakeServer{TB: t}
	stop := s.start(Options{
		Endpoint: server.URL, Root: root, Version: "crossfade/test", Log: discard(),
		Identity: identity.New("arn:aws:iam::000000000000:user/host/web-1", "us-east-1", identity.Credentials{AccessKeyID: "AKIDHOST", SecretAccessKey: "secret"}),
		Trust:    envelope.Trust{Pinned: signer.Certificate()}, Environ: []string{"PATH=/usr/bin:/bin"}, PollInterval: 10 * time.Millisecond,
	})
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		t.Fatal("the agent did not carry out all commands")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	return p.compare(r)
}

// recordedBundle is what was deployed: the second one fails in its script.
func recordedBundle(t *testing.T, n int) []byte {
	t.Helper()
	script := "#!/bin/sh\necho out of AfterInstall\nsleep 0.05\necho err of AfterInstall >&2\n"
	if n == 1 {
		script += "exit 3\n"
	}
	s := &fakeServer{TB: t, bundles: map[string][]byte{}}
	s.deployment("app", map[string]string{
		"appspec.yml":             "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - {location: scripts/AfterInstall.sh, timeout: 20}\n",
		"scripts/AfterInstall.sh": script,
	})
	return s.bundles["/bucket/app.zip"]
}

func (p *playback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if r.Method == http.MethodGet {
		operation = "GetObject"
	}
	h := heard{operation, r.Header.Clone(), body, r.URL.RequestURI()}
	var in struct{ HostCommandIdentifier, CommandStatus string }
	if operation != "GetObject" {
		if err := json.Unmarshal(body, &in); err != nil {
			p.Errorf("%s: %v", operation, err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch operation {
	case "PollHostCommand":
		p.poll(w, h)
		return
	case "PostHostCommandUpdate":
		// The protocol has it and the official agent never calls it: an update may come at any time, and what it says is this agent's own matter.
		if _, err := io.WriteString(w, `{"CommandStatus":"InProgress"}`); err != nil {
			p.Log(err)
		}
		return
	}
	c := p.commands[max(0, p.next-1)] // one at a time
	p.said[c.ID] = append(p.said[c.ID], h)
	answer := p.answer(c, operation)
	switch operation {
	case "GetObject":
		answer = p.bundle
	case "GetDeploymentSpecification":
		signed, err := p.signer.Sign(p.spec)
		if err != nil {
			p.Error(err)
		}
		payload, err := json.Marshal(string(signed))
		if err != nil {
			p.Error(err)
		}
		answer = bytes.Replace(answer, []byte(`"(signed)"`), payload, 1)
	}
	if _, err := w.Write(answer); err != nil {
		p.Log(err)
	}
	if operation == "PutHostCommandComplete" && p.next == len(p.commands) {
		close(p.done)
		p.next++
	}
}

// poll hands out the next command as soon as the one before is complete.
func (p *playback) poll(w http.ResponseWriter, h heard) {
	answer := []byte("{}")
	ready := p.next == 0
	if p.next > 0 && p.next < len(p.commands) {
		said := p.said[p.commands[p.next-1].ID]
		ready = slices.ContainsFunc(said, func(h heard) bool { return h.operation == "PutHostCommandComplete" })
	}
	if ready {
		c := p.commands[p.next]
		p.next++
		p.said[c.ID] = []heard{h}
		answer = c.Poll.Answer
	}
	if _, err := w.Write(answer); err != nil {
		p.Log(err)
	}
}

func (p *playback) answer(c recording.Command, operation string) []byte {
	i := slices.IndexFunc(c.Exchanges, func(e recording.Exchange) bool { return e.Operation == operation })
	if i < 0 {
		p.Errorf("%s: the agent asks for %s, which the official one does not", c.Event, operation)
		return []byte("{}")
	}
	return c.Exchanges[i].Answer
}

// compare holds what was said against the recording.
func (p *playback) compare(r recording.Recording) map[string]bool {
	seen := map[string]bool{}
	for i, c := range p.commands {
		want := append([]recording.Exchange{c.Poll}, c.Exchanges...)
		if i > 0 && len(p.said[c.ID]) < len(want) {
			want = slices.DeleteFunc(want, func(e recording.Exchange) bool { return e.Operation == "GetDeploymentSpecification" })
			seen["one specification"] = true
		}
		if n := len(want); want[n-2].Operation == want[n-1].Operation {
			want = want[:n-1]
			seen["one completion"] = true
		}
		got := p.said[c.ID]
		if len(got) != len(want) {
			p.Errorf("%s: %d requests, want %d", c.Event, len(got), len(want))
			continue
		}
		for j, e := range want {
			if got[j].operation != e.Operation {
				p.Errorf("%s: request %d is %s, want %s", c.Event, j, got[j].operation, e.Operation)
				continue
			}
			p.sameRequest(c, e, got[j])
			form := r.Control
			if e.Operation == "GetObject" {
				form = r.Objects
			}
			for what := range p.sameForm(e.Operation, form, got[j]) {
				seen[what] = true
			}
		}
	}
	return seen
}

func (p *playback) sameRequest(c recording.Command, e recording.Exchange, got heard) {
	if e.Operation == "GetObject" {
		if got.path != e.Path {
			p.Errorf("the bundle is asked for at %s, want %s", got.path, e.Path)
		}
		return
	}
	// The values too: identifiers come back as they were given, and the diagnostics are the same to the letter.
	var want, said any
	if err := json.Unmarshal(e.Request, &want); err != nil {
		p.Fatal(err)
	}
	if err := json.Unmarshal(got.body, &said); err != nil {
		p.Fatal(err)
	}
	if fmt.Sprint(opened(want)) != fmt.Sprint(opened(said)) {
		p.Errorf("%s: %s says\n%v\nwant\n%v", c.Event, e.Operation, said, want)
	}
	wantShape, err := recording.Shape(e.Request)
	if err != nil {
		p.Fatal(err)
	}
	if gotShape, err := recording.Shape(got.body); err != nil || gotShape != wantShape {
		p.Errorf("%s: %s has\n%s %v\nwant\n%s", c.Event, e.Operation, gotShape, err, wantShape)
	}
}

// opened replaces a payload that is JSON by what it says, so that the order of members does not count.
func opened(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for k, member := range m {
		m[k] = opened(member)
	}
	if text, ok := m["Payload"].(string); ok {
		var inner any
		if json.Unmarshal([]byte(text), &inner) == nil {
			m["Payload"] = inner
		}
	}
	return m
}

// sameForm compares headers and signature.
func (p *playback) sameForm(operation string, want recording.Form, got heard) map[string]bool {
	seen := map[string]bool{}
	if operation != "GetObject" {
		if target := got.header.Get("X-Amz-Target"); target != want.TargetPrefix+"."+operation {
			p.Errorf("%s is asked for as %s", operation, target)
		}
	}
	_, credential, _ := strings.Cut(got.header.Get("Authorization"), "Credential=AKIDHOST/")
	if _, scope, _ := strings.Cut(credential, "/"); !strings.HasPrefix(scope, want.Scope+"/aws4_request") {
		p.Errorf("%s is signed for %s, want %s", operation, credential, want.Scope)
	}
	_, list, _ := strings.Cut(got.header.Get("Authorization"), "SignedHeaders=")
	list, _, _ = strings.Cut(list, ",")
	signed := strings.Split(list, ";")
	for _, name := range want.SignedHeaders {
		switch {
		case slices.Contains(signed, name):
		case name == "x-amz-content-sha256" && operation != "GetObject":
			seen["no hash header"] = true
		default:
			p.Errorf("%s does not sign %s", operation, name)
		}
	}
	for name, value := range want.Headers {
		switch said := got.header.Get(name); {
		case said == value:
		case name == "Accept" && said == "":
			seen["no Accept"] = true
		case name == "X-Amz-Codedeploy-Agent-Version" && said == "crossfade/test":
			seen["agent version"] = true
		default:
			p.Errorf("%s has %s: %q, want %q", operation, name, said, value)
		}
	}
	return seen
}
