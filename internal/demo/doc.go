// Package demo shows the main job on one machine: a server, its load balancer and four host agents in a temporary directory, the sample
// application deployed as v1 in place and then as v2 blue/green, under a steady stream of requests, drawn as it happens.
//
// It owns the stage (addresses, directories, hosts), the play (which deployments, in which order, when it continues them), the audience (the
// requests through the load balancer, counted by who answered) and the picture. It owns no deployment logic: all it does to the server goes
// through the signed API, with the same SDK that a user has, and the agents are the ordinary ones. Everything that it starts it stops:
// Run returns when no process, goroutine or file of it is left.
package demo

import (
	"errors"
	"io"
	"log/slog"
	"time"
)

// Options say how to show it. Program, Version, Out and Log are required.
type Options struct {
	Program string // the crossfade binary, which the sample application's scripts call
	Version string
	Out     io.Writer
	Log     *slog.Logger

	// Auto continues by itself what would wait for ContinueDeployment.
	Auto bool
	// Pause is how long Auto waits in each of the two waits, to be watched.
	Pause time.Duration
	// Rate is requests per second.
	Rate int
	// Terminal draws in place; else plain lines are printed.
	Terminal bool
	// Color marks the versions by color, on a terminal.
	Color bool
	// Width is the terminal's, in columns; nil or 0: 80.
	Width func() int
	// Silent prints nothing while it runs.
	Silent bool
	// ReadyWait and TerminationWait bound the two waits, in minutes.
	ReadyWait, TerminationWait int
}

// Summary is what came of it.
type Summary struct {
	DeploymentID string `json:"deploymentId"` // of the blue/green deployment
	Status       string `json:"status"`
	Requests     int64  `json:"requests"`
	Failed       int64  `json:"failed"`
	// From the moment in which the accepted ContinueDeployment arrived.
	ContinueToFirstNewMs float64 `json:"continueToFirstNewMs"` // to the first answer of the new version
	ContinueToLastOldMs  float64 `json:"continueToLastOldMs"`  // to the last answer of the old version
}

// ErrLost says that requests failed or the deployment did: the main job was not done.
var ErrLost = errors.New("the demo did not do what it shows")
