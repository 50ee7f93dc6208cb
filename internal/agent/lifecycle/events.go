package lifecycle

import (
	"slices"

	"crossfade/internal/agent/rootdir"
	"crossfade/internal/envelope"
)

// event is what the agent does at one lifecycle event.
type event struct {
	name string
	do   action
	// scripts and inRollback say which revision's scripts run; inRollback counts in the rollback of a blue/green deployment.
	scripts, inRollback revision
}

// action is the kind of work of an event.
type action int

const (
	runScripts action = iota
	downloadBundle
	installFiles
)

// revision is one of the revisions that a host remembers. One other than the current counts only as long as the current deployment has no
// revision on this host yet.
type revision int

const (
	current revision = iota
	lastSuccessful
	mostRecent
)

// events is all that a server may send, in the order of an in-place deployment.
func events() []event {
	return []event{
		{"BeforeBlockTraffic", runScripts, lastSuccessful, mostRecent},
		{"AfterBlockTraffic", runScripts, lastSuccessful, mostRecent},
		{"ApplicationStop", runScripts, lastSuccessful, lastSuccessful},
		{"DownloadBundle", downloadBundle, current, current},
		{"BeforeInstall", runScripts, current, current},
		{"Install", installFiles, current, current},
		{"AfterInstall", runScripts, current, current},
		{"ApplicationStart", runScripts, current, current},
		{"ValidateService", runScripts, current, current},
		{"BeforeAllowTraffic", runScripts, current, lastSuccessful},
		{"AfterAllowTraffic", runScripts, current, lastSuccessful},
	}
}

// Events are the names of all lifecycle events that a server may send, in the order of an in-place deployment.
func Events() []string {
	var names []string
	for _, e := range events() {
		names = append(names, e.name)
	}
	return names
}

// findEvent finds an event of the table, or one of the host's own, whose scripts are the current revision's.
func (h *Host) findEvent(name string) (event, bool) {
	for _, e := range events() {
		if e.name == name {
			return e, true
		}
	}
	if slices.Contains(h.Custom, name) {
		return event{name, runScripts, current, current}, true
	}
	return event{}, false
}

// revisionOf finds the deployment whose scripts run at the event; false: there is none, so nothing runs.
func (h *Host) revisionOf(e event, spec envelope.Specification) (rootdir.Deployment, bool, error) {
	own := h.Dir.Deployment(spec.DeploymentGroupID, spec.DeploymentID)
	which := e.scripts
	if spec.BlueGreenRollback() {
		which = e.inRollback
	}
	if which == current {
		return own, true, nil
	}
	unpacked, err := own.Unpacked()
	if err != nil || unpacked {
		return own, unpacked, err
	}
	mark := rootdir.LastSuccessful
	if which == mostRecent {
		mark = rootdir.MostRecent
	}
	return h.Dir.Marked(spec.DeploymentGroupID, mark)
}
