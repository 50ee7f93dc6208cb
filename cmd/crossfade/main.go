// Command crossfade is everything in one binary: the server, the host agent, the demo and the operator's tools, a small file for each
// sub-command. It is the only place that reads the environment and joins what is configured with what runs.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// The exit codes, part of the interface that scripts rely on.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// After the first signal, which asks to end in good order, a second one ends at once.
	context.AfterFunc(ctx, stop)
	return execute(ctx)
}

func execute(ctx context.Context) int {
	ran := false
	root := newRootCommand(&ran)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	var code exitCode
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.Is(err, errReported):
		return exitFailed
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintln(os.Stderr, "crossfade:", err)
	if !ran || errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// usageError is a mistake in flags, arguments, environment or configuration: nothing was done.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

var (
	// errInterrupted ends a command that a signal ended before its work was done.
	errInterrupted = errors.New("interrupted")
	// errReported ends a command that has said already what went wrong.
	errReported = errors.New("reported")
)
