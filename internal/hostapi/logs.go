package hostapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	"crossfade/internal/wire/host"
)

// LogFormat is the Format of diagnostics that carry lines of a script's output while it runs. It is Crossfade's own; the official agents send none.
const LogFormat = "Crossfade/Log"

const (
	logVersion = 1
	// lateLogs is how long after the end of an event lines of it are still taken: what was under way then, and what a script that the server has given
	// up still writes.
	lateLogs = time.Minute
	// lineMost bounds numbers and counts of lines, which come from outside.
	lineMost = 1 << 40
)

// logPayload is the payload of LogFormat.
type logPayload struct {
	Version int   `json:"v"`
	First   int64 `json:"first"` // number of the first line, from 0
	Lost    int64 `json:"lost"`  // lines before it that were dropped
	Lines   []struct {
		At     time.Time `json:"t"`
		Stream string    `json:"s"`
		Text   string    `json:"l"`
	} `json:"lines"`
}

// readLog reads a payload of LogFormat. The error is one for the agent.
func readLog(payload string) (c store.LogChunk, err error) {
	var p logPayload
	if err := json.Unmarshal([]byte(payload), &p); err != nil {
		return c, malformedLog("is not the JSON of the format: %s", tail(err.Error(), 256))
	}
	switch {
	case p.Version != logVersion:
		return c, malformedLog("has version %d: send version %d", p.Version, logVersion)
	case p.First < 0 || p.First > lineMost:
		return c, malformedLog("begins with line %d: number lines from 0", p.First)
	case p.Lost < 0 || p.Lost > lineMost:
		return c, malformedLog("counts %d lost lines: count from 0", p.Lost)
	}
	c.First, c.Lost = p.First, p.Lost
	for i, l := range p.Lines {
		switch {
		case l.Stream != store.LogStdout && l.Stream != store.LogStderr && l.Stream != store.LogAgent:
			return c, malformedLog("has line %d of the stream %q: send %s, %s or %s", p.First+int64(i), tail(l.Stream, 64), store.LogStdout, store.LogStderr, store.LogAgent)
		case strings.ContainsRune(l.Text, '\n'):
			return c, malformedLog("has two lines in line %d: send each by itself", p.First+int64(i))
		}
		c.Lines = append(c.Lines, store.LogLine{At: l.At, Stream: l.Stream, Text: l.Text})
	}
	return c, nil
}

func malformedLog(format string, args ...any) error {
	return wire.Errorf(host.ClientException, "The payload of diagnostics with the format %s %s.", LogFormat, fmt.Sprintf(format, args...))
}

// PostHostCommandUpdate takes what the command's script has written so far. Diagnostics of any other format are accepted and ignored. The answer is
// Failed when no more is taken, so that an agent may stop to send.
func (s *Service) PostHostCommandUpdate(ctx context.Context, in *host.PostHostCommandUpdateInput) (*host.PostHostCommandUpdateOutput, error) {
	t, err := s.open(ctx, *in.HostCommandIdentifier)
	if err != nil {
		return nil, err
	}
	status := host.CommandStatusInProgress
	if d := in.Diagnostics; d != nil && d.Format != nil && *d.Format == LogFormat {
		payload := ""
		if d.Payload != nil {
			payload = *d.Payload
		}
		chunk, err := readLog(payload)
		if err != nil {
			return nil, err
		}
		taken, err := s.take(ctx, t, chunk)
		if err != nil {
			return nil, err
		}
		if !taken {
			status = host.CommandStatusFailed
		}
	}
	return &host.PostHostCommandUpdateOutput{CommandStatus: &status}, nil
}

// take keeps lines of a command that runs, or did until a moment ago. It reports whether they were taken.
func (s *Service) take(ctx context.Context, t token, c store.LogChunk) (bool, error) {
	target, err := s.Store.Target(ctx, t.deployment, t.target)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read target %s of deployment %s: %w", t.target, t.deployment, err)
	}
	event, runs := running(target, t)
	if runs && !target.Acknowledged || !runs && !s.endedJustNow(target, t) {
		return false, nil
	}
	if !runs {
		event = t.event
	}
	if len(c.Lines) == 0 && c.Lost == 0 {
		return true, nil
	}
	return s.keep(ctx, t, event, c)
}

// running is the event that a command runs, if it is the target's present one and no other handing-out of it was acknowledged.
func running(target deploy.Target, t token) (deploy.EventName, bool) {
	if !target.Running || target.Attempt != t.attempt || target.Acknowledged && target.Delivery != t.delivery {
		return "", false
	}
	e := target.Current()
	if e == nil || t.event != "" && e.Name != t.event {
		return "", false
	}
	return e.Name, true
}

// endedJustNow reports whether a command's event is over, and so recently that its last lines may still be under way.
func (s *Service) endedJustNow(target deploy.Target, t token) bool {
	if target.Running && target.Attempt <= t.attempt {
		return false // it runs, but was handed out to another call
	}
	for _, e := range target.Events {
		if e.Name == t.event {
			return !e.EndedAt.IsZero() && s.Clock.Now().Sub(e.EndedAt) <= lateLogs
		}
	}
	return false
}

func (s *Service) keep(ctx context.Context, t token, event deploy.EventName, c store.LogChunk) (bool, error) {
	c.EventLogKey = store.EventLogKey{DeploymentID: t.deployment, Target: t.target, Attempt: t.attempt, Event: event}
	position, err := s.Store.AppendEventLog(ctx, c)
	switch {
	case errors.Is(err, store.ErrLimit), errors.Is(err, store.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	}
	if position > 0 && s.Logged != nil {
		s.Logged(t.deployment)
	}
	return true, nil
}

// keepTail makes a log of the diagnostics of a failed event that has none: agents which send nothing while a script runs report its last lines at the
// end. A log that can't be kept does not keep the deployment from going on.
func (s *Service) keepTail(ctx context.Context, t token, d deploy.Diagnostics) {
	c := store.LogChunk{Lines: tailLines(d, s.Clock.Now())}
	if len(c.Lines) == 0 {
		return
	}
	target, err := s.Store.Target(ctx, t.deployment, t.target)
	if err == nil {
		event, runs := running(target, t)
		if !runs {
			return
		}
		var streamed []store.LogChunk
		streamed, err = s.Store.EventLog(ctx, store.EventLogQuery{DeploymentID: t.deployment, Target: t.target, Event: event, Limit: 1})
		if err == nil && len(streamed) == 0 {
			_, err = s.keep(ctx, t, event, c)
		}
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		s.Log.Warn("the last lines of a failed event could not be kept", "deployment", t.deployment, "instance", t.target, "error", err)
	}
}

// tailLines are the lines of a log tail, in which each says in front which stream it is from, and of the message.
func tailLines(d deploy.Diagnostics, at time.Time) (lines []store.LogLine) {
	add := func(text, stream string) {
		for text := range strings.Lines(text) {
			text = strings.TrimRight(text, "\r\n")
			kind := stream
			for _, of := range []string{store.LogStdout, store.LogStderr} {
				if rest, ok := strings.CutPrefix(text, "["+of+"]"); ok && stream == store.LogAgent {
					text, kind = rest, of
				}
			}
			lines = append(lines, store.LogLine{At: at, Stream: kind, Text: text})
		}
	}
	add(d.LogTail, store.LogAgent)
	if d.Message != "" {
		lines = append(lines, store.LogLine{At: at, Stream: store.LogAgent, Text: strings.Join(strings.Fields(d.Message), " ")})
	}
	return lines
}
