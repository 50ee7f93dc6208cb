package agent

import (
	"context"
	"fmt"
	"slices"

	"crossfade/internal/agent/archive"
	"crossfade/internal/agent/install"
	"crossfade/internal/agent/rootdir"
	"crossfade/internal/appspec"
	"crossfade/internal/envelope"
)

// download carries out DownloadBundle: make room, fetch, unpack, remember.
func (a *agent) download(ctx context.Context, spec envelope.Specification) error {
	own := a.dir.Deployment(spec.DeploymentGroupID, spec.DeploymentID)
	if err := a.dir.Retain(spec.DeploymentGroupID, own, a.maxRevisions); err != nil {
		return err
	}
	if err := own.Make(); err != nil {
		return err
	}
	if err := a.fetch(ctx, spec, own); err != nil {
		return err
	}
	return a.dir.SetMark(spec.DeploymentGroupID, rootdir.MostRecent, own)
}

func (a *agent) fetch(ctx context.Context, spec envelope.Specification, own rootdir.Deployment) error {
	if local := spec.Revision.LocalRevision; local != nil && local.BundleType == envelope.BundleDirectory {
		return a.bundles.CopyDirectory(local.Location, own.Archive())
	}
	kind, err := a.bundles.Fetch(ctx, spec, own.Bundle())
	if err != nil {
		return err
	}
	return archive.Unpack(ctx, own.Bundle(), kind, own.Archive(), a.limits)
}

// install carries out Install. Files are changed by one command at a time: two groups may well write to the same places.
func (a *agent) install(ctx context.Context, spec envelope.Specification) error {
	own := a.dir.Deployment(spec.DeploymentGroupID, spec.DeploymentID)
	s, err := a.readAppSpec(own, spec.AppSpecFilename)
	if err != nil {
		return err
	}
	if err := checkPossibleEvents(s, spec.AllPossibleLifecycleEvents); err != nil {
		return err
	}
	a.installing.Lock()
	defer a.installing.Unlock()
	request := install.Request{Archive: own.Archive(), Spec: s, Behavior: spec.FileExistsBehavior()}
	if err := a.installer.Install(ctx, spec.DeploymentGroupID, request); err != nil {
		return err
	}
	return a.dir.SetMark(spec.DeploymentGroupID, rootdir.LastSuccessful, own)
}

// checkPossibleEvents holds the AppSpec against the events that the deployment can have, when it says which.
func checkPossibleEvents(s *appspec.Spec, possible []string) error {
	if len(possible) == 0 {
		return nil
	}
	usual := appspec.LifecycleEvents()
	for _, name := range usual {
		if !slices.Contains(possible, name) {
			return fmt.Errorf("the deployment's list of possible lifecycle events lacks %s", name)
		}
	}
	for name := range s.Hooks {
		if !slices.Contains(possible, name) {
			return fmt.Errorf("%s has the hook %q, which is no possible lifecycle event of this deployment", s.Name, name)
		}
	}
	for _, name := range possible {
		_, ours := findEvent(name)
		if _, there := s.Hooks[name]; !there && !ours {
			return fmt.Errorf("the deployment asks for the lifecycle event %q, for which %s has no hook", name, s.Name)
		}
	}
	return nil
}
