package hostapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"crossfade/internal/deploy"
	"crossfade/internal/engine"
	"crossfade/internal/envelope"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	"crossfade/internal/wire/host"
)

// door records the events that reach the engine and answers as told.
type door struct {
	events []deploy.What
	err    error
	result engine.Result
}

func (d *door) Do(_ context.Context, _ string, what deploy.What) (engine.Result, error) {
	d.events = append(d.events, what)
	return d.result, d.err
}

// shelf is one host and one deployment.
type shelf struct {
	instance  deploy.Instance
	more      int // registered hosts, which have been seen
	reads     int // of registrations
	changes   int64
	shared    bool // with other processes
	targets   int  // how often a target was read
	addresses []string
	target    deploy.Target
	logs      []store.LogChunk
	full      bool // no more of a log is taken
}

func (s *shelf) InstanceByHost(_ context.Context, host string) (deploy.Instance, error) {
	s.reads++
	if host != s.instance.IAMUserARN {
		return deploy.Instance{}, store.ErrNotFound
	}
	return s.instance, nil
}

func (s *shelf) Instances(_ context.Context, _ string, _ store.InstanceFilter, p store.Page) (page []deploy.Instance, _ error) {
	for i := range s.more {
		if name := fmt.Sprintf("more-%05d", i); name > p.After && len(page) < p.Limit {
			page = append(page, deploy.Instance{Name: name, IAMUserARN: "host:" + name, Address: "127.0.0.9"})
		}
	}
	return page, nil
}

func (s *shelf) InstanceChanges() (int64, bool) { return s.changes, !s.shared }

func (s *shelf) SetInstanceAddress(_ context.Context, _, _, address string) error {
	s.addresses = append(s.addresses, address)
	return nil
}

func (s *shelf) Deployment(context.Context, string, string) (deploy.Deployment, error) {
	return deploy.Deployment{Spec: deploy.Spec{
		ID: "d-TEST00001", GroupID: "5c9d0000-0000-4000-8000-000000000000", Group: "prod", Application: "shop", Creator: "user",
		Style: deploy.Style{Type: deploy.StyleBlueGreen}, FileExists: "OVERWRITE",
		Revision: deploy.Revision{Type: deploy.RevisionS3, S3: &deploy.S3Location{Bucket: "b", Key: "k.zip", BundleType: "zip", ETag: "e"}},
	}}, nil
}

func (s *shelf) Target(_ context.Context, deployment, id string) (deploy.Target, error) {
	s.targets++
	if deployment != "d-TEST00001" || id != "a" {
		return deploy.Target{}, store.ErrNotFound
	}
	target := s.target
	target.DeploymentID, target.ID, target.Host = deployment, id, "host:a"
	return target, nil
}

func (s *shelf) AppendEventLog(_ context.Context, c store.LogChunk) (int64, error) {
	if s.full {
		return 0, store.ErrLimit
	}
	s.logs = append(s.logs, c)
	return int64(len(s.logs)), nil
}

func (s *shelf) EventLog(context.Context, store.EventLogQuery) ([]store.LogChunk, error) {
	return s.logs, nil
}

func newService(t *testing.T) (*Service, *door, *shelf) {
	t.Helper()
	signer, err := envelope.NewSigner(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	d, s := &door{}, &shelf{instance: deploy.Instance{Name: "a", IAMUserARN: "host:a"}}
	return New(Config{
		Mailbox: NewMailbox(wallClock{}), Engine: d, Store: s, Signer: signer, Key: []byte("key"), Region: "us-east-1", Hold: time.Millisecond,
		Clock: wallClock{}, Log: slog.New(slog.DiscardHandler),
		Caller: func(ctx context.Context) (Caller, bool) { c, ok := ctx.Value(callerKey{}).(Caller); return c, ok },
	}), d, s
}

type callerKey struct{}

func as(t *testing.T, arn string) context.Context {
	return context.WithValue(t.Context(), callerKey{}, Caller{ARN: arn, Address: "127.0.0.9"})
}

// TestOneCommand follows a command from the poll to its result.
func TestOneCommand(t *testing.T) {
	t.Parallel()
	s, d, shelf := newService(t)
	ctx := as(t, "host:a")
	s.Mailbox.Offer(command("a", 3))
	poll, err := s.PollHostCommand(ctx, &host.PollHostCommandInput{HostIdentifier: new("host:a")})
	if err != nil || poll.HostCommand == nil {
		t.Fatalf("poll: %+v %v", poll, err)
	}
	c := poll.HostCommand
	if *c.HostIdentifier != "host:a" || *c.CommandName != "ApplicationStop" || *c.DeploymentExecutionId != "crossfade/us-east-1/d-TEST00001/a" {
		t.Errorf("command %s %s %s", *c.HostIdentifier, *c.CommandName, *c.DeploymentExecutionId)
	}
	if len(shelf.addresses) != 1 || shelf.addresses[0] != "127.0.0.9" {
		t.Errorf("addresses %v", shelf.addresses)
	}
	var spec *host.GetDeploymentSpecificationOutput
	for range 2 {
		spec, err = s.GetDeploymentSpecification(ctx, &host.GetDeploymentSpecificationInput{DeploymentExecutionId: c.DeploymentExecutionId, HostIdentifier: c.HostIdentifier})
		if err != nil {
			t.Fatal(err)
		}
	}
	if shelf.targets != 1 {
		t.Errorf("the target was read %d times; who was given the command is the target", shelf.targets)
	}
	e := spec.DeploymentSpecification.GenericEnvelope
	if *spec.DeploymentSystem != "CodeDeploy" || *e.Format != "PKCS7/JSON" || len(*e.Payload) > envelope.MaxPayload {
		t.Errorf("%s %s, %d characters", *spec.DeploymentSystem, *e.Format, len(*e.Payload))
	}
	content, err := envelope.Verify([]byte(*e.Payload), envelope.Trust{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	said, err := envelope.ParseSpecification(content)
	if err != nil || said.DeploymentID != "d-TEST00001" || said.DeploymentType != "BLUE_GREEN" || said.Revision.S3Revision.ETag != "e" || said.FileExistsBehavior() != "OVERWRITE" {
		t.Errorf("the specification says %+v, %v", said, err)
	}
	ack, err := s.PutHostCommandAcknowledgement(ctx, &host.PutHostCommandAcknowledgementInput{HostCommandIdentifier: c.HostCommandIdentifier})
	if err != nil || *ack.CommandStatus != host.CommandStatusInProgress {
		t.Errorf("acknowledgement: %v %v", ack, err)
	}
	err = s.PutHostCommandComplete(ctx, &host.PutHostCommandCompleteInput{
		HostCommandIdentifier: c.HostCommandIdentifier, CommandStatus: new(host.CommandStatusFailed),
		Diagnostics: &host.Envelope{Payload: new(`{"error_code":4,"script_name":"stop.sh","message":"exit 1","log":"bang"}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if a := d.events[0].(deploy.Acknowledged); a.Target != "a" || a.Attempt != 3 || a.Delivery == 0 {
		t.Errorf("acknowledged %+v", a)
	}
	want := deploy.Diagnostics{ErrorCode: "ScriptFailed", ScriptName: "stop.sh", Message: "exit 1", LogTail: "bang"}
	if c := d.events[1].(deploy.Completed); c.Succeeded || c.Attempt != 3 || c.Diagnostics != want {
		t.Errorf("completed %+v", c)
	}
}

// TestRefusals holds what an agent is told that asks for what is not its own, or comes too late.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s, d, _ := newService(t)
	ctx := as(t, "host:a")
	mine := token{deployment: "d-TEST00001", target: "a", attempt: 1, delivery: 2}.seal(s.Key, "host:a")
	code := func(err error) wire.Code {
		var e *wire.Error
		if errors.As(err, &e) {
			return e.Code
		}
		return ""
	}
	if _, err := s.PollHostCommand(ctx, &host.PollHostCommandInput{HostIdentifier: new("host:b")}); code(err) != "AccessDeniedException" {
		t.Errorf("polling for another host: %v", err)
	}
	if out, err := s.PollHostCommand(as(t, "host:nobody"), &host.PollHostCommandInput{HostIdentifier: new("host:nobody")}); err != nil || out.HostCommand != nil {
		t.Errorf("an unknown host's poll: %v %v", out, err)
	}
	for _, id := range []string{"", "crossfade/us-east-1/d-TEST00001/b", "crossfade/us-east-1/d-OTHER0001/a", "x/y/z/a"} {
		if _, err := s.GetDeploymentSpecification(ctx, &host.GetDeploymentSpecificationInput{DeploymentExecutionId: &id, HostIdentifier: new("host:a")}); code(err) != host.ClientException {
			t.Errorf("specification of %q: %v", id, err)
		}
	}
	if _, err := s.GetDeploymentSpecification(as(t, "host:b"), &host.GetDeploymentSpecificationInput{DeploymentExecutionId: new("crossfade/us-east-1/d-TEST00001/a"), HostIdentifier: new("host:b")}); code(err) != host.ClientException {
		t.Errorf("another host's specification: %v", err)
	}
	if _, err := s.PutHostCommandAcknowledgement(as(t, "host:b"), &host.PutHostCommandAcknowledgementInput{HostCommandIdentifier: &mine}); code(err) != host.ClientException {
		t.Errorf("another host's command: %v", err)
	}
	if err := s.PutHostCommandComplete(ctx, &host.PutHostCommandCompleteInput{HostCommandIdentifier: new(mine + "x"), CommandStatus: new(host.CommandStatusFailed)}); code(err) != host.ClientException {
		t.Errorf("a forged command: %v", err)
	}
	if err := s.PutHostCommandComplete(ctx, &host.PutHostCommandCompleteInput{HostCommandIdentifier: &mine, CommandStatus: new(host.CommandStatusPending)}); code(err) != host.ClientException {
		t.Errorf("completed as Pending: %v", err)
	}
	if len(d.events) != 0 {
		t.Fatalf("refused calls reached the engine: %v", d.events)
	}
	d.err = &deploy.Refusal{Reason: deploy.ReasonStale, Text: "over"}
	ack, err := s.PutHostCommandAcknowledgement(ctx, &host.PutHostCommandAcknowledgementInput{HostCommandIdentifier: &mine})
	if err != nil || *ack.CommandStatus != host.CommandStatusFailed {
		t.Errorf("a late acknowledgement: %v %v", ack, err)
	}
	if err := s.PutHostCommandComplete(ctx, &host.PutHostCommandCompleteInput{HostCommandIdentifier: &mine, CommandStatus: new(host.CommandStatusSucceeded)}); err != nil {
		t.Errorf("a late result: %v", err)
	}
	d.err = errors.New("disk on fire")
	if err := s.PutHostCommandComplete(ctx, &host.PutHostCommandCompleteInput{HostCommandIdentifier: &mine, CommandStatus: new(host.CommandStatusSucceeded)}); err == nil {
		t.Error("a result that was not kept was accepted")
	}
}

// TestIdlePollsReadNothing holds that polls without work don't read the store each time.
func TestIdlePollsReadNothing(t *testing.T) {
	t.Parallel()
	s, _, shelf := newService(t)
	for range 50 {
		if _, err := s.PollHostCommand(as(t, "host:a"), &host.PollHostCommandInput{HostIdentifier: new("host:a")}); err != nil {
			t.Fatal(err)
		}
	}
	if shelf.reads != 1 {
		t.Errorf("50 idle polls read the store %d times", shelf.reads)
	}
}

func FuzzDiagnostics(f *testing.F) {
	f.Add(`{"error_code":4,"script_name":"s","message":"m","log":"l"}`, false)
	f.Add(`{"error_code":"Unknown"}`, false)
	f.Add("\xff{", true)
	f.Add(`{"error_code":0,"log":"`+strings.Repeat("ä", 5000)+`"}`, false)
	f.Fuzz(func(t *testing.T, payload string, ok bool) {
		d := diagnostics(payload, ok)
		if ok != (d.ErrorCode == deploy.DiagnosticsSuccess) {
			t.Errorf("succeeded %v and code %s", ok, d.ErrorCode)
		}
		if len(d.LogTail) > maxLogTail || !utf8.ValidString(d.LogTail+d.Message+d.ScriptName) {
			t.Errorf("log tail of %d bytes, valid %v", len(d.LogTail), utf8.ValidString(d.LogTail))
		}
	})
}

func FuzzToken(f *testing.F) {
	f.Add("1.d-TEST00001.YQ.1.2.AAAA")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		if _, ok := openToken([]byte("key"), "host", s); ok {
			t.Errorf("%q was accepted", s)
		}
	})
}

// movedClock is a clock that is moved by hand.
type movedClock struct{ now time.Time }

func (c *movedClock) Now() time.Time { return c.now }

// TestRegistrationsAreReadWhenTheyMayHaveChanged holds that polls of a known host read no registration until some host was registered, and where other
// processes may register one, every 20 seconds.
func TestRegistrationsAreReadWhenTheyMayHaveChanged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		shared bool
		change int64
		passes time.Duration
		reads  int
	}{
		{"nothing changes for an hour", false, 0, time.Hour, 1},
		{"a host is registered", false, 1, 0, 2},
		{"others may register hosts", true, 0, lookEvery, 2},
		{"others have had no time", true, 0, lookEvery - 1, 1},
		{"a host is registered here, and others may too", true, 1, 0, 2},
	} {
		s, _, shelf := newService(t)
		clock := &movedClock{time.Now()}
		s.Clock, shelf.shared = clock, c.shared
		poll := func() {
			t.Helper()
			if _, err := s.PollHostCommand(as(t, "host:a"), &host.PollHostCommandInput{HostIdentifier: new("host:a")}); err != nil {
				t.Fatal(err)
			}
		}
		poll()
		clock.now = clock.now.Add(c.passes)
		shelf.changes += c.change
		poll()
		poll()
		if shelf.reads != c.reads {
			t.Errorf("%s: registrations were read %d times, want %d", c.name, shelf.reads, c.reads)
		}
	}
}

// TestAFleetThatComesBackIsNotLookedUp holds that hosts whose addresses were read at the start are not looked up when they poll from there.
func TestAFleetThatComesBackIsNotLookedUp(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, recallPage, 2*recallPage + 1} {
		s, _, shelf := newService(t)
		shelf.more = n
		if err := s.Recall(t.Context(), "1"); err != nil {
			t.Fatal(err)
		}
		if len(s.seen) != n {
			t.Errorf("of %d hosts %d are known", n, len(s.seen))
		}
		for i := range n {
			arn := fmt.Sprintf("host:more-%05d", i)
			if err := s.sight(t.Context(), Caller{ARN: arn, Address: "127.0.0.9"}); err != nil {
				t.Fatal(err)
			}
		}
		if shelf.reads != 0 {
			t.Errorf("of %d hosts %d were looked up", n, shelf.reads)
		}
	}
}

// TestOnlyTheTargetGetsASpecificationThatIsKnown has another host ask for what was signed for the first one.
func TestOnlyTheTargetGetsASpecificationThatIsKnown(t *testing.T) {
	t.Parallel()
	s, _, shelf := newService(t)
	shelf.target.Account = "1"
	s.Mailbox.Offer(command("a", 3))
	ask := func(arn string) error {
		_, err := s.GetDeploymentSpecification(as(t, arn), &host.GetDeploymentSpecificationInput{DeploymentExecutionId: new("crossfade/us-east-1/d-TEST00001/a"), HostIdentifier: new(arn)})
		return err
	}
	if err := ask("host:a"); err != nil {
		t.Fatal(err)
	}
	var refused *wire.Error
	if err := ask("host:b"); !errors.As(err, &refused) || refused.Code != host.ClientException {
		t.Errorf("another host got %v", err)
	}
	s.Mailbox.Withdraw(command("a", 3).Key) // acknowledged
	if err := ask("host:a"); err != nil {
		t.Errorf("the target itself, later: %v", err)
	}
}
