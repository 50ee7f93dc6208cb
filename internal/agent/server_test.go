package agent

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/agent/identity"
	"crossfade/internal/agent/lifecycle"
	"crossfade/internal/envelope"
	"crossfade/internal/sigv4"
)

const (
	testHost   = "arn:aws:iam::123456789012:user/host"
	testRegion = "eu-west-1"
	testGroup  = "5c9d1e7a-0000-4000-8000-000000000000"
)

// fakeServer speaks the five operations and a bit of S3, and checks every signature.
type fakeServer struct {
	testing.TB
	http     *httptest.Server
	signer   *envelope.Signer
	verifier *sigv4.Verifier

	// Set before the agent starts.
	hold    time.Duration                                                       // of a poll without work; default 2 s
	refuse  func(operation string, n int) (status int, code string)             // the n-th call of an operation; 0: go on
	tamper  func(payload string) string                                         // of the specification
	onAck   func(command string) string                                         // the CommandStatus to answer; default InProgress
	answers func(w http.ResponseWriter, r *http.Request, operation string) bool // true: answered

	mu      sync.Mutex
	queue   []offered
	ring    chan struct{}
	specs   map[string]envelope.Specification // by execution id
	bundles map[string][]byte                 // by path
	calls   map[string]int
	acks    map[string][]string // payloads by command
	results map[string][]result
	arrived chan struct{}       // closed and renewed with every result
	order   []string            // "ack X", "complete X"
	logs    map[string][]string // lines by command, as "stream:text"
	from    map[string]bool
	polls   map[chan struct{}]bool // that are held; each is closed when it is answered
}

type offered struct{ id, execution, event string }

// result is what a Complete said.
type result struct {
	Status string
	lifecycle.Diagnostics
}

type oneKey struct{}

func (oneKey) Secret(_ context.Context, id, _ string) (string, error) {
	if id != "AKIDHOST" {
		return "", sigv4.ErrUnknownKey
	}
	return "secret", nil
}

func newFakeServer(t testing.TB) *fakeServer {
	t.Helper()
	signer, err := envelope.NewSigner(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := &fakeServer{
		TB: t, signer: signer, hold: 2 * time.Second, ring: make(chan struct{}, 100), specs: map[string]envelope.Specification{},
		bundles: map[string][]byte{}, calls: map[string]int{}, acks: map[string][]string{}, results: map[string][]result{}, logs: map[string][]string{},
		arrived: make(chan struct{}), from: map[string]bool{}, polls: map[chan struct{}]bool{},
		verifier: &sigv4.Verifier{Region: testRegion, Services: []string{"codedeploy-commands", "s3"}, Keys: oneKey{}, Now: time.Now},
	}
	s.http = httptest.NewServer(s)
	t.Cleanup(s.http.Close)
	return s
}

func (s *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if _, err := s.verifier.Verify(r.Context(), r, body); err != nil {
		s.Errorf("%s %s is not signed well: %v", r.Method, r.URL, err)
	}
	if r.Method == http.MethodGet {
		s.serveBundle(w, r)
		return
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	s.mu.Lock()
	s.calls[operation]++
	n := s.calls[operation]
	host, _, _ := strings.Cut(r.RemoteAddr, ":")
	s.from[host] = true
	s.mu.Unlock()
	if s.refuse != nil {
		if status, code := s.refuse(operation, n); status != 0 {
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"__type":%q}`, code)
			return
		}
	}
	if s.answers != nil && s.answers(w, r, operation) {
		return
	}
	s.operation(w, r, operation, body)
}

func (s *fakeServer) operation(w http.ResponseWriter, r *http.Request, operation string, body []byte) {
	var in struct {
		DeploymentExecutionId, HostIdentifier, HostCommandIdentifier, CommandStatus string
		Diagnostics                                                                 struct{ Format, Payload string }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		s.Errorf("%s: %v", operation, err)
	}
	var out any = struct{}{}
	switch operation {
	case "PollHostCommand":
		if o, ok := s.next(r.Context()); ok {
			out = map[string]any{"HostCommand": map[string]any{
				"HostCommandIdentifier": o.id, "HostIdentifier": in.HostIdentifier, "DeploymentExecutionId": o.execution, "CommandName": o.event, "Nonce": 1,
			}}
		}
	case "GetDeploymentSpecification":
		s.mu.Lock()
		spec := s.specs[in.DeploymentExecutionId]
		s.mu.Unlock()
		content, err := json.Marshal(spec)
		if err != nil {
			s.Error(err)
		}
		signed, err := s.signer.Sign(content)
		if err != nil {
			s.Error(err)
		}
		payload := string(signed)
		if s.tamper != nil {
			payload = s.tamper(payload)
		}
		out = map[string]any{"DeploymentSystem": "CodeDeploy", "DeploymentSpecification": map[string]any{
			"GenericEnvelope": map[string]any{"Format": "PKCS7/JSON", "Payload": payload},
		}}
	case "PutHostCommandAcknowledgement":
		status := "InProgress"
		if s.onAck != nil {
			status = s.onAck(in.HostCommandIdentifier)
		}
		s.mu.Lock()
		s.acks[in.HostCommandIdentifier] = append(s.acks[in.HostCommandIdentifier], in.Diagnostics.Payload)
		s.order = append(s.order, "ack "+in.HostCommandIdentifier)
		s.mu.Unlock()
		out = map[string]any{"CommandStatus": status}
	case "PostHostCommandUpdate":
		s.update(in.HostCommandIdentifier, in.Diagnostics.Format, in.Diagnostics.Payload)
		out = map[string]any{"CommandStatus": "InProgress"}
	case "PutHostCommandComplete":
		s.complete(in.HostCommandIdentifier, in.CommandStatus, in.Diagnostics.Payload)
		out = nil
	default:
		s.Errorf("unknown operation %q", operation)
	}
	if out != nil {
		if err := json.NewEncoder(w).Encode(out); err != nil {
			s.Log(err)
		}
	}
}

func (s *fakeServer) complete(command, status, payload string) {
	if len(payload) > envelope.MaxPayload {
		s.Errorf("diagnostics of %d characters", len(payload))
	}
	r := result{Status: status}
	if err := json.Unmarshal([]byte(payload), &r.Diagnostics); err != nil {
		s.Errorf("diagnostics %q: %v", payload, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.results[command] = append(s.results[command], r)
	s.order = append(s.order, "complete "+command)
	close(s.arrived)
	s.arrived = make(chan struct{})
}

func (s *fakeServer) update(command, format, payload string) {
	var log struct {
		Lines []struct{ S, L string }
	}
	if err := json.Unmarshal([]byte(payload), &log); err != nil || format != "Crossfade/Log" || len(payload) > envelope.MaxPayload {
		s.Errorf("an update in the format %q with %q: %v", format, payload, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range log.Lines {
		s.logs[command] = append(s.logs[command], l.S+":"+l.L)
	}
}

func (s *fakeServer) logOf(command string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.logs[command], "|")
}

func (s *fakeServer) next(ctx context.Context) (offered, bool) {
	over := make(chan struct{})
	s.mu.Lock()
	s.polls[over] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.polls, over)
		s.mu.Unlock()
		close(over)
	}()
	select {
	case <-s.ring:
	case <-ctx.Done():
		return offered{}, false
	case <-time.After(s.hold):
		return offered{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return offered{}, false
	}
	o := s.queue[0]
	s.queue = s.queue[1:]
	return o, true
}

func (s *fakeServer) serveBundle(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	content, there := s.bundles[r.URL.Path]
	s.mu.Unlock()
	if !there {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>")
		return
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, len(content)))
	if _, err := w.Write(content); err != nil {
		s.Log(err)
	}
}

// offer gives the host a command.
func (s *fakeServer) offer(id string, spec envelope.Specification, event string) {
	execution := "crossfade/" + testRegion + "/" + spec.DeploymentID + "/host"
	s.mu.Lock()
	s.specs[execution] = spec
	s.queue = append(s.queue, offered{id, execution, event})
	s.mu.Unlock()
	s.ring <- struct{}{}
}

// wait returns the first result of a command.
func (s *fakeServer) wait(id string) result {
	s.Helper()
	deadline := time.After(time.Minute)
	for {
		s.mu.Lock()
		results, arrived := s.results[id], s.arrived
		s.mu.Unlock()
		if len(results) > 0 {
			return results[0]
		}
		select {
		case <-arrived:
		case <-deadline:
			s.Fatalf("no result of %s", id)
		}
	}
}

// do has the host carry out one event.
func (s *fakeServer) do(spec envelope.Specification, event string) result {
	s.Helper()
	id := spec.DeploymentID + "/" + event
	s.offer(id, spec, event)
	return s.wait(id)
}

// noop tells what the acknowledgement of a command said.
func (s *fakeServer) noop(spec envelope.Specification, event string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	acks := s.acks[spec.DeploymentID+"/"+event]
	return len(acks) > 0 && acks[0] == `{"IsCommandNoop":true}`
}

// deployment makes a revision and a deployment of it.
func (s *fakeServer) deployment(id string, files map[string]string) envelope.Specification {
	s.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, body := range files {
		h := &zip.FileHeader{Name: name}
		h.SetMode(fs.FileMode(0o755))
		w, err := z.CreateHeader(h)
		if err != nil {
			s.Fatal(err)
		}
		if _, err := io.WriteString(w, body); err != nil {
			s.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		s.Fatal(err)
	}
	return s.deploymentOf(id, b.Bytes(), envelope.BundleZip)
}

func (s *fakeServer) deploymentOf(id string, bundle []byte, bundleType string) envelope.Specification {
	key := id + "." + bundleType
	s.mu.Lock()
	s.bundles["/bucket/"+key] = bundle
	s.mu.Unlock()
	return envelope.Specification{
		DeploymentID: id, DeploymentGroupID: testGroup, DeploymentGroupName: "prod", ApplicationName: "shop",
		Revision: envelope.Revision{RevisionType: envelope.RevisionS3, S3Revision: &envelope.S3Revision{Bucket: "bucket", Key: key, BundleType: bundleType}},
	}
}

// options are for an agent of this server.
func (s *fakeServer) options(root string) Options {
	return Options{
		Endpoint: s.http.URL, Root: root, Version: "crossfade/test", Log: discard(),
		Identity:     identity.New(testHost, testRegion, identity.Credentials{AccessKeyID: "AKIDHOST", SecretAccessKey: "secret"}),
		Trust:        envelope.Trust{Pinned: s.signer.Certificate()},
		Environ:      []string{"PATH=/usr/bin:/bin", "INHERITED=yes"},
		PollInterval: 10 * time.Millisecond,
	}
}

// start runs an agent until stop is called, which returns what Run returned.
func (s *fakeServer) start(o Options) (stop func() error) {
	s.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, o) }()
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() {
			cancel()
			err = <-done
			// A poll that its agent left must not be answered with the next agent's command.
			s.mu.Lock()
			left := slices.Collect(maps.Keys(s.polls))
			s.mu.Unlock()
			for _, over := range left {
				<-over
			}
		})
		return err
	}
	s.Cleanup(func() {
		if err := stop(); err != nil && !errors.Is(err, ErrAborted) {
			s.Errorf("the agent ended with %v", err)
		}
	})
	return stop
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (s *fakeServer) callsOf(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[operation]
}
