package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

const prefix = "script-"

// Groups makes groups for scripts. A nil one makes none.
type Groups struct {
	dir string // of this process's own group
	log *slog.Logger

	mu   sync.Mutex
	off  bool // a script could not be started in a group
	last int
	left []string // groups that outlived their scripts
}

// Open finds out whether groups can be made, tidies up what earlier agents left that is empty by now, and says in the log what it found. Nil:
// no groups can be made, and a script is bound by its process group only.
func Open(log *slog.Logger) *Groups {
	g, err := open(log)
	if err != nil {
		log.Info("scripts get a process group but no cgroup, so what becomes a daemon outlives a timeout", "reason", err)
		return nil
	}
	log.Debug("scripts get cgroups", "below", g.dir)
	return g
}

func open(log *slog.Logger) (*Groups, error) {
	dir, err := find()
	if err != nil {
		return nil, err
	}
	g := &Groups{dir: dir, log: log}
	g.tidy()
	probe, err := g.create()
	if err != nil {
		return nil, err
	}
	defer probe.Close()
	if err := probe.usable(); err != nil {
		return nil, err
	}
	return g, nil
}

func find() (string, error) {
	membership, err := os.Open("/proc/self/cgroup")
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	defer membership.Close()
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	defer mounts.Close()
	return place(membership, mounts)
}

// New makes a group for one script. Nil: the script has to do without.
func (g *Groups) New() *Group {
	if g == nil || g.isOff() {
		return nil
	}
	g.sweep()
	group, err := g.create()
	if err != nil {
		g.log.Warn("a script gets no cgroup", "error", err)
		return nil
	}
	return group
}

// create makes a directory. The number of this process keeps agents in one group apart.
func (g *Groups) create() (*Group, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		g.last++
		path := filepath.Join(g.dir, prefix+strconv.Itoa(os.Getpid())+"-"+strconv.Itoa(g.last))
		err := os.Mkdir(path, 0o755)
		if errors.Is(err, fs.ErrExist) {
			continue // of an earlier process of the same number
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
		}
		dir, err := os.Open(path)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%w: %w", ErrUnusable, err), os.Remove(path))
		}
		return &Group{groups: g, path: path, dir: dir}, nil
	}
}

func (g *Groups) isOff() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.off
}

// sweep removes groups that have become empty since their scripts ended.
func (g *Groups) sweep() {
	g.mu.Lock()
	defer g.mu.Unlock()
	kept := g.left[:0]
	for _, path := range g.left {
		if !removed(path) {
			kept = append(kept, path)
		}
	}
	g.left = kept
}

// tidy looks after groups of agents that are gone. Those that still hold an application are looked after from now on.
func (g *Groups) tidy() {
	entries, err := os.ReadDir(g.dir)
	if err != nil {
		return // then none can be made either, which is told
	}
	for _, e := range entries {
		name, ours := strings.CutPrefix(e.Name(), prefix)
		owner, _, _ := strings.Cut(name, "-")
		pid, err := strconv.Atoi(owner)
		// What has the number of a living process, ours included, may be about to take a script.
		if !ours || !e.IsDir() || err != nil || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		if path := filepath.Join(g.dir, e.Name()); !removed(path) {
			g.left = append(g.left, path)
		}
	}
}

// removed removes an empty group with the groups in it, which containers and the like make, and says whether it is gone.
func removed(path string) bool {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	for _, e := range entries {
		if e.IsDir() && !removed(filepath.Join(path, e.Name())) {
			return false
		}
	}
	err = syscall.Rmdir(path)
	return err == nil || errors.Is(err, fs.ErrNotExist)
}
