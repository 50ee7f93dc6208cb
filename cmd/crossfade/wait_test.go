package main

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"crossfade/internal/explain/follow"
	"crossfade/internal/wire/control"
)

// TestLiveLine holds that on a terminal the line below the others is taken away before anything else is written, and that there is none
// elsewhere.
func TestLiveLine(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)
	for live, want := range map[bool]string{
		true: "2026-03-04T10:00:00Z web-1 Install begins\nd-1: 2 pending, 1 in progress" +
			"\r\x1b[K2026-03-04T10:00:01Z web-1 Install succeeded\nd-1: 1 pending, 2 succeeded\r\x1b[Kreached: complete\n",
		false: "2026-03-04T10:00:00Z web-1 Install begins\n2026-03-04T10:00:01Z web-1 Install succeeded\nreached: complete\n",
	} {
		var out bytes.Buffer
		w := &waitTeller{out: &out, errs: &out, live: live, id: "d-1"}
		err := errors.Join(
			w.Event(follow.Event{At: at, Instance: "web-1", Name: "Install", Status: control.LifecycleEventStatusInProgress}),
			w.Progress(control.DeploymentOverview{Pending: new(int64(2)), InProgress: new(int64(1)), Failed: new(int64(0))}),
			w.Event(follow.Event{At: at.Add(time.Second), Instance: "web-1", Name: "Install", Status: control.LifecycleEventStatusSucceeded}),
			w.Progress(control.DeploymentOverview{Pending: new(int64(1)), Succeeded: new(int64(2))}),
			w.end(follow.Reached, &follow.Follower{Goal: follow.Complete}, control.DeploymentInfo{Status: new(control.DeploymentStatusSucceeded)}),
		)
		if err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != want {
			t.Errorf("live %t writes %q, want %q", live, got, want)
		}
	}
}

// TestEveryOutcomeHasItsCode holds that no two outcomes end a script alike, nor like the codes that every command has.
func TestEveryOutcomeHasItsCode(t *testing.T) {
	t.Parallel()
	seen := map[exitCode]follow.Outcome{}
	for _, o := range []follow.Outcome{follow.Reached, follow.Failed, follow.Stopped, follow.TimedOut, follow.WaitingApproval} {
		code, ok := outcomeCodes[o]
		if !ok || seen[code] != "" || code == exitFailed || code == exitUsage {
			t.Errorf("%s ends with %d, %t, as %q does", o, code, ok, seen[code])
		}
		seen[code] = o
	}
}
