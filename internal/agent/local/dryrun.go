package local

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"crossfade/internal/agent/install"
	"crossfade/internal/agent/lifecycle"
	"crossfade/internal/agent/rootdir"
)

// Step is what an event would do.
type Step struct {
	Event string `json:"event"`
	// Scripts would run, in this order. From is the older revision that they are of, a directory; empty: the one that is deployed.
	Scripts []StepScript `json:"scripts,omitempty"`
	From    string       `json:"from,omitempty"`
	// Remove and Install are what Install would take away and put there. Sources are paths in the bundle.
	Remove  []string              `json:"remove,omitempty"`
	Install []install.Instruction `json:"install,omitempty"`
}

// StepScript is one script.
type StepScript struct {
	Location string `json:"location"`
	Timeout  int    `json:"timeoutSeconds"`
	RunAs    string `json:"runas,omitempty"`
	Sudo     bool   `json:"sudo,omitempty"`
}

// Rehearsal tells what a deployment would do, in a scratch directory: the bundle is fetched and unpacked there, everything else is only looked at.
type Rehearsal struct {
	Host *lifecycle.Host // of the scratch directory
	Root string          // the root directory that the deployment would have; it may not exist
}

// Steps tells what each event of the plan would do. Its error is an *[EventError] for what would fail.
func (r *Rehearsal) Steps(ctx context.Context, p Plan) ([]Step, error) {
	for _, root := range []string{r.Root, r.Host.Dir.Path()} {
		if err := p.apart(root); err != nil {
			return nil, err
		}
	}
	r.Host.Custom = p.Custom
	if err := r.remember(p.Spec.DeploymentGroupID); err != nil {
		return nil, err
	}
	var steps []Step
	for _, event := range p.Events {
		s, err := r.step(ctx, event, p)
		if err != nil {
			return nil, &EventError{Event: event, Err: err}
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// remember takes over which revisions the group has.
func (r *Rehearsal) remember(groupID string) error {
	for _, mark := range []rootdir.Mark{rootdir.LastSuccessful, rootdir.MostRecent} {
		old, there, err := rootdir.MarkedIn(r.Root, groupID, mark)
		if err == nil && there {
			err = r.Host.Dir.SetMark(groupID, mark, old)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (r *Rehearsal) step(ctx context.Context, event string, p Plan) (Step, error) {
	s := Step{Event: event}
	own := r.Host.Dir.Deployment(p.Spec.DeploymentGroupID, p.Spec.DeploymentID)
	switch event {
	case downloadBundle:
		do, err := r.Host.Prepare(event, p.Spec)
		if err != nil {
			return s, err
		}
		return s, do(ctx, lifecycle.Discard{})
	case installEvent:
		real := r.Host.Installer
		real.Dir = rootdir.InstructionsOf(r.Root)
		preview, err := r.Host.PreviewInstall(ctx, p.Spec, real)
		for i, in := range preview.List {
			if rel, found := strings.CutPrefix(in.Source, own.Archive()+string(filepath.Separator)); found {
				preview.List[i].Source = filepath.ToSlash(rel)
			}
		}
		s.Remove, s.Install = preview.Remove, preview.List
		return s, err
	}
	found, err := r.Host.Scripts(event, p.Spec)
	if err != nil {
		return s, err
	}
	for _, script := range found.List {
		s.Scripts = append(s.Scripts, StepScript{Location: script.Location, Timeout: int(script.Timeout.Seconds()), RunAs: script.RunAs, Sudo: script.Sudo})
	}
	if len(s.Scripts) > 0 && found.Revision != own {
		s.From = found.Revision.Path()
	}
	return s, nil
}
