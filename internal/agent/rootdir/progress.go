package rootdir

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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

// Stale is the age at which nobody waits for the outcome of a command any more, as the official agent has it.
const Stale = 24 * time.Hour

// Begin writes down that a command of a deployment is about to run. Durable says that what it does matters beyond a power failure. What the
// deployment's scripts wrote before is older than that afterwards, and what they write from then on is not, so that Unfinished.Since tells them apart.
func (d *Dir) Begin(p Deployment, command string, durable bool) error {
	running := d.running(filepath.Base(p.path))
	err := write(running, []byte(command), durable)
	if err == nil {
		err = makeOlder(p.ScriptsLog(), running)
	}
	if err != nil {
		return fmt.Errorf("write down the running command: %w", err)
	}
	return nil
}

// write writes a file that a crash leaves old or new; if durable, so that even a power failure does.
func write(path string, content []byte, durable bool) error {
	if durable {
		return safefile.Write(path, 0o644, content)
	}
	return safefile.WriteUnsynced(path, 0o644, content)
}

// makeOlder sets a file's time back where it is not older than another one's: the kernel's clock for files stands still for milliseconds.
func makeOlder(path, than string) error {
	file, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	other, err := os.Stat(than)
	if err != nil {
		return err
	}
	if file.ModTime().Before(other.ModTime()) {
		return nil
	}
	return os.Chtimes(path, time.Time{}, other.ModTime().Add(-time.Millisecond))
}

// End forgets the running command of a deployment.
func (d *Dir) End(deploymentID string) error {
	if err := os.Remove(d.running(deploymentID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the running command: %w", err)
	}
	return nil
}

func (d *Dir) running(deploymentID string) string {
	return filepath.Join(d.path, d.tracking, deploymentID)
}

// Unfinished is a command that was running when the agent ended.
type Unfinished struct {
	DeploymentID string
	Command      string
	Since        time.Time // it was running
}

// Unfinished lists them, the newest first. Stale ones are forgotten.
func (d *Dir) Unfinished(now time.Time) ([]Unfinished, error) {
	var all []Unfinished
	err := d.eachFile(d.tracking, func(name string, content []byte, at time.Time) error {
		if now.Sub(at) > Stale || len(content) == 0 {
			return d.End(name)
		}
		all = append(all, Unfinished{name, strings.TrimSpace(string(content)), at})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the running commands: %w", err)
	}
	slices.SortFunc(all, func(a, b Unfinished) int { return b.Since.Compare(a.Since) })
	return all, nil
}

// Report is the outcome of a command that the server has yet to take.
type Report struct {
	Command     string `json:"command"`
	Succeeded   bool   `json:"succeeded"`
	Diagnostics string `json:"diagnostics"` // the payload as it is sent
}

// SaveReport keeps a report until DropReport.
func (d *Dir) SaveReport(r Report, durable bool) error {
	content, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	if err := write(d.report(r.Command), content, durable); err != nil {
		return fmt.Errorf("save report: %w", err)
	}
	return nil
}

// DropReport forgets a report that the server has taken.
func (d *Dir) DropReport(command string) error {
	if err := os.Remove(d.report(command)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("drop report: %w", err)
	}
	return nil
}

// Reports lists the saved ones. Stale and unreadable ones are forgotten.
func (d *Dir) Reports(now time.Time) ([]Report, error) {
	var all []Report
	err := d.eachFile(filepath.Join(ours, reports), func(name string, content []byte, at time.Time) error {
		var r Report
		if json.Unmarshal(content, &r) != nil || r.Command == "" || now.Sub(at) > Stale {
			return os.Remove(filepath.Join(d.path, ours, reports, name))
		}
		all = append(all, r)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read reports: %w", err)
	}
	return all, nil
}

// report names a report's file: a command's identifier is the server's and may hold anything.
func (d *Dir) report(command string) string {
	sum := sha256.Sum256([]byte(command))
	return filepath.Join(d.path, ours, reports, hex.EncodeToString(sum[:16])+".json")
}

func (d *Dir) eachFile(dir string, do func(name string, content []byte, at time.Time) error) error {
	entries, err := os.ReadDir(filepath.Join(d.path, dir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(d.path, dir, e.Name())
		if strings.HasPrefix(e.Name(), safefile.Prefix) { // half-written at a crash
			if err := os.Remove(path); err != nil {
				return err
			}
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := do(e.Name(), content, info.ModTime()); err != nil {
			return err
		}
	}
	return nil
}

// Retain removes the group's oldest deployments until, together with the current one, at most the given number remain. The one that was
// last installed successfully is never removed: its scripts stop the application in the next deployment.
func (d *Dir) Retain(groupID string, current Deployment, most int) error {
	entries, err := os.ReadDir(filepath.Join(d.path, groupID))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list old deployments: %w", err)
	}
	last, _, err := d.Marked(groupID, LastSuccessful)
	if err != nil {
		return err
	}
	type old struct {
		path string
		at   time.Time
	}
	var removable []old
	others := 0
	for _, e := range entries {
		path := filepath.Join(d.path, groupID, e.Name())
		if !e.IsDir() || path == current.path {
			continue
		}
		others++
		info, err := e.Info()
		if err != nil {
			return fmt.Errorf("look at old deployment: %w", err)
		}
		if path != last.path {
			removable = append(removable, old{path, info.ModTime()})
		}
	}
	slices.SortFunc(removable, func(a, b old) int { return a.at.Compare(b.at) })
	for _, o := range removable {
		if others < most {
			break
		}
		if err := os.RemoveAll(o.path); err != nil {
			return fmt.Errorf("remove old deployment: %w", err)
		}
		others--
	}
	return nil
}
