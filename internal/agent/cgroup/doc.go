// Package cgroup gives each script of a deployment a control group of its own, so that whatever the script started can be found again and
// ended: a process that makes itself a daemon leaves its process group, but not its cgroup.
//
// It needs version 2 of Linux's cgroups (kernel 5.14, for cgroup.kill) in a place where this process may make groups: as root, or in a service
// with Delegate=yes. It makes groups named script-PID-N right below the group of this process, turns on no controllers, and moves nobody:
// without controllers a group may hold processes and groups at once, so this process can stay where it is.
//
// What outlives its script stays in the script's group: that is how applications are started. The group goes when it is empty, at the
// latest when the next agent begins. It must not be ended with the agent: a systemd unit needs KillMode=process and Delegate=yes.
//
// It starts no process itself. A [Groups] is safe for concurrent use, a [Group] is its script's.
package cgroup

import "errors"

// ErrUnusable says that there are no cgroups that this process may use; its text says why.
var ErrUnusable = errors.New("cgroups can't be used")
