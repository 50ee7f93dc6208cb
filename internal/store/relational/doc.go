// Package relational is the SQL of the store, for every engine that speaks it: what the tables mean, which statement does what, and in which order.
//
// It owns the queries, their arguments and how rows become values; and the [Writer], which lets writes share a commit. The engines (packages sqlite
// and postgres) own the connections, the schema with its migrations, and what their databases say differently: they make a [Store] of a [Reader] and a
// [Session]. Statements are written in the words that both know, with ? for arguments; a + before a column keeps SQLite from choosing its index, and
// means nothing elsewhere. It decides nothing about deployments: what [Store.Batch] writes is what a deploy.Transition says.
//
// Every check precedes its write under the writer's lock, so a refused call has written nothing. One writer at a time means that the order of
// commits is the order of identifiers, in every process on the same database.
package relational

import (
	"context"
	"sync/atomic"
)

// Reader is what both a read connection and a write transaction can do.
type Reader interface {
	// Row reads one row, or fails with store.ErrNotFound.
	Row(ctx context.Context, query string, args []any, into ...any) error
	// Each calls scan for each row until it returns false.
	Each(ctx context.Context, query string, args []any, scan func(Rows) (more bool, err error)) error
}

// Rows is the row that is being read. Scan is as in database/sql.
type Rows interface{ Scan(into ...any) error }

// Tx is a write transaction. It is used by one goroutine, and not after the function that it was given to has returned.
type Tx interface {
	Reader
	// Exec runs a statement and returns how many rows it changed. A violated constraint is store.ErrExists, or store.ErrNotFound when it is about a
	// row that is referred to; it has undone its own statement and nothing else.
	Exec(query string, args ...any) (int64, error)
	// Later runs a statement before anything else that is asked of the transaction, at its end at the latest, so that several can travel together. It
	// is an error when it changes no row and none says so. Errors come from Settle, and may come from what is asked next; they are none of the
	// store's own.
	Later(none error, query string, args ...any)
	// LaterOf is Later of a statement for each of the rows, which are of different keys: their order means nothing.
	LaterOf(b Bulk, rows [][]any)
	// EachOf is Each of a query for each of the rows, in any order.
	EachOf(ctx context.Context, b Bulk, rows [][]any, scan func(Rows) (more bool, err error)) error
	// Broken is the first error that left the transaction in doubt, after which nothing more is executed; nil: there was none.
	Broken() error
}

// Bulk is a statement that is said for many rows of arguments. One says it for a single row; All says it for all of them at once, with an array for each
// column of the rows, in the words of an engine that has arrays.
type Bulk struct {
	One, All string
	None     error // what it is when a row changes nothing; nil: that is fine
}

// Raw is text with any bytes, zero bytes too, for a column that takes them.
type Raw string

// Store is the contract on SQL. An engine embeds it.
type Store struct {
	read  Reader
	write *Writer
	// alone says that nobody else writes to the database as long as this store is open.
	alone bool
	// remembered is what the last batches left.
	remembered remembered
	// instanceChanges counts for InstanceChanges.
	instanceChanges atomic.Int64
}

// New makes a store of the connections that read and of the one that writes. alone says that nobody else writes to the database as long as the store is open.
func New(read Reader, write *Writer, alone bool) *Store {
	s := &Store{read: read, write: write, alone: alone}
	s.remembered.forget()
	write.lost = s.remembered.forget
	return s
}
