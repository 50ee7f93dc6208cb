// Package engine drives the pure state machine of package deploy against the world.
//
// It owns everything that moves in a server: the inbox of events, the deadlines, the effects under way. An event comes in through [Runner.Do]
// (or from an effect, or from a deadline) and waits in the inbox; [Runner.RunOnce] takes what waits there, lets deploy.Step decide each event
// inside one write transaction, and only after the commit answers the callers and hands out the effects. An effect is carried out by
// [Runner.CarryOnce], perhaps twice, and comes back as an event through the same door. What a crash leaves is read from the store by
// [Runner.Recover].
//
// RunOnce and CarryOnce do their work on the caller's goroutine, so a simulation can drive the engine step by step; [Service] is the shell
// with goroutines around them. Correctness rests on the version check in the store, never on who runs what when.
package engine
