// Package retention cleans up: deployments with their targets, journals and logs, the logs alone, and revisions with their bundles in the built-in
// store, by age and by count.
//
// It owns the rule of what may go ([Policy], a pure function of what is known and the time) and the rounds that carry it out ([Rounds]): in small
// batches, each one short transaction of the store, with a pause after each that is several times as long as the batch took, so that a server with a
// lot to clean up answers as it does otherwise. It holds no SQL, and what may never go is looked at again by the store inside each batch: a deployment
// that has not ended, and what its group still needs. Nothing depends on a round coming to its end; one that is broken off, or killed, has removed
// what it has removed.
//
// Notices, messages that were given up and the audit log have bounds of their own, in notify/outbox and audit.
//
// A [Rounds] is safe for concurrent use and owns one goroutine between Start and Stop.
package retention
