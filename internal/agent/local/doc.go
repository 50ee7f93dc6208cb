// Package local deploys a bundle or a directory on this host with no server, as the official codedeploy-local does: the same locations, the same
// events in the same order, and the same rules about them.
//
// It owns what a person may ask for and what deployment specification that makes, and the order in which the events are carried out by package
// lifecycle. The whole deployment has the host's lock, so that it never runs into a lifecycle event of an agent with the same root directory. It keeps
// no progress: an agent that starts after a crash must not report what no server knows of.
//
// It reads no environment and prints nothing. A [Deployer] carries out one deployment at a time.
package local

import (
	"time"

	"crossfade/internal/agent/hostlock"
	"crossfade/internal/agent/lifecycle"
	"crossfade/internal/agent/script"
)

// The defaults of codedeploy-local.
const (
	DefaultGroup     = "default-local-deployment-group"
	DefaultGroupName = "LocalFleet"
)

// Request is what a person asks for.
type Request struct {
	// Location is a path of this host, s3://bucket/key[?versionId=…&etag=…], https://github.com/OWNER/REPOSITORY, or
	// https://api.github.com/repos/OWNER/REPOSITORY/(tarball|zipball)/COMMIT. Empty: the current directory.
	Location string
	// Type is directory, zip, tar or tgz. Empty: as the location looks.
	Type        string
	Behavior    string   // DISALLOW, OVERWRITE or RETAIN; empty: DISALLOW
	GroupID     string   // names the group's directory; empty: DefaultGroup
	GroupName   string   // for the scripts; empty: DefaultGroupName
	Application string   // for the scripts; empty: the location
	Events      []string // empty: all
	AppSpec     string   // name of the AppSpec file; empty: appspec.yml or appspec.yaml

	GitHubToken string // empty: as anybody
}

// Outcome is how an event ended.
type Outcome struct {
	Event       string
	Status      Status
	Duration    time.Duration
	Scripts     int                   // that began
	Diagnostics lifecycle.Diagnostics // of one that failed
}

// Status is how an event ended, in a word.
type Status string

// The statuses.
const (
	Succeeded Status = "succeeded"
	Failed    Status = "failed"
	Nothing   Status = "nothing to do"
)

// Teller is told how a deployment goes on.
type Teller interface {
	// Waiting says that another event on this host has to end first.
	Waiting(on hostlock.Holder)
	Begins(event string)
	Script(event, location string)
	Line(stream script.Stream, text string)
	Ends(Outcome)
}
