package agent

import (
	"context"
	"strings"
	"time"

	"crossfade/internal/agent/lifecycle"
	"crossfade/internal/agent/rootdir"
	"crossfade/internal/agent/script"
	"crossfade/internal/agent/scriptlog"
)

// reportRestart reports a command that was running when the agent ended, with what its scripts had written until then.
func (a *agent) reportRestart(tell context.Context, u rootdir.Unfinished) error {
	last, said := a.lastOutput(u)
	failure := lifecycle.Interrupted(last.Tail)
	payload, err := failure.Encode()
	if err != nil {
		return err
	}
	r := rootdir.Report{Command: u.Command, Diagnostics: payload}
	if err := a.dir.SaveReport(r, true); err != nil {
		return err
	}
	a.commands.finished(r)
	a.reporting.Go(func() {
		if said {
			a.streamAgain(u, last, failure.Message)
		}
		a.report(tell, r)
	})
	return nil
}

// lastOutput finds what is left of a command's output; false when there is none, or it can't be told from that of an earlier command.
func (a *agent) lastOutput(u rootdir.Unfinished) (scriptlog.Last, bool) {
	p, found, err := a.dir.Find(u.DeploymentID)
	var last scriptlog.Last
	if err == nil && found {
		last, found, err = scriptlog.ReadLast(p.ScriptsLog(), u.Since)
	}
	if err != nil {
		a.log.Warn("what scripts wrote before the agent ended is not reported", "deployment", u.DeploymentID, "error", err)
		return scriptlog.Last{}, false
	}
	return last, found
}

// streamAgain sends the output anew, numbered as it was before: the server knows most of it and takes the rest. One line can be missing after a
// command that had to wait for its turn, because the line that said so is only in the stream.
func (a *agent) streamAgain(u rootdir.Unfinished, last scriptlog.Last, why string) {
	stream := a.streams.Begin(u.Command)
	defer stream.Close()
	err := last.Each(func(at time.Time, line string) {
		for _, s := range []script.Stream{script.Stdout, script.Stderr} {
			if text, ok := strings.CutPrefix(line, "["+string(s)+"]"); ok {
				stream.LineAt(at, string(s), text)
				return
			}
		}
		stream.Note(line)
	})
	if err != nil {
		a.log.Warn("what scripts wrote before the agent ended is not sent", "deployment", u.DeploymentID, "error", err)
	}
	stream.Line("agent", why)
}
