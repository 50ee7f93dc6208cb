// Package auth says who calls and what they may do: principals, access keys, and the decision for each operation.
//
// It owns the access keys (secrets are sealed under a key file before they reach a store, and opened only to verify a signature), the principal
// in a request's context, and the Authorizer. It verifies no signature itself: package sigv4 asks [Keys] for a secret. Keys is safe for
// concurrent use and keeps opened secrets in a bounded cache, so that a call does not read the store.
package auth

import "context"

// Kind is what a principal is.
type Kind string

// The kinds of principals. Root and operators may do everything in their account. Users and sessions of roles may do what their policies
// allow. A host may only speak the host command protocol, as itself, read the revisions of its own deployments, and renew its session. A join
// token may only make one host.
const (
	Root     Kind = "root"
	Operator Kind = "operator"
	User     Kind = "user"
	Role     Kind = "role"
	Host     Kind = "host"
	Join     Kind = "join"
)

// Principal is who signed a request.
type Principal struct {
	ARN     string `json:"arn"`
	Account string `json:"account"`
	Kind    Kind   `json:"kind"`
	// Enrolment says which enrolment a host's session comes from, so that one that was replaced can't be renewed. Empty for all others.
	Enrolment string `json:"enrolment,omitempty"`
}

// RootARN is the ARN of an account's root.
func RootARN(account string) string { return "arn:aws:iam::" + account + ":root" }

// UserARN is the ARN of a user.
func UserARN(account, name string) string { return "arn:aws:iam::" + account + ":user/" + name }

// Caller is a principal and where its request came from.
type Caller struct {
	Principal
	AccessKeyID string
	Address     string // the IP without a port
	Service     string // the signing name in the scope of the signature
	Secure      bool   // the request came over TLS
	UserAgent   string // as the client names itself; may be empty
}

type callerKey struct{}

// called is a context that carries the caller.
type called struct {
	context.Context
	caller Caller
}

// Value implements context.Context.
func (c *called) Value(key any) any {
	if key == (callerKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// WithCaller returns a context that carries the caller.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return &called{ctx, c}
}

// FromContext returns the caller that the context carries. ok is false when there is none: then the request was not authenticated.
func FromContext(ctx context.Context) (c Caller, ok bool) {
	if called, ok := ctx.Value(callerKey{}).(*called); ok {
		return called.caller, true
	}
	return Caller{}, false
}
