package agent

import (
	"context"
	"math/rand/v2"

	"crossfade/internal/agent/control"
	"crossfade/internal/agent/rootdir"
)

// report tells the server an outcome until it has taken it, however long that takes: a server that restarts must not lose it. It returns at
// once. A report that is under way is not told twice.
func (a *agent) report(tell context.Context, r rootdir.Report) {
	if !a.commands.startReport(r.Command) {
		return
	}
	a.reporting.Go(func() {
		defer a.commands.endReport(r.Command)
		until := a.now().Add(rootdir.Stale)
		for failures := 1; ; failures++ {
			err := a.client.Complete(tell, r.Command, r.Succeeded, r.Diagnostics)
			if err != nil && tell.Err() != nil {
				return
			}
			if err == nil || control.Final(err) || a.now().After(until) {
				a.reported(r, err)
				return
			}
			if failures == 1 {
				a.log.Warn("the server did not take an outcome, telling it again", "error", err)
			}
			sleep(tell, backoff(failures, rand.Float64()))
		}
	})
}

func (a *agent) reported(r rootdir.Report, err error) {
	if err != nil {
		a.log.Error("the server does not want an outcome", "succeeded", r.Succeeded, "error", err)
	}
	if err := a.dir.DropReport(r.Command); err != nil {
		a.log.Error("an outcome that the server has taken will be told again", "error", err)
	}
}
