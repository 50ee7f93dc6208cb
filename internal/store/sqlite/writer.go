package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// errClosed is what a write to a closed store gets.
var errClosed = errors.New("the store is closed")

// groupMost bounds the writes that share a commit, so that the first of them is not kept waiting.
const groupMost = 128

// writer is the one connection that writes. A write that finds others waiting behind it leaves the transaction open for them; the last of
// them commits for all. Each runs behind a savepoint of its own, so one that fails takes only its own work back; when the database itself fails
// (a full disk, an error of the device) all of them fail, because SQLite takes back the whole transaction.
type writer struct {
	db *sql.DB

	waiting atomic.Int32 // writes that will take mu, so that whoever holds it need not commit
	mu      sync.Mutex   // guards what follows, and the connection
	tx      *tx
	group   *group // the open transaction, or nil
	closed  bool
}

// group is a transaction that writes share.
type group struct {
	members int
	done    chan struct{} // closed when err is decided
	err     error         // why nothing of the group was committed, or nil
}

func newWriter(db *sql.DB, conn *sql.Conn) *writer {
	return &writer{db: db, tx: &tx{conn: conn, statements: map[string]*sql.Stmt{}}}
}

// do runs fn in a write transaction and returns once it is durable. When fn fails, nothing that it wrote remains.
//
// The context ends the wait for one's turn, not the writing: SQLite would take back the whole transaction, and with it the work of others.
func (w *writer) do(ctx context.Context, fn func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.waiting.Add(1)
	w.mu.Lock()
	w.waiting.Add(-1)
	g, err := w.enter()
	if err != nil {
		w.mu.Unlock()
		return err
	}
	returned := false
	defer func() {
		if !returned { // fn panicked
			w.leave(g, errors.New("a write panicked"))
		}
	}()
	if err = ctx.Err(); err == nil {
		err = fn(w.tx)
	}
	returned = true
	w.leave(g, err)
	<-g.done
	if g.err != nil {
		return g.err
	}
	return err
}

// enter joins the open transaction or begins one. On success leave must follow.
func (w *writer) enter() (*group, error) {
	if w.group != nil {
		w.group.members++
		w.tx.control(`SAVEPOINT member`)
		return w.group, nil
	}
	if w.closed {
		return nil, errClosed
	}
	w.tx.broken = nil
	if w.tx.control(`BEGIN IMMEDIATE`); w.tx.broken != nil {
		return nil, fmt.Errorf("begin a transaction: %w", w.tx.broken)
	}
	w.group = &group{members: 1, done: make(chan struct{})}
	return w.group, nil
}

// leave ends a member's part, and the transaction when nobody is behind it. It releases mu.
func (w *writer) leave(g *group, err error) {
	defer w.mu.Unlock()
	first := g.members == 1
	switch {
	case w.tx.broken != nil:
	case first && err != nil:
		w.end(g, errNothing)
		return
	case first:
	case err != nil:
		w.tx.control(`ROLLBACK TO member`)
		w.tx.control(`RELEASE member`)
	default:
		w.tx.control(`RELEASE member`)
	}
	if w.tx.broken != nil {
		w.end(g, w.tx.broken)
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
func (w *writer) end(g *group, why error) {
	w.group = nil
	if why == nil {
		if w.tx.control(`COMMIT`); w.tx.broken != nil {
			why = fmt.Errorf("commit: %w", w.tx.broken)
		}
	}
	if why != nil {
		// After some errors SQLite has rolled back already and now says that there is no transaction, which is as well.
		w.tx.broken = nil
		w.tx.control(`ROLLBACK`)
	}
	if why != errNothing {
		g.err = why
	}
	close(g.done)
}

// close waits for the writes under way.
func (w *writer) close() error {
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
	return errors.Join(w.tx.close(), w.db.Close())
}
