// Package sqlite is the embedded engine of the store: one SQLite database in a data directory, in pure Go, nothing to set up.
//
// It owns the schema (migrations/), the connections, and the data directory's lock. The SQL is that of package relational.
//
// Durability: the database is in WAL mode with synchronous=FULL, so a commit is on disk before a method returns. One connection writes, and
// writes that come while another one is under way share its commit (relational.Writer); that makes the cost of an fsync independent of the number of
// callers. Reads have connections of their own, see the last commit, and neither wait for writes nor delay them.
package sqlite
