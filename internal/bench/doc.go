// Package bench puts load on a running server and says what it bore: simulated agents that speak the real host command protocol over real
// connections with real signatures, deployments through the control API, and what the server's process used meanwhile.
//
// It owns the scenarios (what is set up, what is measured, when it ends), the simulated hosts and the report. It starts no server: a [Stage] lends
// one, and package bench/child has the one that runs in a process of its own, so that its memory and processor time are not mixed with the
// load's. It asserts nothing: what is too slow is for the reader to say. A simulated agent differs from a real one in three things: it runs no
// scripts and fetches no bundle, it does not check who signed the specification, and it polls again only when the last command is done.
//
// [Run] owns every goroutine that it starts and returns when all have ended. It may not run twice at the same time on one stage.
package bench
