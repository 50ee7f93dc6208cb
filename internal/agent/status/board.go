package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Board is where a running agent says what it is doing. A nil one takes no notice.
type Board struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	mu      sync.Mutex
	s       Snapshot
	entries []*Entry
	written time.Time   // when the last writing began
	due     *time.Timer // of the next writing; nil: there is nothing to write
	closed  bool
	broken  bool // the last writing failed

	writing sync.Mutex // held while the file is written, which comes before mu
}

// Open begins a board. What the file remembers of finished events and of groups is kept.
func Open(a Agent, log *slog.Logger, now func() time.Time) *Board {
	b := &Board{path: filepath.Join(a.Root, filepath.FromSlash(name)), log: log, now: now}
	b.s = Snapshot{Agent: a, PID: os.Getpid(), Started: now(), Finished: []Event{}, Groups: map[string]Group{}}
	if old, err := readFile(b.path); err == nil {
		b.s.Finished = append(b.s.Finished, old.Finished[:min(len(old.Finished), mostFinished)]...)
		maps.Copy(b.s.Groups, old.Groups)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.change()
	return b
}

// change has the file written soon. The caller holds mu.
func (b *Board) change() { b.writeBy(b.written.Add(changeEvery)) }

// writeBy has the file written at the given time, or now if that is past, unless it is written before.
func (b *Board) writeBy(at time.Time) {
	if b.closed || b.due != nil {
		return
	}
	b.due = time.AfterFunc(max(0, at.Sub(b.now())), func() { b.write(false) })
}

// write writes the file; only the last writing comes after Close has begun.
func (b *Board) write(last bool) {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.Lock()
	if b.closed && !last {
		b.mu.Unlock()
		return
	}
	b.due, b.written = nil, b.now()
	b.s.Written = b.written
	b.s.Running, b.s.Waiting = []Event{}, []Event{}
	for _, e := range b.entries {
		if e.running {
			b.s.Running = append(b.s.Running, e.event)
		} else {
			b.s.Waiting = append(b.s.Waiting, e.event)
		}
	}
	content, err := json.MarshalIndent(b.s, "", " ")
	b.mu.Unlock()
	if err == nil {
		err = replace(b.path, append(content, '\n'))
	}
	if broken := err != nil; broken != b.broken {
		b.broken = broken
		if broken {
			b.log.Warn("crossfade agent status will not know what this agent does", "error", err)
		}
	}
}

// replace writes a file so that readers see the old or the new one. A power failure may lose it.
func replace(path string, content []byte) error {
	next := path + ".new"
	if err := os.WriteFile(next, content, 0o644); err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	if err := os.Rename(next, path); err != nil {
		return errors.Join(fmt.Errorf("write status: %w", err), os.Remove(next))
	}
	return nil
}

// Close says that the agent ends, in good order.
func (b *Board) Close() {
	if b == nil {
		return
	}
	b.mu.Lock()
	if b.due != nil {
		b.due.Stop()
	}
	b.closed, b.s.Stopped = true, b.now()
	b.mu.Unlock()
	b.write(true)
}

// Polled says that the server has answered.
func (b *Board) Polled() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	news := b.s.LastPoll.IsZero() || b.s.Unreachable
	b.s.LastPoll, b.s.Unreachable = b.now(), false
	if news || b.s.LastPoll.Sub(b.written) >= pollEvery {
		b.change()
	}
}

// Trouble says that the server did not answer as it should.
func (b *Board) Trouble(err error) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	text := shorten(err.Error())
	same := b.s.Unreachable && b.s.LastError != nil && b.s.LastError.Text == text
	b.s.LastError, b.s.Unreachable = &Trouble{At: b.now(), Text: text}, true
	if !same || b.now().Sub(b.written) >= pollEvery {
		b.change()
	}
}

// Entry is one event on the board.
type Entry struct {
	board   *Board
	event   Event
	running bool
}

// Add puts an event on the board, as one that waits.
func (b *Board) Add(e Event) *Entry {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e.Since = b.now()
	entry := &Entry{board: b, event: e}
	b.entries = append(b.entries, entry)
	b.s.Groups[e.GroupID] = Group{Application: e.App, Name: e.Group, Seen: e.Since}
	if len(b.s.Groups) > mostGroups {
		oldest := e.GroupID
		for id, g := range b.s.Groups {
			if g.Seen.Before(b.s.Groups[oldest].Seen) {
				oldest = id
			}
		}
		delete(b.s.Groups, oldest)
	}
	b.change()
	return entry
}

// Run says that it is the event's turn.
func (e *Entry) Run() {
	e.change(func(b *Board) { e.running, e.event.Since = true, b.now() })
}

// Script says which of the event's scripts runs.
func (e *Entry) Script(location string) {
	e.change(func(*Board) { e.event.Script = location })
}

// End takes the event off, and remembers it among the finished ones. The error may be nil.
func (e *Entry) End(o Outcome, err error) {
	e.change(func(b *Board) {
		e.event.Ended, e.event.Outcome = b.now(), o
		if err != nil {
			e.event.Error = shorten(err.Error())
		}
		b.entries = slices.DeleteFunc(b.entries, func(other *Entry) bool { return other == e })
		b.s.Finished = slices.Insert(b.s.Finished, 0, e.event)
		b.s.Finished = b.s.Finished[:min(len(b.s.Finished), mostFinished)]
	})
}

func (e *Entry) change(do func(*Board)) {
	if e == nil {
		return
	}
	e.board.mu.Lock()
	defer e.board.mu.Unlock()
	do(e.board)
	e.board.change()
}

// shorten makes one line of a text.
func shorten(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
	if len(s) <= longestError {
		return s
	}
	return strings.ToValidUTF8(s[:longestError-len("…")], "") + "…"
}
