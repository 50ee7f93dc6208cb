package lifecycle

import (
	"context"
	"fmt"

	"crossfade/internal/agent/install"
	"crossfade/internal/agent/rootdir"
	"crossfade/internal/appspec"
	"crossfade/internal/envelope"
)

// Scripts are what an event would run now.
type Scripts struct {
	Revision rootdir.Deployment // whose they are; meaningless without scripts
	List     []appspec.Script
}

// Scripts finds them. DownloadBundle and Install have none.
func (h *Host) Scripts(name string, spec envelope.Specification) (Scripts, error) {
	e, known := h.findEvent(name)
	if !known {
		return Scripts{}, fmt.Errorf("%s: %s", unsupported, name)
	}
	if e.do != runScripts {
		return Scripts{}, nil
	}
	found, err := h.newHooks(e, spec)
	return Scripts{Revision: found.revision, List: found.scripts}, err
}

// PreviewInstall tells what Install would do, by the lists of the installer given, and touches nothing. The bundle must be there.
func (h *Host) PreviewInstall(ctx context.Context, spec envelope.Specification, by install.Installer) (install.Preview, error) {
	r, err := h.request(spec)
	if err != nil {
		return install.Preview{}, err
	}
	return by.Preview(ctx, spec.DeploymentGroupID, r)
}

// request is what the bundle and the specification want installed.
func (h *Host) request(spec envelope.Specification) (install.Request, error) {
	own := h.Dir.Deployment(spec.DeploymentGroupID, spec.DeploymentID)
	s, err := h.readAppSpec(own, spec.AppSpecFilename)
	if err != nil {
		return install.Request{}, err
	}
	if err := appspec.CheckEvents(s, spec.AllPossibleLifecycleEvents); err != nil {
		return install.Request{}, err
	}
	return install.Request{Archive: own.Archive(), Spec: s, Behavior: spec.FileExistsBehavior()}, nil
}
