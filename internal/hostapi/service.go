package hostapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/engine"
	"crossfade/internal/envelope"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	"crossfade/internal/wire/host"
)

// Caller is who signed a request and where it came from.
type Caller struct {
	ARN     string
	Address string // the IP without a port
}

// Engine is the door for events.
type Engine interface {
	Do(ctx context.Context, id string, what deploy.What) (engine.Result, error)
}

// Store is what the host API reads, and where it remembers addresses.
type Store interface {
	InstanceByHost(ctx context.Context, host string) (deploy.Instance, error)
	Instances(ctx context.Context, account string, f store.InstanceFilter, p store.Page) ([]deploy.Instance, error)
	SetInstanceAddress(ctx context.Context, account, name, address string) error
	InstanceChanges() (n int64, whole bool)
	Deployment(ctx context.Context, account, id string) (deploy.Deployment, error)
	Target(ctx context.Context, deploymentID, id string) (deploy.Target, error)
	AppendEventLog(ctx context.Context, c store.LogChunk) (int64, error)
	EventLog(ctx context.Context, q store.EventLogQuery) ([]store.LogChunk, error)
}

// Config is what a Service needs. Arrived may be nil: nobody is told when an instance's agent has polled for the first time. Logged may be nil: nobody
// is told when a log of a deployment has new lines. Neither may block. All else is required.
type Config struct {
	Arrived func()
	Logged  func(deploymentID string)
	Mailbox *Mailbox
	Engine  Engine
	Store   Store
	Signer  *envelope.Signer
	// Key seals command identifiers; it must be the same after a restart.
	Key    []byte
	Region string
	// Hold is how long a poll without work is held: well below the agents' read timeout of 80 seconds.
	Hold   time.Duration
	Clock  Clock
	Caller func(ctx context.Context) (Caller, bool)
	Log    *slog.Logger
}

// Service implements the host command protocol.
type Service struct {
	Config
	specifications specifications

	mu   sync.Mutex
	seen map[string]sighting // by host identity
}

// sighting is the last time that a host's registration was looked at.
type sighting struct {
	address string
	at      time.Time
	changes int64 // of registrations that were known then
}

// lookEvery is how often the registration of a host that polls is read again, so that one that was registered anew gets its address, where another
// process may have registered it.
const lookEvery = 20 * time.Second

// commandSystem is what the agents demand in DeploymentSystem.
const commandSystem = "CodeDeploy"

var _ host.Service = (*Service)(nil)

// New makes the service.
func New(c Config) *Service {
	return &Service{Config: c, specifications: specifications{signer: c.Signer}, seen: map[string]sighting{}}
}

// caller checks that a request comes from the host that it speaks of.
func (s *Service) caller(ctx context.Context, identifier *string) (Caller, error) {
	c, ok := s.Caller(ctx)
	if !ok {
		return c, errors.New("host request without a caller")
	}
	if identifier != nil && *identifier != c.ARN {
		return c, wire.Errorf("AccessDeniedException", "User: %s is not authorized to act as host %s: an agent speaks only for the identity that signs its requests.", c.ARN, *identifier)
	}
	return c, nil
}

// PollHostCommand hands out the next command, or holds the poll until there is one.
func (s *Service) PollHostCommand(ctx context.Context, in *host.PollHostCommandInput) (*host.PollHostCommandOutput, error) {
	c, err := s.caller(ctx, in.HostIdentifier)
	if err != nil {
		return nil, err
	}
	if err := s.sight(ctx, c); err != nil {
		return nil, err
	}
	d, ok := s.Mailbox.Wait(ctx, c.ARN, s.Hold)
	if !ok {
		return &host.PollHostCommandOutput{}, nil
	}
	e := d.Effect
	t := token{deployment: e.Key.DeploymentID, target: e.Key.Target, attempt: e.Command.Attempt, delivery: d.Number, event: e.Command.Event}
	s.Log.Debug("command handed out", "deployment", e.Key.DeploymentID, "instance", e.Key.Target, "event", string(e.Command.Event), "host", c.ARN)
	return &host.PollHostCommandOutput{HostCommand: &host.HostCommand{
		HostCommandIdentifier: new(t.seal(s.Key, c.ARN)),
		HostIdentifier:        new(c.ARN),
		DeploymentExecutionId: new(strings.Join([]string{"crossfade", s.Region, e.Key.DeploymentID, e.Key.Target}, "/")),
		CommandName:           new(string(e.Command.Event)),
		Nonce:                 new(d.Number),
	}}, nil
}

// sight remembers where a registered host's polls come from. A host that is not registered may poll: it just never gets work.
func (s *Service) sight(ctx context.Context, c Caller) error {
	now := s.Clock.Now()
	s.mu.Lock()
	last, ok := s.seen[c.ARN]
	s.mu.Unlock()
	changes, whole := s.Store.InstanceChanges() // before the registration is read
	if ok && last.address == c.Address && last.changes == changes && (whole || now.Sub(last.at) < lookEvery) {
		return nil
	}
	i, err := s.Store.InstanceByHost(ctx, c.ARN)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("look up host %s: %w", c.ARN, err)
	}
	if i.Address != c.Address {
		if err := s.Store.SetInstanceAddress(ctx, i.Account, i.Name, c.Address); err != nil {
			return fmt.Errorf("remember the address of host %s: %w", c.ARN, err)
		}
	}
	if i.Address == "" && s.Arrived != nil {
		s.Arrived()
	}
	s.mu.Lock()
	s.seen[c.ARN] = sighting{address: c.Address, at: now, changes: changes}
	s.mu.Unlock()
	return nil
}

// recallPage is how many registrations are read at once.
const recallPage = 1000

// Recall reads which hosts of the account have been seen where, so that a fleet which comes back after a start need not be looked up host by host.
func (s *Service) Recall(ctx context.Context, account string) error {
	now := s.Clock.Now()
	changes, _ := s.Store.InstanceChanges() // before the registrations are read
	for after := ""; ; {
		page, err := s.Store.Instances(ctx, account, store.InstanceFilter{Registration: "Registered"}, store.Page{After: after, Limit: recallPage})
		if err != nil {
			return fmt.Errorf("read the registered hosts: %w", err)
		}
		s.mu.Lock()
		for _, i := range page {
			if i.Address != "" {
				s.seen[i.Host()] = sighting{address: i.Address, at: now, changes: changes}
			}
		}
		s.mu.Unlock()
		if len(page) < recallPage {
			return nil
		}
		after = page[len(page)-1].Name
	}
}

// GetDeploymentSpecification says, signed, what a host is to do in a deployment that it takes part in.
func (s *Service) GetDeploymentSpecification(ctx context.Context, in *host.GetDeploymentSpecificationInput) (*host.GetDeploymentSpecificationOutput, error) {
	c, err := s.caller(ctx, in.HostIdentifier)
	if err != nil {
		return nil, err
	}
	parts := strings.SplitN(*in.DeploymentExecutionId, "/", 4)
	if len(parts) != 4 || parts[0] != "crossfade" {
		return nil, unknownCommand("DeploymentExecutionId", *in.DeploymentExecutionId)
	}
	payload, err := s.specification(ctx, c.ARN, parts[2], parts[3])
	if errors.Is(err, store.ErrNotFound) {
		return nil, unknownCommand("DeploymentExecutionId", *in.DeploymentExecutionId)
	}
	if err != nil {
		return nil, err
	}
	return &host.GetDeploymentSpecificationOutput{
		DeploymentSystem: new(commandSystem),
		DeploymentSpecification: &host.DeploymentSpecification{
			GenericEnvelope: &host.Envelope{Format: new(string(envelope.FormatSigned)), Payload: &payload},
		},
	}, nil
}

// specification is that of a deployment in which the host is the target; store.ErrNotFound when it is not.
func (s *Service) specification(ctx context.Context, host, deployment, id string) (string, error) {
	// A host that was just given a command of the target is the target, and the specification is the same for all of them.
	if s.Mailbox.Has(host, deploy.EffectKey{DeploymentID: deployment, Target: id, Kind: deploy.EffectCommand}) {
		if payload, ok := s.specifications.known(deployment); ok {
			return payload, nil
		}
	}
	target, err := s.Store.Target(ctx, deployment, id)
	if err == nil && target.Host != host {
		err = store.ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("read target %s of deployment %s: %w", id, deployment, err)
	}
	return s.specifications.of(deployment, func() (deploy.Deployment, error) {
		// Others may wait for it, so it is not for the one who asked first to give up.
		return s.Store.Deployment(context.WithoutCancel(ctx), target.Account, deployment)
	})
}

// PutHostCommandAcknowledgement says whether the agent may run the command: InProgress, or Failed when it is superseded.
func (s *Service) PutHostCommandAcknowledgement(ctx context.Context, in *host.PutHostCommandAcknowledgementInput) (*host.PutHostCommandAcknowledgementOutput, error) {
	t, err := s.open(ctx, *in.HostCommandIdentifier)
	if err != nil {
		return nil, err
	}
	status := host.CommandStatusInProgress
	r, err := s.Engine.Do(ctx, t.deployment, deploy.Acknowledged{Target: t.target, Attempt: t.attempt, Delivery: t.delivery})
	switch {
	case isRefusal(err), r.Outcome == deploy.OutcomeDropped:
		status = host.CommandStatusFailed
	case err != nil:
		return nil, fmt.Errorf("acknowledge a command of deployment %s: %w", t.deployment, err)
	}
	return &host.PutHostCommandAcknowledgementOutput{CommandStatus: &status}, nil
}

// PutHostCommandComplete takes a result. A result for a command that is over already is ignored: agents report twice.
func (s *Service) PutHostCommandComplete(ctx context.Context, in *host.PutHostCommandCompleteInput) error {
	t, err := s.open(ctx, *in.HostCommandIdentifier)
	if err != nil {
		return err
	}
	var succeeded bool
	switch *in.CommandStatus {
	case host.CommandStatusSucceeded:
		succeeded = true
	case host.CommandStatusFailed:
	default:
		return wire.Errorf(host.ClientException, "CommandStatus %s does not complete a command: send Succeeded or Failed.", *in.CommandStatus)
	}
	payload := ""
	if in.Diagnostics != nil && in.Diagnostics.Payload != nil {
		payload = *in.Diagnostics.Payload
	}
	said := diagnostics(payload, succeeded)
	if !succeeded {
		s.keepTail(ctx, t, said) // before the result, which may end the deployment
	}
	_, err = s.Engine.Do(ctx, t.deployment, deploy.Completed{
		Target: t.target, Attempt: t.attempt, Delivery: t.delivery, Succeeded: succeeded, Diagnostics: said,
	})
	if err != nil && !isRefusal(err) {
		return fmt.Errorf("complete a command of deployment %s: %w", t.deployment, err)
	}
	return nil
}

// open reads a command identifier that was made for the caller.
func (s *Service) open(ctx context.Context, identifier string) (token, error) {
	c, err := s.caller(ctx, nil)
	if err != nil {
		return token{}, err
	}
	t, ok := openToken(s.Key, c.ARN, identifier)
	if !ok {
		return token{}, unknownCommand("HostCommandIdentifier", identifier)
	}
	return t, nil
}

func unknownCommand(member, value string) error {
	return wire.Errorf(host.ClientException, "%s %q names no command of this host: send it back as PollHostCommand gave it.", member, tail(value, 128))
}

func isRefusal(err error) bool {
	var r *deploy.Refusal
	return errors.As(err, &r) || errors.Is(err, store.ErrNotFound)
}
