package sqlite

import (
	"database/sql"
	"errors"

	"crossfade/internal/store/relational"
)

// session is the one connection that writes.
type session struct {
	*tx
	db *sql.DB
}

var _ relational.Session = (*session)(nil)

// Begin implements relational.Session.
func (s *session) Begin() error {
	s.broken = nil
	s.control(`BEGIN IMMEDIATE`)
	return s.broken
}

// Savepoint implements relational.Session.
func (s *session) Savepoint() { s.control(`SAVEPOINT member`) }

// RollbackTo implements relational.Session.
func (s *session) RollbackTo() { s.control(`ROLLBACK TO member`) }

// Release implements relational.Session.
func (s *session) Release() { s.control(`RELEASE member`) }

// Commit implements relational.Session.
func (s *session) Commit() error {
	s.control(`COMMIT`)
	return s.broken
}

// Rollback implements relational.Session. After some errors SQLite has rolled back already and now says that there is no transaction, which is as well.
func (s *session) Rollback() {
	s.broken = nil
	s.control(`ROLLBACK`)
}

// Close implements relational.Session.
func (s *session) Close() error { return errors.Join(s.close(), s.db.Close()) }
