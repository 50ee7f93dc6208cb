package relational

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClosed is what a write to a closed store gets.
var ErrClosed = errors.New("the store is closed")

// groupMost bounds the writes that share a commit, so that the first of them is not kept waiting.
const groupMost = 128

// Session is the one connection that writes, with its transaction. It is used under the Writer's lock only. What fails in Savepoint, RollbackTo and
// Release leaves the transaction Broken.
type Session interface {
	Tx
	// Begin begins a transaction that no other writer is beside. Broken is nil after it.
	Begin() error
	Savepoint()
	RollbackTo()
	Release()
	// Settle runs what was to be run later, and says why the member's work can't be kept; nil: it can.
	Settle() error
	Commit() error
	// Again reports whether a transaction that failed so has surely left nothing, and may well succeed when it is tried again.
	Again(err error) bool
	// Rollback ends the transaction, also a broken one.
	Rollback()
	Close() error
}

// Writer is who writes. A write that finds others waiting behind it leaves the transaction open for them; the last of them commits for all. Each runs
// behind a savepoint of its own, so one that fails takes only its own work back; when the database itself fails (a full disk, an error of the
// device, a lost connection) all of them fail, because the whole transaction is taken back.
type Writer struct {
	waiting atomic.Int32 // writes that will take mu, so that whoever holds it need not commit
	members atomic.Int32 // of the open transaction
	mu      sync.Mutex   // guards what follows, and the connection
	session Session
	group   *group // the open transaction, or nil
	closed  bool
	lost    func() // is told, under mu, that writes were taken back which had succeeded so far; nil: nobody is
}

// group is a transaction that writes share.
type group struct {
	members int
	done    chan struct{} // closed when err is decided
	err     error         // why nothing of the group was committed, or nil
	again   bool          // its members may be tried again
}

// NewWriter makes a writer of a connection, which is the Writer's then.
func NewWriter(s Session) *Writer { return &Writer{session: s} }

// Load says how many writes wait for their turn, and how many share the open transaction.
func (w *Writer) Load() (waiting, members int) { return int(w.waiting.Load()), int(w.members.Load()) }

// tries bounds how often a write is tried whose transaction was lost with its connection, and tryPause is the first pause between two.
const (
	tries    = 4
	tryPause = 50 * time.Millisecond
)

// Do runs fn in a write transaction and returns once it is durable. When fn fails, nothing that it wrote remains. fn is run again when the database
// took the transaction back for reasons of its own.
//
// The context ends the wait for one's turn, not the writing: the database would take back the whole transaction, and with it the work of others.
func (w *Writer) Do(ctx context.Context, fn func(Tx) error) error {
	for try := 1; ; try++ {
		again, err := w.try(ctx, fn)
		if err == nil || !again || try == tries {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(tryPause << (2 * (try - 1))):
		}
	}
}

func (w *Writer) try(ctx context.Context, fn func(Tx) error) (again bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	w.waiting.Add(1)
	w.mu.Lock()
	w.waiting.Add(-1)
	g, err := w.enter()
	if err != nil {
		again = !w.closed && w.session.Again(err)
		w.mu.Unlock()
		return again, err
	}
	returned := false
	defer func() {
		if !returned { // fn panicked
			w.leave(g, errors.New("a write panicked"))
		}
	}()
	if err = ctx.Err(); err == nil {
		err = fn(w.session)
	}
	returned = true
	if err == nil {
		err = w.session.Settle()
	}
	w.leave(g, err)
	<-g.done
	if g.err != nil {
		return g.again, g.err
	}
	return false, err
}

// enter joins the open transaction or begins one. On success leave must follow.
func (w *Writer) enter() (*group, error) {
	if w.group != nil {
		w.group.members++
		w.members.Add(1)
		w.session.Savepoint()
		return w.group, nil
	}
	if w.closed {
		return nil, ErrClosed
	}
	if err := w.session.Begin(); err != nil {
		return nil, fmt.Errorf("begin a transaction: %w", err)
	}
	w.group = &group{members: 1, done: make(chan struct{})}
	w.members.Store(1)
	return w.group, nil
}

// leave ends a member's part, and the transaction when nobody is behind it. It releases mu.
func (w *Writer) leave(g *group, err error) {
	defer w.mu.Unlock()
	first := g.members == 1
	switch {
	case w.session.Broken() != nil:
	case first && err != nil:
		w.end(g, errNothing)
		return
	case first:
	case err != nil:
		w.forget()
		w.session.RollbackTo()
		w.session.Release()
	default:
		w.session.Release()
	}
	if broken := w.session.Broken(); broken != nil {
		w.end(g, broken)
		return
	}
	if w.waiting.Load() > 0 && g.members < groupMost {
		return
	}
	w.end(g, nil)
}

// errNothing ends a group of one whose member failed: there is nothing to commit.
var errNothing = errors.New("nothing to commit")

// end commits, or rolls back when there is a reason to.
func (w *Writer) end(g *group, why error) {
	w.group = nil
	w.members.Store(0)
	if why == nil {
		if err := w.session.Commit(); err != nil {
			why = fmt.Errorf("commit: %w", err)
		}
	}
	if why != nil {
		w.forget()
		if !errors.Is(why, errNothing) {
			g.err, g.again = why, w.session.Again(why)
		}
		w.session.Rollback()
	}
	close(g.done)
}

func (w *Writer) forget() {
	if w.lost != nil {
		w.lost()
	}
}

// Close waits for the writes under way. It may be called again.
func (w *Writer) Close() error {
	w.mu.Lock()
	for w.group != nil {
		g := w.group
		w.mu.Unlock()
		<-g.done
		w.mu.Lock()
	}
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	return w.session.Close()
}
