// Package follow reads a deployment over the control API: once, to explain it, or again and again until it is where someone waits for it.
//
// [Client] is the signed door, [Follower] the core: it tells each result of a lifecycle event once and says how the waiting ended. The
// follower waits out a server that restarts, so that a script that began to wait sees the end. It changes nothing. A Client is safe for
// concurrent use, a Follower follows one deployment in one goroutine.
package follow
