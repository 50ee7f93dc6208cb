// Package explain says in one place why a deployment failed, was stopped or waits: the chain from the deployment over the stage, the
// instance and the lifecycle event to the cause, the last log lines and what to do next.
//
// It is pure: it works on what the control API shows, so it needs no right beyond reading and explains deployments of any age. It never
// calls, reads a clock or prints of its own accord, and may be used by any number of goroutines. Instances are started one by one as places
// become free, so the chain says as which of its stage an instance was started; there are no waves that a reader could be shown.
package explain

import (
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/wire/control"
)

// Input is what there is to know of a deployment.
type Input struct {
	Info    control.DeploymentInfo
	Targets []control.InstanceTarget
	// Config is the deployment config; nil when it is gone, which leaves the minimum out of the arithmetic.
	Config *control.DeploymentConfigInfo
	// Ahead are the unfinished deployments of the group that a Queued one waits for, the oldest first.
	Ahead []Ahead
	// Holders names, for an instance, the other deployment that has its host now: a host serves one deployment at a time.
	Holders map[string]string
	Now     time.Time
	// Options are appended to each command to type, such as "--endpoint-url http://127.0.0.1:8470"; empty: nothing.
	Options string
}

// Ahead is a deployment that another one of its group waits for.
type Ahead struct {
	DeploymentID string
	Status       control.DeploymentStatus
}

// Explanation is the whole chain. Lists are in the order to read them.
type Explanation struct {
	DeploymentID string    `json:"deploymentId"`
	Application  string    `json:"application"`
	Group        string    `json:"group"`
	Config       string    `json:"config"`
	Status       string    `json:"status"`
	At           time.Time `json:"at"` // when it was so
	// Summary says how the deployment stands and why.
	Summary      string       `json:"summary"`
	ErrorCode    string       `json:"errorCode,omitempty"`
	ErrorMessage string       `json:"errorMessage,omitempty"`
	Arithmetic   []Arithmetic `json:"arithmetic,omitempty"`
	Failures     []Failure    `json:"failures,omitempty"`
	Waiting      []Wait       `json:"waiting,omitempty"`
	Rollback     string       `json:"rollback,omitempty"`
	Messages     []string     `json:"messages,omitempty"`
	Next         []string     `json:"next"`

	hints []string // what to do that belongs to no failure, wait or code
}

// Arithmetic is the count of one stage of a deployment, as its health rule sees it.
type Arithmetic struct {
	Stage       Stage  `json:"stage"`
	Environment string `json:"environment"`
	Total       int    `json:"total"` // instances that the stage is for
	Succeeded   int    `json:"succeeded"`
	Failed      int    `json:"failed"`
	Rest        int    `json:"rest"`             // neither: under way, or never started
	Needed      *int   `json:"needed,omitempty"` // that must succeed; nil: not known any more
	Sentence    string `json:"sentence"`
}

// Failure is an instance that failed, with the lifecycle event and the cause.
type Failure struct {
	Instance    string `json:"instance"`
	Environment string `json:"environment"`
	Stage       Stage  `json:"stage"`
	// Place says as which instance of its stage it was started, from 1; 0: not known.
	Place     int    `json:"place,omitempty"`
	Event     string `json:"event"`
	Cause     Cause  `json:"cause"`
	Says      string `json:"says"` // the cause in a sentence
	ErrorCode string `json:"errorCode"`
	Script    string `json:"script,omitempty"`
	Message   string `json:"message"`
	// Log is the end of what the script wrote, at most logLines lines.
	Log []string `json:"log,omitempty"`
	// Logs is the command that shows all of the log; empty: there is none.
	Logs string `json:"logs,omitempty"`
	Next string `json:"next"`

	at    time.Time     // when it failed
	limit time.Duration // how long the event had
}

// Wait is one thing that an unfinished deployment waits for.
type Wait struct {
	For         string     `json:"for"`
	Instance    string     `json:"instance,omitempty"`
	Environment string     `json:"environment,omitempty"`
	Event       string     `json:"event,omitempty"`
	Since       *time.Time `json:"since,omitempty"`
	Until       *time.Time `json:"until,omitempty"`   // when it ends by itself; nil: not known or never
	Command     string     `json:"command,omitempty"` // what ends the wait
}

// logLines is how many lines of a log are shown.
const logLines = 10

// shown is how many instances of a kind the text names; the JSON has all.
const shown = 10

// Cause is what kind of thing went wrong.
type Cause string

// The causes.
const (
	CauseAgentDead      Cause = "AgentDead"      // the agent never asked for the command
	CauseAgentSilent    Cause = "AgentSilent"    // the agent took the command and did not report
	CauseAgentRestarted Cause = "AgentRestarted" // the agent was restarted in the middle of the event
	CauseScript         Cause = "Script"
	CauseScriptTimeout  Cause = "ScriptTimeout"
	CauseScriptOutput   Cause = "ScriptOutput" // it ended, and something that it started keeps its output open
	CauseAppSpec        Cause = "AppSpec"      // a script that the AppSpec names is missing or can't be run
	CauseDownload       Cause = "Download"
	CauseInstall        Cause = "Install"
	CauseLoadBalancer   Cause = "LoadBalancer"
	CauseUnknown        Cause = "Unknown"
)

// Stage is a part of a deployment that its instances go through.
type Stage string

// The stages.
const (
	StageDeploy   = Stage(deploy.PhaseDeploy)
	StageInstall  = Stage(deploy.PhaseInstall)
	StageReroute  = Stage(deploy.PhaseReroute)
	StageBlock    = Stage(deploy.PhaseBlock)
	StageRestore  = Stage(deploy.PhaseRestore)
	StageWithdraw = Stage(deploy.PhaseWithdraw)
)

var stageWords = map[Stage]string{
	StageDeploy:   "deploying in place",
	StageInstall:  "installing the revision",
	StageReroute:  "rerouting traffic to it",
	StageBlock:    "taking it out of traffic",
	StageRestore:  "giving it its traffic back",
	StageWithdraw: "taking it out of traffic again",
}

// The environments.
const (
	original    = "original"
	replacement = "replacement"
	inPlace     = "in-place"
)
