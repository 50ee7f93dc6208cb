package agent

import (
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

func findEvent(name string) (event, bool) {
	for _, e := range events() {
		if e.name == name {
			return e, true
		}
	}
	return event{}, false
}

// revisionOf finds the deployment whose scripts run at the event; false: there is none, so nothing runs.
func (a *agent) revisionOf(e event, spec envelope.Specification) (rootdir.Deployment, bool, error) {
	own := a.dir.Deployment(spec.DeploymentGroupID, spec.DeploymentID)
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
	return a.dir.Marked(spec.DeploymentGroupID, mark)
}
