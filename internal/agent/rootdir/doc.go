// Package rootdir is the directory in which a host agent keeps its deployments and its progress, laid out as the official agent lays it out,
// so that one agent can take over from the other.
//
//	<groupId>/<deploymentId>/                  a deployment: bundle.tar, deployment-archive/, logs/scripts.log
//	deployment-instructions/                   <groupId>-cleanup, -install.json, _last_successful_install, _most_recent_install
//	deployment-logs/                           codedeploy-agent-deployments.log
//	ongoing-deployment/<deploymentId>          the command that runs
//	crossfade/                                 ours alone: lock, reports/ that the server has not taken yet
//
// It owns the names, and the durability of what is written: files appear whole or not at all. It knows nothing of what a command means. A
// [Dir] is safe for concurrent use; that two commands of one group don't run at once is the caller's to see to.
package rootdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"crossfade/internal/safefile"
)

const (
	instructions = "deployment-instructions"
	logs         = "deployment-logs"
	ongoing      = "ongoing-deployment"
	ours         = "crossfade"
	reports      = "reports"
)

// Dir is an agent's root directory.
type Dir struct {
	path     string
	tracking string   // name of the directory of running commands
	lock     *os.File // nil: opened beside the agent
}

// Open makes what is missing and locks the directory: two agents in one would take each other's files for their own. Running commands are
// written down in the directory of the given name in it; empty: as the official agent calls it by default.
func Open(path, tracking string) (*Dir, error) {
	d, err := OpenBeside(path)
	if err != nil {
		return nil, err
	}
	if tracking != "" {
		d.tracking = tracking
	}
	for _, name := range []string{logs, d.tracking, filepath.Join(ours, reports)} {
		if err := os.MkdirAll(filepath.Join(d.path, name), 0o755); err != nil {
			return nil, fmt.Errorf("open agent root: %w", err)
		}
	}
	lock, err := os.OpenFile(filepath.Join(d.path, ours, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock of agent root: %w", err)
	}
	if err := insistOnLock(lock); err != nil {
		return nil, errors.Join(fmt.Errorf("another agent runs in %s: stop it, or give this one another root directory: %w", d.path, err), lock.Close())
	}
	d.lock = lock
	return d, nil
}

// OpenBeside makes what is missing for deployments, and locks nothing: for whoever deploys beside an agent and keeps out of its way by the lock of
// the host. What is about commands and reports is the agent's alone.
func OpenBeside(path string) (*Dir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open agent root: %w", err)
	}
	for _, name := range []string{"", instructions, ours} {
		if err := os.MkdirAll(filepath.Join(abs, name), 0o755); err != nil {
			return nil, fmt.Errorf("open agent root: %w", err)
		}
	}
	return &Dir{path: abs, tracking: ongoing}, nil
}

// insistOnLock tries for a moment: InUse may be looking.
func insistOnLock(lock *os.File) (err error) {
	for range 5 {
		if err = lockFile(lock); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

// InUse tells whether an agent has a directory open, without disturbing it.
func InUse(path string) (bool, error) {
	lock, err := os.Open(filepath.Join(path, ours, "lock"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at lock of agent root: %w", err)
	}
	defer lock.Close()
	if err := shareLock(lock); err != nil {
		return true, nil
	}
	if err := unlockFile(lock); err != nil {
		return false, fmt.Errorf("look at lock of agent root: %w", err)
	}
	return false, nil
}

// Close gives the directory free for another agent.
func (d *Dir) Close() error {
	if d.lock == nil {
		return nil
	}
	if err := errors.Join(unlockFile(d.lock), d.lock.Close()); err != nil {
		return fmt.Errorf("unlock agent root: %w", err)
	}
	return nil
}

// Path is the root directory.
func (d *Dir) Path() string { return d.path }

// Instructions is the directory of the installer's lists.
func (d *Dir) Instructions() string { return InstructionsOf(d.path) }

// InstructionsOf is the same for a root directory that need not be open.
func InstructionsOf(root string) string { return filepath.Join(root, instructions) }

// DeploymentsLog is the log of all scripts' output.
func (d *Dir) DeploymentsLog() string {
	return filepath.Join(d.path, logs, "codedeploy-agent-deployments.log")
}

// Deployment is the directory of one deployment on this host. It may not exist yet.
type Deployment struct{ path string }

// Deployment locates a deployment by its ids, which must have been checked to be plain names.
func (d *Dir) Deployment(groupID, deploymentID string) Deployment {
	return Deployment{filepath.Join(d.path, groupID, deploymentID)}
}

// Find locates a deployment whose group is not known; false when the host has none of that id.
func (d *Dir) Find(deploymentID string) (Deployment, bool, error) {
	groups, err := os.ReadDir(d.path)
	if err != nil {
		return Deployment{}, false, fmt.Errorf("look for deployment: %w", err)
	}
	for _, g := range groups {
		p := d.Deployment(g.Name(), deploymentID)
		if _, err := os.Stat(filepath.Dir(p.ScriptsLog())); err == nil {
			return p, true, nil
		}
	}
	return Deployment{}, false, nil
}

// Path is the deployment's directory.
func (p Deployment) Path() string { return p.path }

// Bundle is where the downloaded bundle goes, whatever its kind.
func (p Deployment) Bundle() string { return filepath.Join(p.path, "bundle.tar") }

// Archive is the unpacked revision.
func (p Deployment) Archive() string { return filepath.Join(p.path, "deployment-archive") }

// ScriptsLog takes the output of the deployment's scripts.
func (p Deployment) ScriptsLog() string { return filepath.Join(p.path, "logs", "scripts.log") }

// Make makes the deployment's directories.
func (p Deployment) Make() error {
	if err := os.MkdirAll(filepath.Join(p.path, "logs"), 0o755); err != nil {
		return fmt.Errorf("make deployment directory: %w", err)
	}
	return nil
}

// Unpacked tells whether the deployment has its revision.
func (p Deployment) Unpacked() (bool, error) {
	_, err := os.Stat(p.Archive())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at deployment: %w", err)
	}
	return true, nil
}

// Mark names a deployment that a group remembers.
type Mark string

// The marks of a group.
const (
	LastSuccessful Mark = "_last_successful_install"
	MostRecent     Mark = "_most_recent_install"
)

// Marked is the deployment that the mark names; false when there is none. The deployment's directory may be gone.
func (d *Dir) Marked(groupID string, mark Mark) (Deployment, bool, error) {
	return MarkedIn(d.path, groupID, mark)
}

// MarkedIn is the same for a root directory that need not be open, nor exist.
func MarkedIn(root, groupID string, mark Mark) (Deployment, bool, error) {
	content, err := os.ReadFile(filepath.Join(InstructionsOf(root), groupID+string(mark)))
	if errors.Is(err, fs.ErrNotExist) {
		return Deployment{}, false, nil
	}
	if err != nil {
		return Deployment{}, false, fmt.Errorf("read mark: %w", err)
	}
	path := strings.TrimSpace(string(content))
	if !filepath.IsAbs(path) {
		return Deployment{}, false, fmt.Errorf("the file %s%s does not hold an absolute path: remove it, and the next deployment writes it anew", groupID, mark)
	}
	return Deployment{filepath.Clean(path)}, true, nil
}

// Installed is what a group has installed last.
type Installed struct {
	GroupID      string
	DeploymentID string
	At           time.Time
}

// LastInstalled lists the last successful install of each group in an agent's root directory, the latest first. It needs no open Dir.
func LastInstalled(path string) ([]Installed, error) {
	entries, err := os.ReadDir(filepath.Join(path, instructions))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list what is installed: %w", err)
	}
	var all []Installed
	for _, e := range entries {
		group, found := strings.CutSuffix(e.Name(), string(LastSuccessful))
		if !found || group == "" {
			continue
		}
		info, infoErr := e.Info()
		content, err := os.ReadFile(filepath.Join(path, instructions, e.Name()))
		if err := errors.Join(infoErr, err); err != nil {
			return nil, fmt.Errorf("list what is installed: %w", err)
		}
		all = append(all, Installed{GroupID: group, DeploymentID: filepath.Base(strings.TrimSpace(string(content))), At: info.ModTime()})
	}
	slices.SortFunc(all, func(a, b Installed) int { return b.At.Compare(a.At) })
	return all, nil
}

// SetMark makes the mark name the deployment.
func (d *Dir) SetMark(groupID string, mark Mark, p Deployment) error {
	if err := safefile.Write(filepath.Join(d.Instructions(), groupID+string(mark)), 0o644, []byte(p.path)); err != nil {
		return fmt.Errorf("write mark: %w", err)
	}
	return nil
}
