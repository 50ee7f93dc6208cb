package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"crossfade/internal/agent/control"
	"crossfade/internal/agent/lifecycle"
	"crossfade/internal/agent/rootdir"
	"crossfade/internal/agent/status"
	"crossfade/internal/envelope"
)

// patience is how long the steps before the execution are tried again. After that the server offers the command anew.
const patience = time.Minute

// errDropped says that there is nothing to report on a command: it was not run and the server does not count on it.
var errDropped = errors.New("the command was dropped")

// command carries one command through: specification, acknowledgement, execution, report.
func (a *agent) command(work, tell context.Context, cmd control.Command) {
	log := a.log.With("event", cmd.Name, "execution", cmd.ExecutionID)
	spec, err := a.specification(work, cmd)
	if err != nil {
		a.settle(work, tell, log, cmd, "", err)
		return
	}
	log = log.With("deployment", spec.DeploymentID, "group", spec.DeploymentGroupName)
	unlock, err := a.groups.lock(work, spec.DeploymentGroupID)
	if err != nil {
		a.commands.forget(cmd.ID)
		return
	}
	defer unlock()
	started := a.now()
	log.Info("lifecycle event begins")
	e := execution{agent: a, log: log, cmd: cmd, spec: spec, entry: a.board.Add(status.Event{
		Name: cmd.Name, Deployment: spec.DeploymentID, GroupID: spec.DeploymentGroupID, Group: spec.DeploymentGroupName, App: spec.ApplicationName,
	})}
	outcome, err := e.run(work)
	log.Info("lifecycle event ends", "duration", a.now().Sub(started), "error", err)
	if work.Err() == nil || err == nil {
		e.entry.End(outcome, err)
	}
	a.settle(work, tell, log, cmd, spec.DeploymentID, err)
}

// specification fetches and verifies what the command is part of, unless an earlier command was part of the same.
func (a *agent) specification(ctx context.Context, cmd control.Command) (envelope.Specification, error) {
	if spec, ok := a.specs.get(cmd.ExecutionID); ok {
		return spec, nil
	}
	var signed []byte
	err := a.insist(ctx, func() (err error) {
		signed, err = a.client.Specification(ctx, cmd.ExecutionID)
		return err
	})
	if err != nil {
		return envelope.Specification{}, err
	}
	content, err := envelope.Verify(signed, a.trust, a.now())
	if err != nil {
		return envelope.Specification{}, err
	}
	spec, err := envelope.ParseSpecification(content)
	if err == nil {
		err = executionOf(cmd.ExecutionID, spec)
	}
	if err == nil {
		a.specs.put(cmd.ExecutionID, spec)
	}
	return spec, err
}

// insist repeats a call until it succeeds or fails for good. errDropped: the server could not be reached for too long.
func (a *agent) insist(ctx context.Context, call func() error) error {
	until := a.now().Add(patience)
	for failures := 1; ; failures++ {
		err := call()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case control.Final(err) || !control.Transient(err):
			return err
		case a.now().After(until):
			return fmt.Errorf("%w: %w", errDropped, err)
		}
		sleep(ctx, backoff(failures, rand.Float64()))
	}
}

// settle makes an outcome of how a command ended. A command that was killed with the agent has none: it stays written down as running, and
// is reported after the next start.
func (a *agent) settle(work, tell context.Context, log *slog.Logger, cmd control.Command, deploymentID string, err error) {
	if work.Err() != nil && err != nil {
		return
	}
	if errors.Is(err, errDropped) {
		log.Warn("command dropped", "reason", err)
		a.commands.forget(cmd.ID)
		a.end(log, deploymentID)
		return
	}
	payload, encodeErr := lifecycle.Diagnose(err).Encode()
	if encodeErr != nil {
		log.Error("diagnostics are missing in the report", "error", encodeErr)
		payload = `{"error_code":"Unknown","script_name":"","message":"","log":""}`
	}
	r := rootdir.Report{Command: cmd.ID, Succeeded: err == nil, Diagnostics: payload}
	if saveErr := a.dir.SaveReport(r, err != nil); saveErr != nil {
		// What was written down when the command began stays, so that a crash now is reported as one.
		log.Error("the outcome could not be saved and is only in memory", "error", saveErr)
	} else {
		a.end(log, deploymentID)
	}
	a.commands.finished(r)
	a.report(tell, r)
}

func (a *agent) end(log *slog.Logger, deploymentID string) {
	if deploymentID == "" {
		return
	}
	if err := a.dir.End(deploymentID); err != nil {
		log.Error("a finished command still counts as running on disk", "error", err)
	}
}
