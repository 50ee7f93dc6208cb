// Package postgres is the shared engine of the store: one PostgreSQL database (15 or later) that any number of servers have open.
//
// It owns the schema (migrations/), the connections, and what PostgreSQL says differently from SQLite; the SQL is that of package relational. It
// decides nothing about deployments.
//
// One transaction writes at a time, in all servers together: it holds an advisory lock until its commit, so the order of commits is the order of
// identifiers, as the feed of changes needs it, and no write fails for another one's sake. Writes of one server that come meanwhile share its commit
// (relational.Writer). A server that stalls in the middle of a transaction is cut off by the database after seconds (stallLimit), and the others go on.
//
// A connection that is lost is made anew: what was under way fails, and whether a commit that was lost on the way came to be is unknown to its caller,
// as with every database. Reads have connections of their own and see the last commit.
package postgres
