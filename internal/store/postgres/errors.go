package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"crossfade/internal/store"
)

// Codes and classes of errors, of PostgreSQL's appendix of error codes.
const (
	foreignKeyViolation = "23503"
	idleTooLong         = "25P03"
	classConnection     = "08"
	classData           = "22"
	classConstraint     = "23"
	classRollback       = "40" // serialization failures and deadlocks
	classIntervention   = "57" // shutdowns, crashes, cancelled statements
	statementCancelled  = "57014"
	lockNotAvailable    = "55P03"
)

// code is what the database said; empty: the error is none of its own.
func code(err error) string {
	if said, ok := errors.AsType[*pgconn.PgError](err); ok && len(said.Code) == 5 {
		return said.Code
	}
	return ""
}

func class(code string) string {
	if code == "" {
		return ""
	}
	return code[:2]
}

// constraint is the store's own error for a violated constraint; nil: it is none.
func constraint(err error) error {
	switch c := code(err); {
	case class(c) != classConstraint:
		return nil
	case c == foreignKeyViolation:
		return store.ErrNotFound
	default:
		return store.ErrExists
	}
}

// costsMember reports whether an error is the fault of one statement with its values.
func costsMember(err error) bool {
	c := class(code(err))
	return c == classConstraint || c == classData
}

// refuses reports whether an error at a commit says that it did not come to be. No answer says nothing, nor does the end of the session, which
// something between may have told of.
func refuses(err error) bool {
	said, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (said.SeverityUnlocalized == "ERROR" || said.Code == idleTooLong)
}

// passes reports whether what went wrong may be over when it is tried again.
func passes(err error) bool {
	switch c := code(err); {
	case c == statementCancelled:
		return false // it has waited for long
	case c == idleTooLong, class(c) == classConnection, class(c) == classRollback, class(c) == classIntervention:
		return true
	case c != "":
		return false
	}
	// The rest is of the connection, but for a patience that has come to its end.
	return !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}
