// Package fleet is the port to the instances that deployments run on: find them, know where they serve, terminate them.
//
// It owns the contract. A driver knows one kind of instance; Registered, here, knows the on-premises instances that were registered over the
// API and needs nothing else. Drivers are safe for concurrent use.
package fleet

import (
	"context"
	"errors"

	"crossfade/internal/deploy"
)

// ErrUnknownGroup is wrapped when there is no Auto Scaling group of the name.
var ErrUnknownGroup = errors.New("unknown Auto Scaling group")

// Instance is what a deployment needs to know of an instance.
type Instance struct {
	Name string
	ARN  string
	Host string // the identity that its agent signs with
	Zone string // the availability zone; empty: none, or not known
}

// Fleet finds and ends instances.
type Fleet interface {
	// Find returns the instances that the selection picks, ordered by name. None is no error.
	Find(ctx context.Context, account string, s deploy.Selection) ([]Instance, error)
	// Lookup returns those of the named instances that there are, ordered as named.
	Lookup(ctx context.Context, account string, names []string) ([]Instance, error)
	// Address is where the load balancer finds the instance (IP or IP:port), or empty when it isn't known yet.
	Address(ctx context.Context, account, name string) (string, error)
	// Terminate ends the instances and says, a sentence each, which could not be ended and why. It may be asked twice. An error means that
	// it is worth trying again.
	Terminate(ctx context.Context, account string, names []string) (notes []string, err error)
}
