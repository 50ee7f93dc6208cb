// Package logstream sends what scripts write to the server while they run, so that reading a log needs no login to the host.
//
// It is an extension of the host command protocol: PostHostCommandUpdate with diagnostics of the format [Format], which other servers take or
// refuse without harm. The payload is JSON of at most 8192 characters:
//
//	{"v":1,"first":12,"lost":0,"lines":[{"t":"2024-02-03T04:05:06.789Z","s":"stdout","l":"text"}]}
//
// Lines are numbered from 0 over the whole command; first is the number of the first one, lost how many right before it were dropped because
// the server was slow. A payload may come twice. The stream is stdout, stderr, or agent for what the agent itself has to say.
//
// It owns batching, a bounded buffer and what a refusal means. It never holds up a script, and a finished command for two seconds at most. A
// [Streams] is for one run of an agent and safe for concurrent use; each [Stream] has one goroutine, from its first line until Close.
package logstream

import "time"

// Format is that of the diagnostics.
const Format = "Crossfade/Log"

const (
	// payloadSize is what a payload is filled to, in bytes. The protocol allows 8192 characters.
	payloadSize = 8000
	// longestLine is where a line is split, in bytes before encoding.
	longestLine = 4096
	// bufferSize bounds what waits to be sent, in encoded bytes.
	bufferSize = 256 << 10

	// firstDelay is how long the first line of a command waits for company. Nobody notices it, and most scripts need half as many calls.
	firstDelay = 20 * time.Millisecond
	// batchDelay is the time between two calls that are not full.
	batchDelay = 250 * time.Millisecond
	// flushTime is what the end of a command may wait for its last lines.
	flushTime = 2 * time.Second
	// The pause after a call that failed: at first, and in the end.
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)
