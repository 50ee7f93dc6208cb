// Package follow reads a deployment over the control API: once, to explain it, or again and again until it is where someone waits for it.
//
// [Client] is the signed door, [Read] gathers what package explain works on, and [Follower] is the core: it tells the beginning and the result
// of each lifecycle event once and says how the waiting ended. It waits out a server that restarts, so that a script that began to wait sees
// the end. It looks at the deployment and at the targets that have changed, often after news and less often in a lull; a [Listener] on the
// server's stream of events makes it look at once. The package changes nothing. A Client is safe for concurrent use, a Follower follows one
// deployment in one goroutine, and a Listener has a goroutine of its own until Stop.
package follow
