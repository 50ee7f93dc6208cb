package lifecycle

import (
	"context"

	"crossfade/internal/agent/archive"
	"crossfade/internal/agent/rootdir"
	"crossfade/internal/envelope"
)

// download carries out DownloadBundle: make room, fetch, unpack, remember.
func (h *Host) download(ctx context.Context, spec envelope.Specification) error {
	own := h.Dir.Deployment(spec.DeploymentGroupID, spec.DeploymentID)
	if err := h.Dir.Retain(spec.DeploymentGroupID, own, h.MaxRevisions); err != nil {
		return err
	}
	if err := own.Make(); err != nil {
		return err
	}
	if err := h.fetch(ctx, spec, own); err != nil {
		return err
	}
	return h.Dir.SetMark(spec.DeploymentGroupID, rootdir.MostRecent, own)
}

func (h *Host) fetch(ctx context.Context, spec envelope.Specification, own rootdir.Deployment) error {
	if local := spec.Revision.LocalRevision; local != nil && local.BundleType == envelope.BundleDirectory {
		return h.Bundles.CopyDirectory(ctx, local.Location, own.Archive())
	}
	kind, err := h.Bundles.Fetch(ctx, spec, own.Bundle())
	if err != nil {
		return err
	}
	return archive.Unpack(ctx, own.Bundle(), kind, own.Archive(), h.Limits)
}

// install carries out Install.
func (h *Host) install(ctx context.Context, spec envelope.Specification) error {
	request, err := h.request(spec)
	if err != nil {
		return err
	}
	if err := h.Installer.Install(ctx, spec.DeploymentGroupID, request); err != nil {
		return err
	}
	return h.Dir.SetMark(spec.DeploymentGroupID, rootdir.LastSuccessful, h.Dir.Deployment(spec.DeploymentGroupID, spec.DeploymentID))
}
