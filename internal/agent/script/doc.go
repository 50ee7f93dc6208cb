// Package script runs one script of a revision: as the right user, in a process group and a cgroup of its own, with a timeout, and with its
// output taken line by line.
//
// What a script leaves running when it ends in time goes on, whether it succeeded or failed: that is how applications are started, and the
// next deployment's scripts have to find what is to be stopped. What it leaves when its time is up, or when the caller stops it, is ended:
// the process group, and what became a daemon as far as there are cgroups.
//
// It owns processes and the error codes that the host command protocol has for them. It knows no AppSpec, no server and no log file. [Run]
// starts goroutines for the output and returns only after they have ended.
package script

import (
	"fmt"
	"time"

	"crossfade/internal/agent/cgroup"
)

// Code is the error code of a failed lifecycle event in the protocol's diagnostics.
type Code int

// The codes. CodeUnknown and CodeRestarted are not about scripts, but belong to the same list.
const (
	CodeSuccess       Code = 0
	CodeMissing       Code = 1
	CodeNotExecutable Code = 2
	CodeTimedOut      Code = 3
	CodeFailed        Code = 4
	CodeUnknown       Code = 5
	CodeOutputsOpen   Code = 6
	CodeRestarted     Code = 7
)

// Failure is how a script failed. Its words are those of the official agent where it has some.
type Failure struct {
	Code     Code
	Location string // as the AppSpec names it
	Message  string
}

func (f *Failure) Error() string { return f.Message }

func fail(s Script, code Code, format string, args ...any) *Failure {
	return &Failure{Code: code, Location: s.Location, Message: fmt.Sprintf(format, args...)}
}

// Script is what to run.
type Script struct {
	Path     string // absolute
	Location string // for messages
	Timeout  time.Duration
	RunAs    string // a user's name; empty: as the agent
	Sudo     bool
	Env      []string // all of it; later entries win

	Cgroups *cgroup.Groups // where the script gets a group of its own; nil: it gets a process group only
}

// Output takes what a script writes, a line at a time without its end; very long lines come in parts. Calls never overlap.
type Output func(stream Stream, line string)

// Stream names where a line came from.
type Stream string

// The streams.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

const (
	// stopGrace is how long a script that is told to stop may take before it is killed.
	stopGrace = 5 * time.Second
	// lastWords is how long the output of a script that ended badly may stay open before its end is taken for granted.
	lastWords = time.Second
	// longestLine is where a line is cut in parts, in bytes.
	longestLine = 32 << 10
)
