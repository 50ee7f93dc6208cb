package wire

import (
	"context"
	"fmt"
)

// Code is the name of an exception as it stands in "__type", for example "DeploymentDoesNotExistException".
type Code string

// Error is an answer other than success. An operation returns one (wrapped or not) to answer with a modelled exception; every other error
// is an unexpected fault to the codec.
type Error struct {
	Code Code
	// Message is one clear sentence for the caller.
	Message string
	// Status is the HTTP status; 0 means the one that the service gives to the code.
	Status int
}

// Error returns the code and the message.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Errorf returns an *Error with a formatted message and the service's own HTTP status.
func Errorf(code Code, format string, args ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Input is a pointer to the generated input structure of an operation.
type Input interface {
	// Validate returns every constraint of the model that the input breaks: first the required members of the input itself that are missing,
	// then everything else, both in the order of the model's members. A valid input returns nil.
	Validate() []Violation
}

// Operation describes one operation, bound to an implementation of its service.
type Operation struct {
	// Name is the operation's name, the part of X-Amz-Target after the dot, or the Action of the query protocol.
	Name string
	// HasOutput is false for an operation without an output shape: success is HTTP 200 with a body of zero length.
	HasOutput bool
	// Errors lists the exceptions that the operation declares, in the model's order.
	Errors []Code
	// New returns an empty input to decode into.
	New func() Input
	// Call runs the operation with an input that New made. The output is nil when HasOutput is false.
	Call func(ctx context.Context, in Input) (out any, err error)
}

// Declares reports whether the operation lists the exception.
func (o *Operation) Declares(code Code) bool {
	for _, c := range o.Errors {
		if c == code {
			return true
		}
	}
	return false
}

// Service describes a service, bound to an implementation.
type Service struct {
	// Name is the service's id, "CodeDeploy".
	Name string
	// TargetPrefixes are the accepted parts of X-Amz-Target before the dot; the first one is canonical. Nil for a service of the query protocol.
	TargetPrefixes []string
	// Version is the value of the Version parameter, and Namespace that of the answers' XML, of a service of the query protocol.
	Version, Namespace string
	// SigningNames are the service names accepted in the credential scope of a signature; the first one is canonical.
	SigningNames []string
	// Operations in the order of the model.
	Operations []Operation
	// Status returns the HTTP status of an exception of this service.
	Status func(Code) int
}

// Op describes an operation that answers with an output shape.
func Op[I, O any, P interface {
	*I
	Input
}](name string, call func(context.Context, *I) (*O, error), errors ...Code) Operation {
	return Operation{
		Name:      name,
		HasOutput: true,
		Errors:    errors,
		New:       func() Input { return P(new(I)) },
		Call: func(ctx context.Context, in Input) (any, error) {
			typed, ok := in.(P)
			if !ok {
				return nil, fmt.Errorf("call %s with an input of type %T", name, in)
			}
			out, err := call(ctx, (*I)(typed))
			if err != nil {
				return nil, err
			}
			if out == nil {
				return nil, fmt.Errorf("call %s: neither an output nor an error came back", name)
			}
			return out, nil
		},
	}
}

// Void describes an operation without an output shape.
func Void[I any, P interface {
	*I
	Input
}](name string, call func(context.Context, *I) error, errors ...Code) Operation {
	return Operation{
		Name:   name,
		Errors: errors,
		New:    func() Input { return P(new(I)) },
		Call: func(ctx context.Context, in Input) (any, error) {
			typed, ok := in.(P)
			if !ok {
				return nil, fmt.Errorf("call %s with an input of type %T", name, in)
			}
			return nil, call(ctx, (*I)(typed))
		},
	}
}
