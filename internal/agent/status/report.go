package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"crossfade/internal/agent/hostlock"
	"crossfade/internal/agent/rootdir"
)

// Report is what can be said of the agent of a root directory.
type Report struct {
	Running bool `json:"running"` // the agent lives
	// Agent is what it wrote last; nil: nothing was ever written there.
	Agent     *Snapshot   `json:"agent"`
	Installed []Installed `json:"installed"` // what each deployment group has installed last, the latest first
	// Lock is who executes on this host right now; nil: nobody. It may be a crossfade local.
	Lock *hostlock.Holder `json:"lock"`
}

// Installed is the last successful install of a deployment group.
type Installed struct {
	GroupID     string    `json:"groupId"`
	Group       string    `json:"group,omitempty"` // empty: the agent does not know the name, since another one installed it
	Application string    `json:"application,omitempty"`
	Deployment  string    `json:"deployment"`
	At          time.Time `json:"at"`
}

// Read makes the report on a root directory. It changes nothing there.
func Read(root string) (Report, error) {
	r := Report{Installed: []Installed{}}
	info, err := os.Stat(root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r, fmt.Errorf("there is no directory %s: give the agent's with --root", root)
	case err != nil:
		return r, fmt.Errorf("look at agent root: %w", err)
	case !info.IsDir():
		return r, fmt.Errorf("%s is not a directory: give the agent's root directory with --root", root)
	}
	if r.Running, err = rootdir.InUse(root); err != nil {
		return r, err
	}
	s, err := readFile(filepath.Join(root, filepath.FromSlash(name)))
	switch {
	case err == nil:
		r.Agent = &s
	case !errors.Is(err, fs.ErrNotExist):
		return r, err
	}
	if r.Lock, err = holder(root); err != nil {
		return r, err
	}
	all, err := rootdir.LastInstalled(root)
	for _, i := range all {
		g := s.Groups[i.GroupID]
		r.Installed = append(r.Installed, Installed{GroupID: i.GroupID, Group: g.Name, Application: g.Application, Deployment: i.DeploymentID, At: i.At})
	}
	return r, err
}

func holder(root string) (*hostlock.Holder, error) {
	h, held, err := hostlock.Look(root)
	if err != nil || !held {
		return nil, err
	}
	return &h, nil
}

// longestFile bounds what is read of a status, in bytes.
const longestFile = 1 << 20

func readFile(path string) (s Snapshot, err error) {
	f, err := os.Open(path)
	if err != nil {
		return s, fmt.Errorf("read status: %w", err)
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, longestFile)).Decode(&s); err != nil {
		return Snapshot{}, fmt.Errorf("read status %s, which the agent writes anew: %w", path, err)
	}
	return s, nil
}
