// Package audit keeps the audit log: a line for each call that changes something and for each that was denied.
//
// It owns the file's form, which only ever grows, its rotation, and the chain that makes a line which was changed, cut out or put in show: each line
// ends with the SHA-256 of the line before it and its own text, and each file begins with where the one before it ended. So a copy of the last
// chain value, kept elsewhere, vouches for everything before. It decides nothing and judges nobody, and never gets a secret: an [Entry] has no
// room for one. A [Log] is safe for concurrent use.
package audit

import "time"

// Entry is one call. The zero value of a member says nothing of it.
type Entry struct {
	Time      time.Time `json:"time"`
	RequestID string    `json:"requestId,omitempty"`
	Principal string    `json:"principal,omitempty"` // ARN; empty: nobody known
	AccessKey string    `json:"accessKeyId,omitempty"`
	From      string    `json:"from,omitempty"` // the address that the call came from
	Service   string    `json:"service,omitempty"`
	Operation string    `json:"operation,omitempty"`
	Resources []string  `json:"resources,omitempty"`
	Decision  string    `json:"decision,omitempty"`  // allowed or denied
	Statement string    `json:"statement,omitempty"` // the rule, or policy/statement, that decided
	Code      string    `json:"code,omitempty"`      // of the exception; empty: the call succeeded
}

// The decisions.
const (
	Allowed = "allowed"
	Denied  = "denied"
)

// opening is the first line of a file.
type opening struct {
	Time     time.Time `json:"time"`
	Opened   string    `json:"opened"`   // by which version of the server
	Previous string    `json:"previous"` // the chain value at which the file before ended; empty: there was none
}
