// Package lifecycle carries out one lifecycle event of a deployment on this host: which revision's scripts run, what downloading and installing
// mean, what is said of how it ended. The agent does it when a server says so, crossfade local when a person does.
//
// It owns the table of events (events.go), the rules of the host command protocol about them, and the words of the diagnostics. It speaks to no
// server, keeps no list of what ran, and decides neither which event comes next nor whether two may run at the same time: the caller holds all
// events on the host apart (hostlock), since two applications may well write to the same places.
//
// A [Host] is safe for concurrent use once its fields are set. It starts no goroutine that outlives a call.
package lifecycle

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"crossfade/internal/agent/archive"
	"crossfade/internal/agent/bundle"
	"crossfade/internal/agent/cgroup"
	"crossfade/internal/agent/install"
	"crossfade/internal/agent/rootdir"
	"crossfade/internal/agent/script"
	"crossfade/internal/agent/scriptlog"
	"crossfade/internal/envelope"
)

// Host is this host, and how events are carried out on it.
type Host struct {
	Dir        *rootdir.Dir
	Installer  install.Installer
	Bundles    *bundle.Fetcher
	ScriptsLog *scriptlog.Shared // of all deployments; nil: scripts are logged with their deployments only
	Limits     archive.Limits    // of what a bundle may unpack to

	// Environ is what scripts inherit, as "KEY=value"; what a lifecycle event sets wins over it.
	Environ      []string
	Cgroups      *cgroup.Groups // for scripts; nil: they get process groups only
	MaxRevisions int            // how many deployments of a group stay on disk; at least 1
	// Custom are lifecycle events beyond [Events]. A server has none; they run the current revision's scripts.
	Custom []string

	Now func() time.Time
	Log *slog.Logger
}

// Work carries out an event that was prepared. What the event's scripts write goes to the output as it is written.
type Work func(ctx context.Context, out Output) error

// Output takes what the scripts of an event write, while they run. Calls of one event never overlap, and must not take long: the script waits.
type Output interface {
	// Script says that a script begins, by its location in the AppSpec. All lines up to the next one are its own.
	Script(location string)
	// Line is one line without its end; very long ones come in parts.
	Line(stream script.Stream, text string)
}

// Discard is an output for which nobody waits.
type Discard struct{}

// Script does nothing.
func (Discard) Script(string) {}

// Line does nothing.
func (Discard) Line(script.Stream, string) {}

// unsupported is how the official agent says that it knows no such lifecycle event.
const unsupported = "Unsupported command type"

// Prepare finds out what is to be done at an event, and does none of it. Nil: nothing, because there are no scripts for it.
func (h *Host) Prepare(name string, spec envelope.Specification) (Work, error) {
	e, known := h.findEvent(name)
	if !known {
		return nil, fmt.Errorf("%s: %s", unsupported, name)
	}
	switch e.do {
	case downloadBundle:
		return func(ctx context.Context, _ Output) error { return h.download(ctx, spec) }, nil
	case installFiles:
		return func(ctx context.Context, _ Output) error { return h.install(ctx, spec) }, nil
	default:
		found, err := h.newHooks(e, spec)
		if err != nil || len(found.scripts) == 0 {
			return nil, err
		}
		return found.run, nil
	}
}
