package store

import (
	"context"
	"time"

	"crossfade/internal/deploy"
)

// What is kept of the log of one event, in bytes of text, where a line counts for [LogLineCost] more than its text: the beginning, which says what
// was started and with what, and the end, which says how it went.
const (
	EventLogHead = 256 << 10
	EventLogTail = 768 << 10
	// EventLogMost is how much a host may send of one event before no more is taken, so that a script that never stops to write can't keep the
	// database busy for as long as it runs.
	EventLogMost = 64 << 20
	// LogLineCost is what time and stream of a line count for, so that empty lines are bounded as well.
	LogLineCost = 16
)

// The streams of a [LogLine].
const (
	LogStdout = "stdout"
	LogStderr = "stderr"
	LogAgent  = "agent" // what the agent says itself
)

// EventLogKey names what one command to a host has written.
type EventLogKey struct {
	DeploymentID string
	Target       string
	Attempt      int // deploy.Target.Attempt; it tells the commands of a target apart
	Event        deploy.EventName
}

// LogLine is a line of a log, without its end.
type LogLine struct {
	At     time.Time
	Stream string
	Text   string
}

// LogChunk is lines of a log that follow each other.
type LogChunk struct {
	EventLogKey
	// Position is the chunk's place among all of the deployment; the store gives it.
	Position int64
	First    int64 // number of the first line, from 0
	// Lost counts the lines before First that the host could not send.
	Lost int64
	// LeftOut counts the lines before First that came and are not kept any more, because the log is too long. Only the store sets it.
	LeftOut int64
	Lines   []LogLine
}

// EventLogQuery selects chunks of a deployment. Empty members select everything.
type EventLogQuery struct {
	DeploymentID string // required
	Target       string
	Event        deploy.EventName
	After        int64 // chunks after this position
	Limit        int   // at most so many; 0: all
	Last         bool  // the last ones up to Limit instead of the first; their order is the same
}

// EventLogs keeps what scripts write while lifecycle events run. It lies beside the deployments: writing it changes no deployment, and it goes when its
// deployment goes.
//
// The log of one event is bounded: of what is longer than EventLogHead and EventLogTail together, chunks in the middle are removed.
type EventLogs interface {
	// AppendEventLog adds a chunk and returns its position. Lines whose numbers the log has already are cut off; when nothing is left the position is 0,
	// so a chunk may come twice. What a chunk skips counts as lost. It fails with ErrNotFound when there is no such deployment, and with ErrLimit when the
	// host has sent EventLogMost.
	AppendEventLog(ctx context.Context, c LogChunk) (position int64, err error)
	// EventLog reads chunks in the order of their positions. In one deployment positions grow in the order in which chunks become visible, so that one who
	// reads on after the last position misses none.
	EventLog(ctx context.Context, q EventLogQuery) ([]LogChunk, error)
}
