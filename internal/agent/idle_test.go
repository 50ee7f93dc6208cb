//go:build unix

package agent

import (
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// TestAnAgentRestsOnlyWhenNothingRuns holds when an agent says that it is idle: after polls without work, while a server refuses it too, and never while a
// script runs.
func TestAnAgentRestsOnlyWhenNothingRuns(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	s.hold = 10 * time.Millisecond
	var down atomic.Bool
	var polls, rests, busy atomic.Int64
	s.refuse = func(operation string, _ int) (int, string) {
		if operation == "PollHostCommand" {
			polls.Add(1)
		}
		if down.Load() {
			return http.StatusServiceUnavailable, "ServiceUnavailable"
		}
		return 0, ""
	}
	dir := t.TempDir()
	o := s.options(filepath.Join(t.TempDir(), "root"))
	o.Idle = func() {
		rests.Add(1)
		if exists(dir+"/begun") && !exists(dir+"/gate") {
			busy.Add(1)
		}
	}
	s.start(o)
	more := func(when string, of *atomic.Int64) {
		t.Helper()
		before := of.Load()
		eventually(t, when, func() bool { return of.Load() > before+2 })
	}
	more("it rests between polls", &rests)
	spec := s.deployment("d-ONE", one("AfterInstall", "echo > "+dir+"/begun; while [ ! -e "+dir+"/gate ]; do sleep 0.02; done"))
	s.deploy(spec, "DownloadBundle")
	s.offer("slow", spec, "AfterInstall")
	eventually(t, "the script runs", func() bool { return exists(dir + "/begun") })
	more("it goes on polling", &polls)
	touch(t, dir+"/gate")
	s.wait("slow")
	if n := busy.Load(); n > 0 {
		t.Errorf("it rested %d times while a script ran", n)
	}
	down.Store(true)
	more("it rests while the server refuses it", &rests)
}
