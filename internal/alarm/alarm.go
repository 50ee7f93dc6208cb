// Package alarm is the port to the alarms that stop deployments: which of the named ones are raised now.
//
// It owns the contract. Drivers answer when they are asked and keep nothing; the engine decides when to ask and what an answer means.
package alarm

import (
	"context"
	"errors"
)

// State is the state of an alarm.
type State string

// The states. Only StateAlarm stops a deployment.
const (
	StateOK           State = "OK"
	StateAlarm        State = "ALARM"
	StateInsufficient State = "INSUFFICIENT_DATA"
)

// The errors that callers tell apart. Drivers wrap them.
var (
	// ErrDenied: the source refuses to answer with these credentials.
	ErrDenied = errors.New("access to the alarms is denied")
	// ErrThrottled: the source was asked too often.
	ErrThrottled = errors.New("the alarm source is throttling")
)

// Source tells the state of alarms.
type Source interface {
	// States returns the state of each of the named alarms that there is. A name that is not in the answer does not exist.
	States(ctx context.Context, names []string) (map[string]State, error)
}
