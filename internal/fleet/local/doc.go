// Package local is a fleet whose Auto Scaling groups are kept by the server itself: each group has a size, and a command that starts an instance
// of it, whatever that is: a process on this machine, an Incus or libvirt guest, a machine of a cloud.
//
// The driver keeps as many instances as a group is to have: it starts those that are missing, stops those that are too many, and replaces
// those that died. Each instance is a registered on-premises instance with credentials of its own, which its agent finds in the file
// CROSSFADE_HOST_CONFIG; it is in service once its agent has polled (or its health command passes) and its launch hooks are completed.
//
// What is so is a document in the store, written before any command is run; what to do next is decided by pure functions of that document and
// the time (group.go, decide.go). So a server that was killed goes on where it was, and the commands' contract is:
//
//   - start is run for an instance until it has succeeded once; it may be run again for the same name, and then must start nothing twice;
//   - stop is run until it has succeeded once; it may be run for an instance that was never started, or is stopped already.
//
// Commands that an ended server leaves behind are killed where the system can do that (Linux); the two rules hold without it.
//
// The driver owns the groups' documents, the directory of host files, the registrations of its instances, and every goroutine and command: Stop
// waits for them. The instances outlive it. It knows nothing of deployments. A [Driver] is safe for concurrent use.
package local
