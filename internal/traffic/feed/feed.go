// Package feed is what a control plane and its proxies tell each other: the wishes of the one, and what the others observe.
//
// It owns the shapes and their meaning, and does nothing. Package builtin speaks for the control plane, package follow for a proxy, and the store keeps
// it in between. All are plain values.
//
// # Changes
//
// Each wish has a change: a number that grows with each wish that is kept, over all target groups. A proxy that has taken over all wishes up to a change
// says so (Report.Applied), after it has written them to its disk, together with the targets that it has then or later. So a target that is absent from
// such a report is known to be absent, and no proxy has to tell of the thousands that it does not have.
package feed

import (
	"encoding/json"
	"errors"
	"time"
)

var (
	// ErrUnknownProxy: there is no proxy of the name; it has not followed yet, or was removed.
	ErrUnknownProxy = errors.New("the proxy is not known")
	// ErrNameTaken: a proxy of the name belongs to another principal, or lives in another directory.
	ErrNameTaken = errors.New("the name is taken")
	// ErrResync: a report does not go on where the knowledge of the proxy ends. A full one is needed.
	ErrResync = errors.New("a full report is needed")
)

// Names are fresh random names.
type Names struct{ Installation, Epoch string }

// Registration is the newest wish for an instance in a target group. One with In false is kept as well: it is the memory that makes a late, older wish
// be ignored.
type Registration struct {
	TargetGroup string `json:"targetGroup"`
	Instance    string `json:"instance"`
	Address     string `json:"address,omitempty"` // as it was wished: ip or ip:port
	In          bool   `json:"in,omitempty"`
	Environment string `json:"environment,omitempty"`
	Generation  int64  `json:"generation"`
	Change      int64  `json:"change"`
}

// Split is the newest wish to share a target group's requests out.
type Split struct {
	TargetGroup string `json:"targetGroup"`
	Environment string `json:"environment,omitempty"` // empty: nothing is shared out
	Percent     int    `json:"percent,omitempty"`
	Generation  int64  `json:"generation"`
	Change      int64  `json:"change"`
}

// Head says where the wishes stand.
type Head struct {
	// Installation names the control plane for ever. A proxy takes nothing from another one: a control plane that lost its data would take all targets away.
	Installation string `json:"installation"`
	// Epoch is new at each start of a server. Whoever read under another one reads everything again, so what a restored backup took back is noticed.
	Epoch string `json:"epoch"`
	// Last is the newest change.
	Last int64 `json:"last"`
	// Reports grows whenever a report changed what is known of a proxy.
	Reports int64 `json:"-"`
	// Configuration is the configuration of the load balancers, as lb.Config in JSON; Digest is its short name.
	Configuration json.RawMessage `json:"configuration,omitempty"`
	Digest        string          `json:"digest"`
}

// Wishes is the head with wishes: all that there are, or those after a change.
type Wishes struct {
	Head
	Registrations []Registration `json:"registrations,omitempty"`
	Splits        []Split        `json:"splits,omitempty"`
}

// Target is what a proxy has of an instance in a target group. An absent one is not told of.
type Target struct {
	TargetGroup string `json:"targetGroup"`
	Instance    string `json:"instance"`
	State       string `json:"state"` // as traffic.State
	Reason      string `json:"reason,omitempty"`
	Environment string `json:"environment,omitempty"`
}

// Key names a target.
type Key struct {
	TargetGroup string `json:"targetGroup"`
	Instance    string `json:"instance"`
}

// Identity is who speaks for a proxy.
type Identity struct {
	Name string `json:"name"` // unique among the proxies of a control plane
	// ID is of the directory in which the proxy keeps its state: two proxies that were given the same name are told apart by it.
	ID string `json:"id"`
	// Session is of the process, new at each start.
	Session string `json:"session"`
}

// Report is what a proxy observes. It is about what has changed since the one before, but for a full one.
type Report struct {
	Identity
	Sequence int64 `json:"sequence"` // grows within a session, from 1; an older one that arrives late is ignored
	Full     bool  `json:"full,omitempty"`
	// Epoch is that of the wishes that Applied counts in.
	Epoch   string   `json:"epoch"`
	Applied int64    `json:"applied"` // all wishes up to this change are in force and on disk
	Digest  string   `json:"digest"`  // of the configuration that is in force
	Targets []Target `json:"targets,omitempty"`
	Gone    []Key    `json:"gone,omitempty"` // now absent; a full report needs none
}

// Proxy is what is known of a proxy.
type Proxy struct {
	Identity
	Principal string    // whose access key the name belongs to
	FirstSeen time.Time // when it followed first
	Seen      time.Time // when it was last heard of, to a few seconds
	Sequence  int64
	Applied   int64
	Digest    string
}

// Observation is what one proxy has of a target.
type Observation struct {
	Proxy string
	Target
}

// Question is what a proxy asks in order to follow.
type Question struct {
	Identity
	Epoch  string `json:"epoch,omitempty"` // that After counts in; empty: it has nothing
	After  int64  `json:"after"`
	Digest string `json:"digest,omitempty"` // of the newest configuration that it knows
	Wait   bool   `json:"wait,omitempty"`   // for news, if there are none
}

// Answer is what there is for a proxy.
type Answer struct {
	Wishes
	// Full says that the wishes are all that there are: what is not among them is to be forgotten. Otherwise they are those after the Question's.
	Full bool `json:"full,omitempty"`
	// LeaseSeconds is how long the proxy counts as live after it was heard of; ForgetSeconds how long it is waited for when it is silent.
	LeaseSeconds  int64 `json:"leaseSeconds"`
	ForgetSeconds int64 `json:"forgetSeconds"`
}

// Standing is what a control plane thinks of a proxy.
type Standing string

// The standings.
const (
	// Live: it is heard of. What is wished counts as done only when it says so.
	Live Standing = "live"
	// Silent: its lease ran out. It may go on with the last wishes that it knew, so no instance counts as out of traffic that it may still send requests to.
	Silent Standing = "silent"
	// Forgotten: it has been silent for so long that it is not waited for any more.
	Forgotten Standing = "forgotten"
)

// Known is a proxy and how it stands.
type Known struct {
	Proxy
	Standing Standing
	// Behind says in one sentence what the proxy has not taken over; empty: it is up to date.
	Behind string
}
