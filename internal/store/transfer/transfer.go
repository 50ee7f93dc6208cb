// Package transfer moves everything that a store keeps into an empty store of another engine, and proves that it is there.
//
// It owns the order of tables, the comparison of the two schemas, and the digests. What a row is read from and written to are a [Source] and a
// [Target], which the engines (packages sqlite and postgres) have; it knows no SQL. Nothing else may write to the source
// meanwhile, which the source sees to, and the target is whole or not there at all, because one transaction writes it.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrNotEmpty refuses a target that has something.
var ErrNotEmpty = errors.New("the database is not empty")

// Table is a table of a store.
type Table struct {
	Name    string
	Columns []string // by name
	Refers  []string // tables that its rows refer to
	// Number is the column that the database numbers by itself; empty: there is none. Last is the highest number that it ever gave.
	Number string
	Last   int64
}

// Source is what rows are read from, all of one moment.
type Source interface {
	// Schema is the version of the schema.
	Schema(ctx context.Context) (int64, error)
	// Tables lists the tables of the store, not those of the engine, in no order.
	Tables(ctx context.Context) ([]Table, error)
	// Rows calls row for each row of a table, in no order, with an int64, a string, bytes or nil for each column.
	Rows(ctx context.Context, t Table, row func(values []any) error) error
}

// Target is what rows are written to.
type Target interface {
	Source
	// Empty fails with ErrNotEmpty, and says where, when anybody has written something. What the schema itself put there is removed.
	Empty(ctx context.Context) error
	// Kept is a row as the target keeps it: an engine may not have every text.
	Kept(t Table, values []any) []any
	// Fill adds the rows that next returns, which are nil after the last, and returns how many there were.
	Fill(ctx context.Context, t Table, next func() ([]any, error)) (int64, error)
	// Number lets the database number on after t.Last.
	Number(ctx context.Context, t Table) error
}

// Moved is what was moved of a table.
type Moved struct {
	Table  string `json:"table"`
	Rows   int64  `json:"rows"`
	Digest string `json:"digest"` // of all rows, in hexadecimal; the same in both stores
}

// Copy moves everything and returns what that was, by table in the order of moving. done is called after each table.
func Copy(ctx context.Context, from Source, to Target, done func(Moved)) ([]Moved, error) {
	tables, err := compare(ctx, from, to)
	if err != nil {
		return nil, err
	}
	if err := to.Empty(ctx); err != nil {
		return nil, err
	}
	var out []Moved
	for _, t := range tables {
		m, err := move(ctx, from, to, t)
		if err != nil {
			return nil, fmt.Errorf("move the table %s: %w", t.Name, err)
		}
		out = append(out, m)
		done(m)
	}
	return out, nil
}

// compare holds that both have the same tables, and returns them in an order in which rows come after those that they refer to.
func compare(ctx context.Context, from, to Source) ([]Table, error) {
	is, err := from.Schema(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the version of the schema that is moved: %w", err)
	}
	will, err := to.Schema(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the version of the schema that it is moved to: %w", err)
	}
	if is != will {
		return nil, fmt.Errorf("one store has the schema %d and the other %d: bring both up to date with crossfade store migrate", is, will)
	}
	tables, err := from.Tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the tables that are moved: %w", err)
	}
	others, err := to.Tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the tables that they are moved to: %w", err)
	}
	known := map[string]Table{}
	for _, t := range others {
		known[t.Name] = t
	}
	for _, t := range tables {
		other, ok := known[t.Name]
		switch {
		case !ok:
			return nil, fmt.Errorf("there is no table %s to move to", t.Name)
		case !slices.Equal(slices.Sorted(slices.Values(t.Columns)), slices.Sorted(slices.Values(other.Columns))):
			return nil, fmt.Errorf("the table %s has the columns %s, and those to move to are %s", t.Name, strings.Join(t.Columns, ", "), strings.Join(other.Columns, ", "))
		case t.Number != other.Number:
			return nil, fmt.Errorf("the table %s numbers its column %q, and the one to move to %q", t.Name, t.Number, other.Number)
		}
		delete(known, t.Name)
	}
	for name := range known {
		return nil, fmt.Errorf("there is no table %s to move from", name)
	}
	return order(tables)
}

// order puts tables after those that they refer to, and else by name.
func order(tables []Table) ([]Table, error) {
	slices.SortFunc(tables, func(a, b Table) int { return strings.Compare(a.Name, b.Name) })
	var out []Table
	placed := map[string]bool{}
	for len(out) < len(tables) {
		before := len(out)
		for _, t := range tables {
			free := !placed[t.Name] && !slices.ContainsFunc(t.Refers, func(name string) bool { return name != t.Name && !placed[name] })
			if free {
				placed[t.Name] = true
				out = append(out, t)
			}
		}
		if len(out) == before {
			return nil, errors.New("tables refer to each other in a ring")
		}
	}
	return out, nil
}

// move moves a table and reads it again. The source is read by a goroutine of its own, because both ends want to call.
func move(ctx context.Context, from Source, to Target, t Table) (Moved, error) {
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	rows := make(chan []any, 256)
	read := make(chan error, 1)
	var sent digest
	go func() {
		defer close(rows)
		read <- from.Rows(reading, t, func(values []any) error {
			values = to.Kept(t, slices.Clone(values))
			sent.add(values)
			select {
			case rows <- values:
				return nil
			case <-reading.Done():
				return reading.Err()
			}
		})
	}()
	filled, err := to.Fill(ctx, t, func() ([]any, error) {
		row, ok := <-rows
		if !ok {
			return nil, <-read
		}
		return row, nil
	})
	cancel()
	for range rows { //nolint:revive // the reader is to end
	}
	if err != nil {
		return Moved{}, err
	}
	var kept digest
	if err := to.Rows(ctx, t, func(values []any) error { kept.add(values); return nil }); err != nil {
		return Moved{}, fmt.Errorf("read it again: %w", err)
	}
	if filled != sent.rows || sent != kept {
		return Moved{}, fmt.Errorf("%d rows with the digest %s were read, and %d with %s are there", sent.rows, sent.text(), kept.rows, kept.text())
	}
	if t.Number != "" {
		if err := to.Number(ctx, t); err != nil {
			return Moved{}, fmt.Errorf("number on after %d: %w", t.Last, err)
		}
	}
	return Moved{Table: t.Name, Rows: sent.rows, Digest: sent.text()}, nil
}
