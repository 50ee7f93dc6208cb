// Package hostlock lets at most one lifecycle event run at a time on a host, whosever it is: all deployment groups of the agent, and crossfade
// local beside it, take the same lock, so that two applications never interleave.
//
// It owns one advisory lock on a file in the agent's root directory, and in the file, for messages, who holds it. The lock goes with its
// process, however that ends. Agents with different root directories don't know of each other. It decides nothing about what needs the lock:
// what touches nothing on the host, such as an event without scripts, should not wait for it.
//
// Within a process those who wait get the lock in the order in which they came; between processes there is no order. A [Lock] is safe for
// concurrent use.
package hostlock

import (
	"fmt"
	"time"
)

// Holder is who holds the lock.
type Holder struct {
	PID        int       `json:"pid"`                  // set by Acquire
	Deployment string    `json:"deployment,omitempty"` // its id
	Group      string    `json:"group,omitempty"`      // the deployment group's name
	What       string    `json:"what"`                 // a lifecycle event, or "crossfade local"
	Since      time.Time `json:"since"`                // set by Acquire
}

func (h Holder) String() string {
	s := h.What
	if h.Deployment != "" {
		s += " of deployment " + h.Deployment
	}
	if h.Group != "" {
		s += " to " + h.Group
	}
	return fmt.Sprintf("%s (process %d, since %s)", s, h.PID, h.Since.Format(time.RFC3339))
}
