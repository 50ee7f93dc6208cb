package edge_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/audit"
	"crossfade/internal/auth"
	"crossfade/internal/awsjson"
	"crossfade/internal/edge"
	"crossfade/internal/policy"
	"crossfade/internal/sigv4"
	"crossfade/internal/wire"
	"crossfade/internal/wire/host"
)

const secret = "a-long-secret"

type keyring struct{}

var callers = map[string]auth.Principal{
	"ROOT": {ARN: auth.RootARN("1"), Account: "1", Kind: auth.Root},
	"HOST": {ARN: auth.UserARN("1", "web-1"), Account: "1", Kind: auth.Host},
}

func (keyring) Secret(_ context.Context, id, _ string) (string, error) {
	if _, ok := callers[id]; !ok {
		return "", sigv4.ErrUnknownKey
	}
	return secret, nil
}

func (keyring) Principal(_ context.Context, id, _ string) (auth.Principal, error) {
	return callers[id], nil
}

// agents is the host protocol with polls that are held until their context ends.
type agents struct {
	host.Service
	polling chan struct{}
	release chan struct{} // lets a report that waits go on
}

func (a agents) PollHostCommand(ctx context.Context, in *host.PollHostCommandInput) (*host.PollHostCommandOutput, error) {
	c, _ := auth.FromContext(ctx)
	if *in.HostIdentifier == "panic" {
		panic("on purpose")
	}
	if *in.HostIdentifier == "hold" {
		close(a.polling)
		<-ctx.Done()
	}
	return &host.PollHostCommandOutput{HostCommand: &host.HostCommand{CommandName: &c.ARN}}, nil
}

func (a agents) PutHostCommandComplete(ctx context.Context, in *host.PutHostCommandCompleteInput) error {
	if *in.HostCommandIdentifier != "hold" {
		return nil
	}
	close(a.polling)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-a.release:
		return nil
	}
}

type objects struct{}

func (objects) About(r *http.Request) auth.Objects {
	o := auth.Objects{Operation: "GetObject"}
	if r.Method == http.MethodPut {
		o.Operation = "PutObject"
	}
	o.Bucket, o.Key, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return o
}

// everyHost reads everything.
type everyHost struct{}

func (everyHost) Policies(context.Context, auth.Principal) ([]policy.Named, error) { return nil, nil }
func (everyHost) IsHost(context.Context, string) (bool, error)                     { return false, nil }
func (everyHost) MayRead(context.Context, string, string, string, string) (bool, error) {
	return true, nil
}

func authorizer() *auth.Authorizer {
	return &auth.Authorizer{Policies: everyHost{}, Hosts: everyHost{}, Region: "us-east-1", Now: time.Now}
}

func (objects) ServeObject(w http.ResponseWriter, _ *http.Request, _ auth.Objects, body *sigv4.Body) {
	b, err := io.ReadAll(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if _, err := w.Write(append([]byte("object "), b...)); err != nil {
		panic(err)
	}
}

func (objects) Refuse(w http.ResponseWriter, _ *http.Request, code, message string) {
	http.Error(w, "<Code>"+code+"</Code>"+message, http.StatusForbidden)
}

type fixture struct {
	*edge.Edge
	url     string
	log     *lockedBuffer
	polling chan struct{}
	release chan struct{}
	entries *entries
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	log := &lockedBuffer{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	polling, release := make(chan struct{}), make(chan struct{})
	control := host.Describe(agents{polling: polling})
	// The same operations under the control plane's name, to see that the scope decides.
	control.SigningNames, control.TargetPrefixes = []string{"codedeploy"}, []string{"CodeDeploy_20141006"}
	// And as what proxies ask, which is held too.
	proxies := wire.Service{Name: "Crossfade", TargetPrefixes: []string{"Crossfade_2026"}, SigningNames: []string{"crossfade"}, Status: control.Status,
		Operations: []wire.Operation{wire.Op(auth.FollowTargetGroups, agents{polling: polling}.PollHostCommand)}}
	newID := func() string { return "11111111-2222-4333-8444-555555555555" }
	h, err := awsjson.New(awsjson.Config{Services: []wire.Service{host.Describe(agents{polling: polling, release: release}), control, proxies}, Log: logger, NewRequestID: newID})
	if err != nil {
		t.Fatal(err)
	}
	kept := &entries{}
	e := edge.New(edge.Config{
		JSON: h, Objects: objects{}, Principals: keyring{}, Authorize: authorizer().Authorize, Audit: kept.write, NewRequestID: newID, Log: logger,
		Observe: func(string, string, string, time.Duration) {}, Reads: reads,
		Pages:    map[string]http.Handler{"/": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })},
		Verifier: &sigv4.Verifier{Region: "us-east-1", Services: []string{"codedeploy", "codedeploy-commands", "crossfade", "s3"}, Keys: keyring{}, Now: time.Now},
	})
	srv := httptest.NewServer(e)
	t.Cleanup(srv.Close)
	return fixture{e, srv.URL, log, polling, release, kept}
}

type ask struct{ method, path, target, key, service, body string }

func (f fixture) do(t *testing.T, a ask) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), a.method, f.url+a.path, strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	if a.target != "" {
		req.Header.Set("X-Amz-Target", a.target)
	}
	if a.key != "" {
		sigv4.Sign(req, sigv4.Credential{AccessKeyID: a.key, SecretAccessKey: secret}, "us-east-1", a.service, sigv4.Hash([]byte(a.body)), time.Now())
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body), res.Header
}

const (
	poll    = "CodeDeployCommandService_v20141006.PollHostCommand"
	control = "CodeDeploy_20141006.PollHostCommand"
	good    = `{"HostIdentifier":"x"}`
)

// TestOrderOfChecks holds what each request is told: size before target before signature before parsing.
func TestOrderOfChecks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	large := strings.Repeat("x", edge.MaxJSONBody+1)
	tests := []struct {
		name   string
		ask    ask
		status int
		say    string
	}{
		{"a host", ask{"POST", "/", poll, "HOST", "codedeploy-commands", good}, 200, auth.UserARN("1", "web-1")},
		{"too large before all else", ask{"POST", "/", "No.Such", "", "", large}, 413, "RequestEntityTooLargeException"},
		{"unknown target before the signature", ask{"POST", "/", "No.Such", "", "", "{}"}, 400, "UnknownOperationException"},
		{"no target", ask{"POST", "/", "", "ROOT", "codedeploy", "{}"}, 400, "UnknownOperationException"},
		{"no signature", ask{"POST", "/", poll, "", "", "not json"}, 400, "MissingAuthenticationTokenException"},
		{"unknown key before parsing", ask{"POST", "/", poll, "NOBODY", "codedeploy-commands", "not json"}, 400, "UnrecognizedClientException"},
		{"another service's scope", ask{"POST", "/", poll, "HOST", "codedeploy", good}, 400, "InvalidSignatureException"},
		{"parsing", ask{"POST", "/", poll, "HOST", "codedeploy-commands", "not json"}, 400, "SerializationException"},
		{"panic", ask{"POST", "/", poll, "HOST", "codedeploy-commands", `{"HostIdentifier":"panic"}`}, 500, "InternalFailure"},
		{"get", ask{"GET", "/", "", "", "", ""}, 418, ""},
		{"s3", ask{"PUT", "/b/k", "", "ROOT", "s3", "hello"}, 200, "object hello"},
		{"s3 by a host", ask{"GET", "/b/k", "", "HOST", "s3", ""}, 200, "object"},
		{"s3 written by a host", ask{"PUT", "/b/k", "", "HOST", "s3", "hello"}, 403, "<Code>AccessDenied</Code>"},
		{"s3 unsigned", ask{"GET", "/b/k", "", "", "", ""}, 403, "<Code>AccessDenied</Code>"},
		{"s3 with an unknown key", ask{"GET", "/b/k", "", "NOBODY", "s3", ""}, 403, "<Code>InvalidAccessKeyId</Code>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, body, header := f.do(t, tt.ask)
			if status != tt.status || !strings.Contains(body, tt.say) {
				t.Errorf("got %d %.200s, want %d saying %q", status, body, tt.status, tt.say)
			}
			if header.Get("X-Amzn-Requestid") == "" {
				t.Error("the answer has no request id")
			}
		})
	}
}

// TestAudit holds that calls that change something leave a line that says who and what came of it, and no secret.
func TestAudit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.do(t, ask{"POST", "/", control, "ROOT", "codedeploy", good})
	f.do(t, ask{"PUT", "/b/k", "", "HOST", "s3", "hello"})
	f.do(t, ask{"GET", "/b/k", "", "HOST", "s3", ""})
	f.do(t, ask{"GET", "/b/k", "", "NOBODY", "s3", ""})
	f.do(t, ask{"GET", "/b/k", "", "", "", ""})
	// Who mixes up the two variables sends the secret as the id.
	f.do(t, ask{"GET", "/b/k", "", "wJalrXUtnFEMI+K7MDENG", "s3", ""})
	const id = "11111111-2222-4333-8444-555555555555"
	want := []audit.Entry{
		{RequestID: id, Principal: auth.RootARN("1"), AccessKey: "ROOT", From: "127.0.0.1", Service: "codedeploy", Operation: "PollHostCommand", Decision: "allowed"},
		{RequestID: id, Principal: auth.UserARN("1", "web-1"), AccessKey: "HOST", From: "127.0.0.1", Service: "s3", Operation: "PutObject", Resources: []string{"arn:aws:s3:::b/k"}, Decision: "denied", Code: "AccessDenied"},
		{RequestID: id, AccessKey: "NOBODY", From: "127.0.0.1", Service: "s3", Operation: "GetObject", Decision: "denied", Code: "InvalidAccessKeyId"},
		{RequestID: id, From: "127.0.0.1", Service: "s3", Operation: "GetObject", Decision: "denied", Code: "AccessDenied"},
		{RequestID: id, From: "127.0.0.1", Service: "s3", Operation: "GetObject", Decision: "denied", Code: "InvalidAccessKeyId"},
	}
	got := f.entries.all()
	for i := range got {
		got[i].Time = time.Time{}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// entries is an audit log in memory.
type entries struct {
	mu   sync.Mutex
	list []audit.Entry
}

func (e *entries) write(entry audit.Entry) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, entry)
}

func (e *entries) all() []audit.Entry {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.list
}

// TestDrain holds that a stopping server answers held polls at once and refuses new calls in a way that clients retry.
func TestDrain(t *testing.T) {
	t.Parallel()
	for who, held := range map[string]ask{
		"an agent": {"POST", "/", poll, "HOST", "codedeploy-commands", `{"HostIdentifier":"hold"}`},
		"a proxy":  {"POST", "/", "Crossfade_2026.FollowTargetGroups", "ROOT", "crossfade", `{"HostIdentifier":"hold"}`},
	} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			answered := make(chan int, 1)
			go func() {
				status, _, _ := f.do(t, held)
				answered <- status
			}()
			<-f.polling
			f.Drain()
			if status := <-answered; status != 200 {
				t.Errorf("the held poll got %d", status)
			}
			again := held
			again.body = good
			if status, body, _ := f.do(t, again); status != 503 || !strings.Contains(body, "ServiceUnavailable") {
				t.Errorf("a new call got %d %s", status, body)
			}
		})
	}
}

// TestDrainLetsReportsEnd holds that only what is held ends when the server stops: a report that is under way is taken.
func TestDrainLetsReportsEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	done := make(chan int, 1)
	go func() {
		status, _, _ := f.do(t, ask{"POST", "/", "CodeDeployCommandService_v20141006.PutHostCommandComplete", "HOST", "codedeploy-commands",
			`{"HostCommandIdentifier":"hold","CommandStatus":"Succeeded"}`})
		done <- status
	}()
	<-f.polling
	f.Drain()
	close(f.release)
	if status := <-done; status != http.StatusOK {
		t.Errorf("the report was answered with %d", status)
	}
}
