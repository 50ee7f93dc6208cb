// Package sqlite is the embedded engine of the store: one SQLite database in a data directory, in pure Go, nothing to set up.
//
// It owns the schema (migrations/), the SQL, and the data directory's lock. It decides nothing about deployments: what [Store.Batch] writes is
// what a deploy.Transition says.
//
// Durability: the database is in WAL mode with synchronous=FULL, so a commit is on disk before a method returns. One connection writes, and
// writes that come while another one is under way share its commit ([writer]); that makes the cost of an fsync independent of the number of
// callers. Reads have connections of their own, see the last commit, and neither wait for writes nor delay them.
//
// Every check precedes its write under the writer's lock, so a refused call has written nothing.
package sqlite
