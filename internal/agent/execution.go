package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"crossfade/internal/agent/control"
	"crossfade/internal/agent/hostlock"
	"crossfade/internal/agent/lifecycle"
	"crossfade/internal/agent/logstream"
	"crossfade/internal/agent/script"
	"crossfade/internal/agent/status"
	"crossfade/internal/envelope"
)

// execution is one command that is carried out, by one goroutine. That holds the group's lock.
type execution struct {
	agent *agent
	log   *slog.Logger
	cmd   control.Command
	spec  envelope.Specification
	entry *status.Entry
}

// run acknowledges the command and does what it says.
func (e *execution) run(ctx context.Context) (status.Outcome, error) {
	do, err := e.agent.host.Prepare(e.cmd.Name, e.spec)
	if err != nil {
		return status.Failed, err
	}
	noop := do == nil
	if err := e.acknowledge(ctx, noop); err != nil {
		if errors.Is(err, errDropped) {
			return status.Dropped, err
		}
		return status.Failed, err
	}
	if noop {
		// It touches nothing, so it waits for nobody.
		return status.Nothing, nil
	}
	if err := e.alone(ctx, do); err != nil {
		return status.Failed, err
	}
	return status.Succeeded, nil
}

func (e *execution) acknowledge(ctx context.Context, noop bool) error {
	// Written down first: were it acknowledged first, a crash between the two would leave the server waiting for an hour.
	if err := e.agent.dir.Begin(e.agent.dir.Deployment(e.spec.DeploymentGroupID, e.spec.DeploymentID), e.cmd.ID, !noop); err != nil {
		return err
	}
	proceed := false
	err := e.agent.insist(ctx, func() (err error) {
		proceed, err = e.agent.client.Acknowledge(ctx, e.cmd.ID, noop)
		return err
	})
	if err != nil {
		return err
	}
	if !proceed {
		return fmt.Errorf("%w: the server does not want it any more", errDropped)
	}
	e.agent.commands.acknowledged(e.cmd.ID, noop)
	return nil
}

// alone does the work when nothing else is being executed on this host. The command is acknowledged before, not after: a server offers a command
// again, or gives the host up, that is not acknowledged within a minute or five, and another application's script may take an hour.
func (e *execution) alone(ctx context.Context, do lifecycle.Work) (err error) {
	out := &output{entry: e.entry, stream: e.agent.streams.Begin(e.cmd.ID)}
	// After the lock is released: nobody else has to wait for the server.
	defer out.close(ctx, &err)
	waited := false
	release, err := e.agent.turn.Acquire(ctx, hostlock.Holder{What: e.cmd.Name, Deployment: e.spec.DeploymentID, Group: e.spec.DeploymentGroupName}, func(h hostlock.Holder) {
		waited = true
		e.log.Info("lifecycle event waits for its turn on this host", "holder", h.String())
		out.stream.Note("waiting for " + h.String())
	})
	if err != nil {
		return err
	}
	defer func() {
		if releaseErr := release(); releaseErr != nil {
			e.log.Error("the next lifecycle event may have to wait", "error", releaseErr)
		}
	}()
	if waited { // whoever had the lock may have installed what is to run now
		if do, err = e.agent.host.Prepare(e.cmd.Name, e.spec); err != nil || do == nil {
			return err
		}
	}
	e.entry.Run()
	return do(ctx, out)
}

// output shows on this host which script runs, and sends what it writes to the server.
type output struct {
	entry  *status.Entry
	stream *logstream.Stream
	said   bool // there was a line
}

// Script implements lifecycle.Output.
func (o *output) Script(location string) {
	o.entry.Script(location)
	o.stream.Note("Script - " + location)
}

// Line implements lifecycle.Output.
func (o *output) Line(stream script.Stream, text string) {
	o.said = true
	o.stream.Line(string(stream), text)
}

// close ends the output before the outcome is reported. What was streamed ends with why it failed; else the report says that.
func (o *output) close(ctx context.Context, err *error) {
	if *err != nil && ctx.Err() == nil && o.said {
		o.stream.Line("agent", lifecycle.Diagnose(*err).Message)
	}
	o.stream.Close()
}

// sendLog implements logstream.Send.
func (a *agent) sendLog(ctx context.Context, command, payload string) (logstream.Verdict, error) {
	wanted, err := a.client.Update(ctx, command, logstream.Format, payload)
	var refused *control.Failure
	switch {
	case err == nil && wanted:
		return logstream.Taken, nil
	case err == nil:
		return logstream.Unwanted, nil
	case control.Unsupported(err):
		return logstream.Unknown, err
	case errors.As(err, &refused) && refused.Status == http.StatusForbidden:
		return logstream.Unwanted, err
	default:
		return logstream.Again, err
	}
}
