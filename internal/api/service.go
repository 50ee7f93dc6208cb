package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crossfade/internal/awsjson"
	"crossfade/internal/deploy"
	"crossfade/internal/engine"
	"crossfade/internal/fleet"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// Caller is who signed the request.
type Caller struct {
	Account string // twelve digits
	ARN     string
}

// Engine is the door through which deployments are made and moved.
type Engine interface {
	Create(ctx context.Context, spec deploy.Spec) (engine.Result, error)
	Do(ctx context.Context, id string, what deploy.What) (engine.Result, error)
	// Preview finds what a deployment would run on now, changing nothing.
	Preview(ctx context.Context, spec deploy.Spec) (deploy.Resolved, error)
}

// Finder finds the instances that a selection picks.
type Finder interface {
	Find(ctx context.Context, account string, s deploy.Selection) ([]fleet.Instance, error)
}

// Scaling is the Auto Scaling groups that there are.
type Scaling interface {
	Groups(ctx context.Context, account string, names []string) ([]fleet.Group, error)
	RemoveHook(ctx context.Context, account, group, hook string) error
}

// Triggers tries triggers out.
type Triggers interface {
	// TestTrigger sends a test by the trigger, later. That it can't is the operator's to see, not the caller's, whose group is there already.
	TestTrigger(ctx context.Context, g deploy.Group, t deploy.Trigger)
}

// IDs draws identifiers.
type IDs interface {
	// UUID returns a version 4 UUID in lower case.
	UUID() string
	// Letters returns n random characters of A-Z and 0-9.
	Letters(n int) string
}

// Config is what a Service needs. Scaling may be nil: then there are no Auto Scaling groups; so may Triggers: then none is
// tried out. All else is required.
type Config struct {
	Store  store.Store
	Engine Engine
	Fleet  Finder
	// Scaling knows the Auto Scaling groups that deployment groups may name.
	Scaling Scaling
	// Triggers tries out those that are added to a group or changed.
	Triggers Triggers
	// Changed is told that a deployment group was made or changed, an instance was registered, or its tags have changed; nil: nobody is. It must
	// not block.
	Changed func()
	// Caller tells who signed the request of the context.
	Caller func(ctx context.Context) Caller
	Now    func() time.Time
	IDs    IDs
	Region string
	// TokenKey signs next tokens: at least 16 bytes, the same on all servers of one store and across restarts.
	TokenKey []byte
	// Sealer seals GitHub tokens; each is owned by its GitHubTokenOwner.
	Sealer Sealer
}

// The quotas, per account unless said otherwise.
const (
	maxApplications = 1000
	maxConfigs      = 200
	maxGroups       = 1000 // per application
	pageSize        = 100
)

// Service implements the operations.
type Service struct {
	cfg      Config
	declared map[string]*wire.Operation
}

var _ control.Service = (*Service)(nil)

// New returns a service.
func New(cfg Config) (*Service, error) {
	switch {
	case cfg.Store == nil || cfg.Engine == nil || cfg.Fleet == nil || cfg.Caller == nil || cfg.Now == nil || cfg.IDs == nil || cfg.Sealer == nil || cfg.Region == "":
		return nil, errors.New("make the control API: every member of its Config is required")
	case len(cfg.TokenKey) < 16:
		return nil, fmt.Errorf("make the control API: the token key has %d bytes, and at least 16 are required", len(cfg.TokenKey))
	}
	s := &Service{cfg: cfg, declared: map[string]*wire.Operation{}}
	operations := control.Describe(s).Operations
	for i := range operations {
		s.declared[operations[i].Name] = &operations[i]
	}
	return s, nil
}

// Explain leaves every broken constraint to the operation, which reports it in its place among its own checks. It is the codec's Explain
// for this service.
func Explain(awsjson.Route, wire.Violation) error { return nil }

func (s *Service) account(ctx context.Context) string { return s.cfg.Caller(ctx).Account }

// now is the present time as it is stored: whole milliseconds, so that what is read back equals what was answered.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }

// value returns what p points to, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// optional returns nil, which is absent on the wire, for the zero value.
func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
