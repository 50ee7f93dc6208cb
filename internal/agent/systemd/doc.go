// Package systemd makes a service of the agent: the units' text, and the steps that put them in place and take them away.
//
// It owns what the units say and why; the reasons stand in the units themselves, for those who read them on a host. It runs systemctl and nothing
// else, and knows nothing of identities. A [Machine] is used by one goroutine.
package systemd
