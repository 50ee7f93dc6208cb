// Package scriptlog keeps what scripts write: in the deployment's scripts.log, in the agent's log of all deployments, and the last few
// kilobytes in memory for the diagnostics of a failed lifecycle event.
//
// It owns the formats of the two files, which are the official agent's, and the rotation of the second. It runs no scripts. A [Shared] is
// safe for concurrent use; a [Recorder] is for one lifecycle event and takes one line at a time.
package scriptlog
