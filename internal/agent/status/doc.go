// Package status lets people see on a host what its agent is doing: the agent writes it into a file of its root directory, and crossfade agent
// status reads that, even where the agent runs as another user or does not run at all.
//
// It owns the file, crossfade/status.json below the root directory, which appears whole or not at all and holds no secret. It is written when
// something changes, at most once a second; polls alone count as a change every 30 seconds, so an idle agent writes twice a minute. Writing
// holds nobody up, and a disk that is full is no reason for an agent to stop: it is logged once. The file is never read to decide anything.
//
// A [Board] is safe for concurrent use and writes from timers; Close waits for them.
package status

import "time"

// Snapshot is what the file holds.
type Snapshot struct {
	Agent
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Written time.Time `json:"written"`
	// Stopped is when the agent ended in good order; zero: it has not.
	Stopped time.Time `json:"stopped,omitzero"`

	LastPoll time.Time `json:"lastPoll,omitzero"` // the last that the server answered
	// LastError is the last thing that went wrong between agent and server.
	LastError *Trouble `json:"lastError,omitempty"`
	// Unreachable says that nothing was answered since the last error.
	Unreachable bool `json:"unreachable"`

	Running  []Event `json:"running"`  // at most one, unless it touches nothing on the host
	Waiting  []Event `json:"waiting"`  // for their turn
	Finished []Event `json:"finished"` // the latest first, also of earlier runs of the agent
	// Groups are the deployment groups that the agent has met, by their ids.
	Groups map[string]Group `json:"groups"`
}

// Agent is what an agent says of itself.
type Agent struct {
	Version  string `json:"version"`
	Endpoint string `json:"endpoint"`
	Identity string `json:"identity"`
	Root     string `json:"root"`
}

// Trouble is an error with its time.
type Trouble struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Group is how people call a deployment group.
type Group struct {
	Application string    `json:"application"`
	Name        string    `json:"name"`
	Seen        time.Time `json:"seen"`
}

// Event is a lifecycle event on this host.
type Event struct {
	Name       string    `json:"event"`
	Deployment string    `json:"deployment"`
	GroupID    string    `json:"groupId"`
	Group      string    `json:"group"`
	App        string    `json:"application"`
	Script     string    `json:"script,omitempty"` // that runs, as the AppSpec names it
	Since      time.Time `json:"since"`            // when it came; of one that runs or ran, when it began
	Ended      time.Time `json:"ended,omitzero"`
	Outcome    Outcome   `json:"outcome,omitempty"`
	Error      string    `json:"error,omitempty"`
}

// Outcome is how an event ended.
type Outcome string

// The outcomes.
const (
	Succeeded Outcome = "succeeded"
	Failed    Outcome = "failed"
	Nothing   Outcome = "nothing to do" // there are no scripts for it
	Dropped   Outcome = "dropped"       // the server no longer wanted it, or could not be reached
)

const (
	// name of the file below the root directory, beside what else is ours alone.
	name = "crossfade/status.json"

	mostFinished = 20
	mostGroups   = 100
	longestError = 500 // in bytes

	changeEvery = time.Second
	pollEvery   = 30 * time.Second
)
