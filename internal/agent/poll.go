package agent

import (
	"context"
	"crypto/x509"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"crossfade/internal/agent/control"
)

const (
	firstWait   = 200 * time.Millisecond
	longestWait = 10 * time.Second
)

// backoff is the pause after a number of failures in a row; chance is from 0 to 1 and spreads agents that failed together over half of it.
func backoff(failures int, chance float64) time.Duration {
	wait := longestWait
	if failures < 7 {
		wait = min(longestWait, firstWait<<max(0, failures-1))
	}
	return wait/2 + time.Duration(chance*float64(wait/2))
}

// sleep waits, or returns false when the context ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// poll asks for commands until ctx ends. Commands run under work, their reports under tell.
func (a *agent) poll(ctx, work, tell context.Context) {
	slots := make(chan struct{}, maxCommands)
	failures := 0
	a.rest() // the first poll can be a long one
	for ctx.Err() == nil {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		release := func() { <-slots }
		asked := time.Now()
		cmd, err := a.client.Poll(ctx)
		switch {
		case ctx.Err() != nil && cmd == nil:
			return
		case err != nil:
			release()
			a.board.Trouble(err)
			failures++
			a.pollFailed(err, failures)
			a.rest()
			sleep(ctx, backoff(failures, rand.Float64()))
			continue
		case failures > 0:
			a.log.Info("the server answers again", "failures", failures)
			failures = 0
		}
		a.board.Polled()
		if cmd != nil && a.take(work, tell, *cmd, release) {
			continue
		}
		release()
		if cmd == nil {
			a.rest()
		}
		// A server that holds polls has waited already; one that does not must not be asked without end.
		sleep(ctx, a.pollInterval-time.Since(asked))
	}
}

// rest tells whoever wants to know that there is nothing to do, unless something runs.
func (a *agent) rest() {
	if a.idle != nil && a.commands.active() == 0 {
		a.idle()
	}
}

// pollFailed logs the first failure of a row, and then ever more seldom.
func (a *agent) pollFailed(err error, failures int) {
	var refused *control.Failure
	if errors.As(err, &refused) && (refused.Status == http.StatusForbidden || refused.Status == http.StatusBadRequest) {
		a.refreshKeys()
	}
	if failures&(failures-1) != 0 {
		return
	}
	args := []any{"error", err, "failures", failures}
	var authority x509.UnknownAuthorityError
	if errors.As(err, &authority) {
		args = append(args, "hint", "give the agent the server's CA certificate")
	}
	a.log.Warn("the server does not answer, trying again", args...)
}

// take starts a command that is new, and calls release when it has ended. It returns false for one that was offered before.
func (a *agent) take(work, tell context.Context, cmd control.Command, release func()) bool {
	known, fresh := a.commands.admit(cmd.ID)
	if !fresh {
		a.log.Info("a command was offered again", "event", cmd.Name, "execution", cmd.ExecutionID, "state", known.state)
		a.answerAgain(tell, cmd, known)
		return false
	}
	a.running.Go(func() {
		defer release()
		a.command(work, tell, cmd)
	})
	return true
}

// answerAgain repeats what the server seems to have missed. The command itself is never run again.
func (a *agent) answerAgain(tell context.Context, cmd control.Command, known entry) {
	switch known.state {
	case stateFinished:
		a.report(tell, known.report)
	case stateRunning:
		a.reporting.Go(func() {
			if _, err := a.client.Acknowledge(tell, cmd.ID, known.noop); err != nil {
				a.log.Warn("could not acknowledge a command again", "event", cmd.Name, "error", err)
			}
		})
	case statePending:
	}
}
