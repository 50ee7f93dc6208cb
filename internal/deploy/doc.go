// Package deploy is the domain of Crossfade: applications, deployment groups, deployment configs, revisions, instances, and above all the
// deployment with its targets, together with the pure state machine that moves it.
//
// A deployment is a value: a fixed [Spec] and a small [State]. Each of its targets is a value of its own. [Step] takes what is so (a
// [View]: the deployment, the one target that the event touches, and the next targets that might start), and an [Event] that carries its
// own time, and returns either a [Refusal], which changes nothing, or a [Transition]: the new state, the journal, the effects to carry out
// and what is to be cleared. Nothing else can make a Transition, and a store changes a deployment only by applying one. The package does
// no I/O, reads no clock, draws no random number and holds no lock: the same view and the same event always give the same transition.
//
// What a deployment goes through stands in tables: the lifecycle events and the stages of each kind of deployment in plan.go, the waits in
// waits.go. [Needs] says which rows an event touches, so that an event costs the same whatever the fleet's size.
package deploy
