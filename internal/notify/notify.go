// Package notify is the port to those who are told of deployments, and the words in which they are told.
//
// It owns what a [Sink] is given and must do, which sink a trigger's topic leads to ([Routes]), and the three documents that Crossfade sends: the
// message of a trigger and its test, as CodeDeploy sends them to SNS topics, and the state-change event, as it comes from EventBridge ([Words]).
// It sends nothing by itself: sns and webhook are the sinks, outbox brings messages to them, stream serves the events to whoever listens;
// notifytest is the suite that each sink passes. Everything here is a pure function or a value; nothing holds a lock or a goroutine.
package notify

import (
	"context"
	"errors"
	"time"
)

// Message is what a sink is given.
type Message struct {
	// ID names the message; it is the same whenever the message is sent again.
	ID string
	// At is when it happened.
	At time.Time
	// Topic is the ARN that the trigger names; empty for a state-change event.
	Topic string
	// Order is what the message is about: messages of the same order are sent one after the other. Never empty.
	Order string
	// Subject is a line for people; empty for a state-change event.
	Subject string
	// Body is a JSON document.
	Body []byte
}

// Sink sends messages to one kind of receiver. Send returns nil once the receiver has taken the message, and must give up when the context ends.
// An error that IsPermanent says that sending the same message again would be in vain; any other that it may be tried again. Errors name the
// receiver and no secret. A message may be sent twice. Send is safe for concurrent use.
type Sink interface {
	Send(ctx context.Context, m Message) error
}

// permanentError marks an error as final.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// Permanent marks an error of a Sink as one that trying again won't help; nil stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanentError{err}
}

// IsPermanent reports whether an error is marked as Permanent.
func IsPermanent(err error) bool {
	var p permanentError
	return errors.As(err, &p)
}
