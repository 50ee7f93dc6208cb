package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"crossfade/internal/agent/lifecycle"
	"crossfade/internal/envelope"
)

// Plan is a request that has been checked.
type Plan struct {
	Location string // an absolute path, or a URL
	Spec     envelope.Specification
	Events   []string // in their order
	Custom   []string // those of them that only this AppSpec has
}

// Plan checks the request. Its deployment gets the id d-UNIQUE-local; nine letters and digits are usual.
func (r Request) Plan(unique string) (Plan, error) {
	if r.Location == "" {
		r.Location = "."
	}
	revision, location, err := r.revision()
	if err != nil {
		return Plan{}, err
	}
	events, custom, err := order(r.Events)
	if err != nil {
		return Plan{}, err
	}
	behavior := strings.ToUpper(orElse(r.Behavior, envelope.Disallow))
	if known := []string{envelope.Disallow, envelope.Overwrite, envelope.Retain}; !slices.Contains(known, behavior) {
		return Plan{}, fmt.Errorf("the file-exists behavior %q is not one of %s", behavior, strings.Join(known, ", "))
	}
	spec, err := r.specification(unique, revision, location, behavior, custom)
	if err != nil {
		return Plan{}, err
	}
	if revision.RevisionType == envelope.RevisionLocalDirectory {
		if err := r.hasAppSpec(location); err != nil {
			return Plan{}, err
		}
	}
	return Plan{Location: location, Spec: spec, Events: events, Custom: custom}, nil
}

// hasAppSpec holds before anything is begun that a directory is one to deploy: the first events would stop what runs.
func (r Request) hasAppSpec(dir string) error {
	names := []string{"appspec.yml", "appspec.yaml"}
	if r.AppSpec != "" {
		names = []string{r.AppSpec}
	}
	for _, name := range names {
		_, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name)))
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the bundle location can't be read: %w", err)
		}
	}
	return fmt.Errorf("the directory %s has no AppSpec file %s: give the directory that has it with --bundle-location", dir, strings.Join(names, " or "))
}

// specification makes what a server would send, unsigned, and takes it as an agent does.
func (r Request) specification(unique string, revision envelope.Revision, location, behavior string, custom []string) (envelope.Specification, error) {
	s := envelope.Specification{
		DeploymentID: "d-" + unique + "-local", DeploymentGroupID: orElse(r.GroupID, DefaultGroup), DeploymentGroupName: orElse(r.GroupName, DefaultGroupName),
		ApplicationName: orElse(r.Application, location), AppSpecFilename: r.AppSpec, GitHubAccessToken: r.GitHubToken, Revision: revision,
		AgentActionOverrides: &envelope.ActionOverrides{AgentOverrides: envelope.AgentOverrides{FileExistsBehavior: behavior}},
		// A hook that no event of this deployment runs is a mistake in its name, as a rule.
		AllPossibleLifecycleEvents: append(lifecycle.Events(), custom...),
	}
	content, err := json.Marshal(s)
	if err != nil {
		return envelope.Specification{}, fmt.Errorf("make deployment specification: %w", err)
	}
	return envelope.ParseSpecification(content)
}

// apart holds that the root directory is not in the directory that is deployed, which would be copied into itself without end.
func (p Plan) apart(root string) error {
	r := p.Spec.Revision.LocalRevision
	if r == nil || r.BundleType != envelope.BundleDirectory {
		return nil
	}
	from, err := filepath.EvalSymlinks(r.Location)
	if err != nil {
		return fmt.Errorf("look at the bundle location: %w", err)
	}
	to, err := resolve(root)
	if err != nil {
		return fmt.Errorf("look at the root directory: %w", err)
	}
	if rel, err := filepath.Rel(from, to); err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return fmt.Errorf("the directory %s is in the one that is to be deployed, %s: choose another root directory with --root", root, r.Location)
	}
	return nil
}

// resolve follows links as far as there is something.
func resolve(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if parent := filepath.Dir(path); errors.Is(err, fs.ErrNotExist) && parent != path {
		real, err = resolve(parent)
		return filepath.Join(real, filepath.Base(path)), err
	}
	return real, err
}

func orElse(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
