// Package agent is the host agent: it asks a CodeDeploy server for lifecycle events to carry out on this host, carries them out, and reports.
//
// It speaks the official host command protocol and nothing else, and keeps its files where and as the official agent does, so that either
// can take the place of the other. It owns the order of one command (specification, acknowledgement, execution, report) and what survives a crash: what runs is written down before it runs, an outcome is kept until the
// server has taken it, and a command that was offered before is never run again. What an event does is package lifecycle's. It decides nothing about deployments. It never reads the
// environment, imports no server package and no cloud SDK.
//
// [Run] owns all goroutines: one polls, each command has one, each report that waits for the server has one. Commands of one deployment group
// run one after the other, as the server sent them; what does something on the host holds the host's lock (hostlock), which is held by one
// command at a time, whatever its group, and by crossfade local.
package agent
