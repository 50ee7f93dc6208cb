package auth

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"crossfade/internal/policy"
)

// The services of the endpoint, by their signing names.
const (
	ServiceControl     = "codedeploy"
	ServiceHost        = "codedeploy-commands"
	ServiceHostSecured = "codedeploy-commands-secure"
	ServiceRevisions   = "s3"
	ServiceIdentities  = "iam"
	ServiceSessions    = "sts"
	ServiceOperator    = "crossfade"
)

// The operations that not only those may use whose policies name them, and those of proxies, which call them all the time.
const (
	RenewHostCredentials = "RenewHostCredentials" // crossfade: a host renews its own session
	EnrollHost           = "EnrollHost"           // crossfade: a join token makes its host
	FollowTargetGroups   = "FollowTargetGroups"   // crossfade: a proxy asks for what is new
	ReportTargetGroups   = "ReportTargetGroups"   // crossfade: a proxy tells what it observes
	GetCallerIdentity    = "GetCallerIdentity"    // sts: everybody may ask who they are, as with AWS
)

// Access is a permission that a call needs.
type Access struct {
	Service   string // signing name
	Operation string // as policies name the action, without the service
	Resource  string // an ARN, or * for what has none
	// Keys are condition keys that only this access has, such as aws:RequestTag/team, by their names in lower case; nil: none.
	Keys map[string][]string
	// Version is that of the object which is to be read; empty: the present one, or no object.
	Version string
}

// Action is how policies name what is to be done.
func (a Access) Action() string { return a.Service + ":" + a.Operation }

// DeniedError refuses a permission to a principal. Its words are IAM's, and they name the statement, if there is one, that denied.
type DeniedError struct {
	Principal string
	Action    string // service:Operation
	Resource  string
	Why       string // "because …" or "with an explicit deny …"; may be empty
}

func (e *DeniedError) Error() string {
	text := fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s", e.Principal, e.Action, e.Resource)
	if e.Why != "" {
		text += " " + e.Why
	}
	return text
}

// Policies finds what is attached to a user, or to the role of a session.
type Policies interface {
	Policies(ctx context.Context, p Principal) ([]policy.Named, error)
}

// Hosts knows the registered instances' identities.
type Hosts interface {
	// IsHost reports whether a registered instance has the identity.
	IsHost(ctx context.Context, arn string) (bool, error)
	// MayRead reports whether an unfinished deployment brings the object to the host of the identity. The version is empty for the present one.
	MayRead(ctx context.Context, arn, bucket, key, version string) (bool, error)
}

// Authorizer decides what callers may do. It is safe for concurrent use. All members are required.
type Authorizer struct {
	Policies Policies
	Hosts    Hosts
	Region   string
	Now      func() time.Time
}

// Unrestricted reports whether the principal may do everything in its account, so that nobody need find out what a call is about.
func Unrestricted(p Principal) bool { return p.Kind == Root || p.Kind == Operator }

// Reads reports whether an operation of a JSON service, by its name, changes nothing.
func Reads(operation string) bool {
	return slices.ContainsFunc([]string{"Get", "List", "BatchGet"}, func(prefix string) bool { return strings.HasPrefix(operation, prefix) })
}

// verdict is a decision with its reason, as a sentence goes on after the resource.
type verdict struct {
	allowed        bool
	statement, why string
}

// Authorize decides whether the context's caller has all the permissions. The error is a *DeniedError for the first one it lacks, or says why it
// can't be told. What was decided is kept in the context (WithDecisions).
func (a *Authorizer) Authorize(ctx context.Context, needed ...Access) error {
	caller, ok := FromContext(ctx)
	if !ok {
		return fmt.Errorf("authorize %v without a caller", needed)
	}
	for _, access := range needed {
		v, err := a.judge(ctx, caller, access)
		if err != nil {
			return fmt.Errorf("decide whether %s may perform %s: %w", caller.ARN, access.Action(), err)
		}
		note(ctx, Decision{Action: access.Action(), Resource: access.Resource, Allowed: v.allowed, Statement: v.statement})
		if !v.allowed {
			return &DeniedError{Principal: caller.ARN, Action: access.Action(), Resource: access.Resource, Why: v.why}
		}
	}
	return nil
}

// judge is the order in which the rules count. What a principal is by its nature comes first; then its policies decide.
func (a *Authorizer) judge(ctx context.Context, c Caller, access Access) (verdict, error) {
	switch {
	case Unrestricted(c.Principal):
		return verdict{allowed: true, statement: "the account's root"}, nil
	case access.Service == ServiceSessions && access.Operation == GetCallerIdentity:
		return verdict{allowed: true, statement: "everybody"}, nil
	case c.Kind == Join:
		return only(access.Action() == ServiceOperator+":"+EnrollHost, "join tokens", "because a join token makes a host and nothing else"), nil
	case c.Kind == Host:
		return a.host(ctx, c, access)
	case c.Kind != User && c.Kind != Role:
		return verdict{why: "because it is no user, no role's session and no host"}, nil
	}
	policies, err := a.Policies.Policies(ctx, c.Principal)
	if err != nil {
		return verdict{}, err
	}
	var d policy.Decision // of no policy: nothing is allowed, and nothing denied
	if len(policies) > 0 {
		d = policy.Decide(policies, policy.Request{Action: access.Action(), Resource: access.Resource, Keys: a.keys(c, access)})
	}
	switch {
	case d.Effect == policy.Deny:
		return verdict{statement: d.Statement, why: "with an explicit deny in the policy statement " + d.Statement}, nil
	case access.Service == ServiceHost:
		// The plain agent protocol knows no actions: who is no host gets no work (CodeDeploy user guide).
		return verdict{allowed: true, statement: "hosts"}, nil
	case access.Service == ServiceHostSecured && d.Effect == policy.Allow:
		return verdict{allowed: true, statement: d.Statement}, nil
	}
	registered, err := a.Hosts.IsHost(ctx, c.ARN)
	switch {
	case err != nil:
		return verdict{}, err
	case registered:
		return a.host(ctx, c, access)
	case d.Effect == policy.Allow:
		return verdict{allowed: true, statement: d.Statement}, nil
	default:
		return verdict{why: "because no policy allows the " + access.Action() + " action"}, nil
	}
}

// host is what a host may do: speak its protocol, read what its deployments bring it, renew its session. Package hostapi holds each host to
// its own identity.
func (a *Authorizer) host(ctx context.Context, c Caller, access Access) (verdict, error) {
	const rule = "hosts"
	switch access.Service {
	case ServiceHost:
		return verdict{allowed: true, statement: rule}, nil
	case ServiceHostSecured:
		return only(c.Kind == Host, rule, "because no policy allows the "+access.Action()+" action"), nil
	case ServiceOperator:
		return only(c.Kind == Host && access.Operation == RenewHostCredentials, rule, "because a host may only speak the agents' protocol"), nil
	case ServiceRevisions:
		object, ok := strings.CutPrefix(access.Resource, objectPrefix)
		bucket, key, isObject := strings.Cut(object, "/")
		if !ok || !isObject || access.Operation != getObject && access.Operation != getObjectVersion {
			return verdict{why: "because a host may only read revisions"}, nil
		}
		own, err := a.Hosts.MayRead(ctx, c.ARN, bucket, key, access.Version)
		return only(own, rule, "because no deployment under way brings it to this host"), err
	default:
		return verdict{why: "because a host may only speak the agents' protocol"}, nil
	}
}

func only(allowed bool, statement, why string) verdict {
	if allowed {
		return verdict{allowed: true, statement: statement}
	}
	return verdict{why: why}
}

// needs is a list of permissions for one operation of a service on several resources.
func needs(service, operation string, resources ...string) []Access {
	out := make([]Access, len(resources))
	for i, r := range resources {
		out[i] = Access{Service: service, Operation: operation, Resource: r}
	}
	return slices.Clip(out)
}
