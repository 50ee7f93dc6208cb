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
	s.broken, s.late = nil, nil
	s.control(`BEGIN IMMEDIATE`)
	return s.broken
}

// Savepoint implements relational.Session.
func (s *session) Savepoint() {
	s.late = nil
	s.control(`SAVEPOINT member`)
}

// RollbackTo implements relational.Session.
func (s *session) RollbackTo() { s.control(`ROLLBACK TO member`) }

// Release implements relational.Session.
func (s *session) Release() { s.control(`RELEASE member`) }

// Settle implements relational.Session.
func (s *session) Settle() error {
	if s.broken != nil {
		return s.broken
	}
	return s.late
}

// Again implements relational.Session. What a disk refuses it refuses again.
func (s *session) Again(error) bool { return false }

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
