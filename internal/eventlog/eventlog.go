// Package eventlog is what people and programs see of the logs that lifecycle events leave: the form of their lines, and a stream of server-sent events
// that follows a deployment's logs while its scripts run.
//
//	GET /logs?deploymentId=…&targetId=…&lifecycleEventName=…&after=…&follow
//
// Each event of the stream is a [Chunk] as JSON and carries its position as id. A listener that was cut off sends the last id that it has seen, as
// Last-Event-ID or as `after`, and misses nothing that is still kept. When the deployment has ended, or at once without `follow`, an event named
// "end" says how the deployment stands ([End]), and the stream is over.
//
// The package owns how many listeners there are and how slow they may be; the store owns what is kept. It writes nothing. A [Handler] is safe for
// concurrent use and has no goroutine of its own: each request ends with its context.
package eventlog

import (
	"time"

	"crossfade/internal/store"
)

// Chunk is lines of the log of one lifecycle event on one target.
type Chunk struct {
	Target  string `json:"targetId"`
	Event   string `json:"lifecycleEventName"`
	Attempt int    `json:"attempt"` // tells the commands of a target apart
	// Position is the chunk's place in the deployment's logs; reading goes on after it.
	Position int64 `json:"position"`
	First    int64 `json:"firstLine"` // number of the first line, from 0
	// Lost counts the lines before the first that the host could not send.
	Lost int64 `json:"lostLines,omitempty"`
	// LeftOut counts the lines before the first that are not kept, because the log is too long.
	LeftOut int64  `json:"omittedLines,omitempty"`
	Lines   []Line `json:"lines"`
}

// Line is one line, without its end.
type Line struct {
	Time   time.Time `json:"time"`   // by the host's clock
	Stream string    `json:"stream"` // stdout, stderr, or agent for what the agent says itself
	Text   string    `json:"text"`
}

// End is how a deployment stands when its stream is over.
type End struct {
	Status string `json:"status"`
}

// Of is a stored chunk as it is shown.
func Of(c store.LogChunk) Chunk {
	out := Chunk{
		Target: c.Target, Event: string(c.Event), Attempt: c.Attempt, Position: c.Position, First: c.First, Lost: c.Lost, LeftOut: c.LeftOut,
		Lines: make([]Line, len(c.Lines)),
	}
	for i, l := range c.Lines {
		out.Lines[i] = Line{Time: l.At, Stream: l.Stream, Text: l.Text}
	}
	return out
}

// LastLines cuts chunks down to their last n lines.
func LastLines(chunks []Chunk, n int) []Chunk {
	for i := len(chunks) - 1; i >= 0; i-- {
		c := &chunks[i]
		if n <= 0 {
			return chunks[i+1:]
		}
		if cut := len(c.Lines) - n; cut > 0 {
			c.Lines, c.First, c.Lost, c.LeftOut = c.Lines[cut:], c.First+int64(cut), 0, 0
		}
		n -= len(c.Lines)
	}
	return chunks
}
