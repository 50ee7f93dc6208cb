// Package alarm is the port to the alarms that stop deployments: which of the named ones are raised now.
//
// It owns the contract, and the joining of several sources into one. Drivers answer when they are asked and keep nothing; the engine decides when
// to ask and what an answer means. A source is safe for concurrent use, answers or gives up within a bounded time, and owns no goroutine.
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
	// States returns the state of each of the named alarms that there is. A name that is not in the answer does not exist. An error says that
	// the state of at least one is not known, and comes without an answer, unless another of them is in ALARM: see [Answer].
	States(ctx context.Context, names []string) (map[string]State, error)
}
