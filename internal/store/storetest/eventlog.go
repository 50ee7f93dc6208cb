package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// chunk is lines that say their number.
func chunk(k store.EventLogKey, first int64, lines int) store.LogChunk {
	c := store.LogChunk{EventLogKey: k, First: first}
	for n := range int64(lines) {
		c.Lines = append(c.Lines, store.LogLine{At: start.Add(time.Duration(first + n)), Stream: store.LogStdout, Text: fmt.Sprint("line ", first+n)})
	}
	return c
}

// numbers is a log as "first+lines" of each chunk, with what is missing before it.
func numbers(chunks []store.LogChunk) string {
	var all []string
	for _, c := range chunks {
		s := fmt.Sprintf("%d+%d", c.First, len(c.Lines))
		if c.Lost > 0 {
			s += fmt.Sprintf(" lost %d", c.Lost)
		}
		if c.LeftOut > 0 {
			s += fmt.Sprintf(" left out %d", c.LeftOut)
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}

func eventLogs(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, g := seeded(t, s)
	w := newWorld(t, s, func(deploy.Group) {})
	id := w.create(g, deploy.KindInPlace)
	w.resolve(id, 2, 0)
	a := store.EventLogKey{DeploymentID: id, Target: "old-00000", Attempt: 1, Event: deploy.ApplicationStop}
	b := store.EventLogKey{DeploymentID: id, Target: "old-00001", Attempt: 1, Event: deploy.ApplicationStop}
	later := store.EventLogKey{DeploymentID: id, Target: "old-00000", Attempt: 3, Event: deploy.AfterInstall}
	add := func(c store.LogChunk) int64 {
		t.Helper()
		return must1[int64](t)(s.AppendEventLog(ctx, c))
	}
	read := func(q store.EventLogQuery) []store.LogChunk {
		t.Helper()
		q.DeploymentID = id
		return must1[[]store.LogChunk](t)(s.EventLog(ctx, q))
	}
	equal(t, "no log", read(store.EventLogQuery{}), []store.LogChunk(nil))

	first := chunk(a, 0, 2)
	first.Lines[1] = store.LogLine{Stream: store.LogStderr, Text: "ключ \x00 \"<&\u2028"}
	first.Position = add(first)
	second := chunk(b, 0, 1)
	second.Position = add(second)
	third := chunk(later, 0, 3)
	third.Position = add(third)
	if first.Position <= 0 || second.Position <= first.Position || third.Position <= second.Position {
		t.Fatalf("the positions are %d, %d and %d", first.Position, second.Position, third.Position)
	}
	equal(t, "all", read(store.EventLogQuery{}), []store.LogChunk{first, second, third})
	equal(t, "what is after the first", read(store.EventLogQuery{After: first.Position}), []store.LogChunk{second, third})
	equal(t, "a page", read(store.EventLogQuery{Limit: 2}), []store.LogChunk{first, second})
	equal(t, "the last ones", read(store.EventLogQuery{Limit: 2, Last: true}), []store.LogChunk{second, third})
	equal(t, "one target", read(store.EventLogQuery{Target: "old-00000"}), []store.LogChunk{first, third})
	equal(t, "one event of all targets", read(store.EventLogQuery{Event: deploy.ApplicationStop}), []store.LogChunk{first, second})
	equal(t, "one event of one target", read(store.EventLogQuery{Target: "old-00000", Event: deploy.ApplicationStop, Limit: 1, Last: true}), []store.LogChunk{first})
	equal(t, "a target that there is not", read(store.EventLogQuery{Target: "none"}), []store.LogChunk(nil))

	// Chunks that come twice, overlap, or skip.
	if p := add(chunk(b, 0, 1)); p != 0 {
		t.Errorf("a chunk that comes again has the position %d", p)
	}
	add(chunk(b, 0, 3))
	add(chunk(b, 2, 2))
	add(chunk(b, 1, 2))
	gap := chunk(b, 7, 1)
	gap.Lost = 3
	add(gap)
	add(chunk(b, 10, 1)) // says nothing of the two that are missing
	nothing := chunk(b, 15, 0)
	nothing.Lost = 4
	add(nothing)
	equal(t, "what is kept of them", numbers(read(store.EventLogQuery{Target: "old-00001"})), "0+1, 1+2, 3+1, 7+1 lost 3, 10+1 lost 2, 15+0 lost 4")
	if got := read(store.EventLogQuery{Target: "old-00001"})[1].Lines[0].Text; got != "line 1" {
		t.Errorf("an overlapping chunk goes on with %q", got)
	}
	begun := chunk(store.EventLogKey{DeploymentID: id, Target: "old-00001", Attempt: 2, Event: deploy.BeforeInstall}, 5, 1)
	add(begun)
	equal(t, "one whose beginning was lost", numbers(read(store.EventLogQuery{Target: "old-00001", Event: deploy.BeforeInstall})), "5+1 lost 5")

	a.DeploymentID = "d-NONE"
	_, err := s.AppendEventLog(ctx, chunk(a, 0, 1))
	want(t, err, store.ErrNotFound)
	equal(t, "the log of no deployment", must1[[]store.LogChunk](t)(s.EventLog(ctx, store.EventLogQuery{DeploymentID: "d-NONE"})), []store.LogChunk(nil))
}

// longEventLog holds what is kept of a log that is too long, and when no more is taken.
func longEventLog(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, g := seeded(t, s)
	w := newWorld(t, s, func(deploy.Group) {})
	id := w.create(g, deploy.KindInPlace)
	w.resolve(id, 2, 0)
	k := store.EventLogKey{DeploymentID: id, Target: "old-00000", Attempt: 1, Event: deploy.ApplicationStop}
	beside := chunk(store.EventLogKey{DeploymentID: id, Target: "old-00000", Attempt: 2, Event: deploy.BeforeInstall}, 0, 1)
	beside.Position = must1[int64](t)(s.AppendEventLog(ctx, beside))
	text := strings.Repeat("x", 1<<20/16-store.LogLineCost)
	var next int64
	grow := func(lines int) {
		t.Helper()
		for range lines {
			must1[int64](t)(s.AppendEventLog(ctx, store.LogChunk{EventLogKey: k, First: next, Lines: []store.LogLine{{Stream: store.LogStdout, Text: text}}}))
			next++
		}
	}
	read := func() string {
		t.Helper()
		all := must1[[]store.LogChunk](t)(s.EventLog(ctx, store.EventLogQuery{DeploymentID: id, Target: k.Target, Event: k.Event}))
		return numbers(all)
	}
	grow(16)
	equal(t, "a log that is just short enough", read(), "0+1, 1+1, 2+1, 3+1, 4+1, 5+1, 6+1, 7+1, 8+1, 9+1, 10+1, 11+1, 12+1, 13+1, 14+1, 15+1")
	grow(1)
	equal(t, "a longer one", read(), "0+1, 1+1, 2+1, 3+1, 5+1 left out 1, 6+1, 7+1, 8+1, 9+1, 10+1, 11+1, 12+1, 13+1, 14+1, 15+1, 16+1")
	next += 2 // the host has lost these
	grow(12)
	equal(t, "a much longer one", read(), "0+1, 1+1, 2+1, 3+1, 19+1 lost 2 left out 13, 20+1, 21+1, 22+1, 23+1, 24+1, 25+1, 26+1, 27+1, 28+1, 29+1, 30+1")
	grow(1)
	equal(t, "one that has lost lines in the middle", read(), "0+1, 1+1, 2+1, 3+1, 20+1 left out 16, 21+1, 22+1, 23+1, 24+1, 25+1, 26+1, 27+1, 28+1, 29+1, 30+1, 31+1")
	equal(t, "another event's", must1[[]store.LogChunk](t)(s.EventLog(ctx, store.EventLogQuery{DeploymentID: id, Event: deploy.BeforeInstall})), []store.LogChunk{beside})

	again := store.LogChunk{EventLogKey: k}
	for range 64 {
		again.Lines = append(again.Lines, store.LogLine{Stream: store.LogStdout, Text: text})
	}
	limited := false
	for range store.EventLogMost/(4<<20) + 1 {
		again.First = next - int64(len(again.Lines)) // what is there already counts as well
		if _, err := s.AppendEventLog(ctx, again); err != nil {
			want(t, err, store.ErrLimit)
			limited = true
			break
		}
	}
	if !limited {
		t.Error("more is taken than a host may send")
	}
}

// eventLogsAtOnce holds that a reader beside many writers misses nothing when it reads on from the last position.
func eventLogsAtOnce(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, g := seeded(t, s)
	w := newWorld(t, s, func(deploy.Group) {})
	id := w.create(g, deploy.KindInPlace)
	const hosts, chunks = 8, 25
	w.resolve(id, hosts, 0)
	var writers sync.WaitGroup
	for h := range hosts {
		k := store.EventLogKey{DeploymentID: id, Target: fmt.Sprintf("old-%05d", h), Attempt: 1, Event: deploy.ApplicationStop}
		writers.Go(func() {
			for n := range int64(chunks) {
				if _, err := s.AppendEventLog(ctx, chunk(k, 2*n, 2)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	next, after := map[string]int64{}, int64(0)
	for over := false; ; {
		read := must1[[]store.LogChunk](t)(s.EventLog(ctx, store.EventLogQuery{DeploymentID: id, After: after, Limit: 7}))
		for _, c := range read {
			if c.First != next[c.Target] {
				t.Fatalf("after line %d of %s comes line %d", next[c.Target], c.Target, c.First)
			}
			next[c.Target], after = c.First+int64(len(c.Lines)), c.Position
		}
		if over && len(read) == 0 {
			break
		}
		select {
		case <-done:
			over = true
		default:
		}
	}
	for target, n := range next {
		if n != 2*chunks {
			t.Errorf("of %s %d lines were read", target, n)
		}
	}
	if len(next) != hosts {
		t.Errorf("%d logs were read", len(next))
	}
}
