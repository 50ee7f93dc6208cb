package auth

import (
	"fmt"
	"slices"
)

// DeniedError refuses an operation to a principal.
type DeniedError struct {
	Principal string
	Action    string // service:Operation
	Resource  string
}

func (e *DeniedError) Error() string {
	return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s", e.Principal, e.Action, e.Resource)
}

// The services of the endpoint, by their signing names.
const (
	ServiceControl     = "codedeploy"
	ServiceHost        = "codedeploy-commands"
	ServiceHostSecured = "codedeploy-commands-secure"
	ServiceRevisions   = "s3"
	ServiceOperator    = "crossfade"
)

// The operator's operations that not only operators may use.
const (
	RenewHostCredentials = "RenewHostCredentials" // a host renews its own session
	EnrollHost           = "EnrollHost"           // a join token makes its host
)

// hostMay is what a host may do: speak its protocol, and read bundles.
var hostMay = map[string][]string{
	ServiceHost:        nil, // everything: hostapi holds each host to its own identity
	ServiceHostSecured: nil,
	ServiceRevisions:   {"GetObject", "HeadObject"},
}

// Unrestricted reports whether the principal may do everything in its account, so that nobody need find out what a call is about.
func Unrestricted(p Principal) bool { return p.Kind == Root || p.Kind == Operator }

// Authorize decides whether the principal may perform the operation of the service on the resource. The error is a *DeniedError. Policies by
// operation and resource will be decided here; until then an account's root and operators may do everything in their account, except that the
// host protocol is for hosts.
func Authorize(p Principal, service, operation, resource string) error {
	if Unrestricted(p) {
		return nil
	}
	if operations, ok := hostMay[service]; p.Kind == Host && ok && (operations == nil || slices.Contains(operations, operation)) {
		return nil
	}
	return &DeniedError{Principal: p.ARN, Action: service + ":" + operation, Resource: resource}
}
