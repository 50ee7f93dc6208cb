package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// look is how often a group is looked at that is to become empty.
const look = 10 * time.Millisecond

// Group holds one script with all that it starts. The methods of a nil one do nothing.
type Group struct {
	groups *Groups
	path   string
	dir    *os.File
}

// Attach makes a process that is about to be started begin its life in the group.
func (g *Group) Attach(attr *syscall.SysProcAttr) {
	if g != nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(g.dir.Fd())
	}
}

// usable is what can be found out without starting a process.
func (g *Group) usable() error {
	kind, err := os.ReadFile(filepath.Join(g.path, "cgroup.type"))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	if text := strings.TrimSpace(string(kind)); text != "domain" {
		return fmt.Errorf("%w: a new group in %s is of the type %s", ErrUnusable, g.groups.dir, text)
	}
	// There is nobody in the group yet. Kernels before 5.14 have no such file.
	if err := g.Kill(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return nil
}

// Refused says that no process could be started in the group, which then will not work for the next one either.
func (g *Group) Refused(reason error) {
	if g == nil {
		return
	}
	g.groups.mu.Lock()
	defer g.groups.mu.Unlock()
	if !g.groups.off {
		g.groups.off = true
		g.groups.log.Warn("scripts can't be started in cgroups, they get process groups only from now on", "reason", reason)
	}
}

// Terminate asks all processes of the group to end.
func (g *Group) Terminate() error {
	if g == nil {
		return nil
	}
	content, err := os.ReadFile(filepath.Join(g.path, "cgroup.procs"))
	if err != nil {
		return fmt.Errorf("list the processes of cgroup %s: %w", g.path, err)
	}
	for _, line := range strings.Fields(string(content)) {
		pid, convErr := strconv.Atoi(line)
		if convErr != nil || pid <= 1 { // 0 stands for a process that is not visible from here
			continue
		}
		if killErr := syscall.Kill(pid, syscall.SIGTERM); killErr != nil && !errors.Is(killErr, syscall.ESRCH) {
			err = errors.Join(err, fmt.Errorf("signal process %d: %w", pid, killErr))
		}
	}
	return err
}

// Kill ends all processes of the group and of groups within. None escapes by forking.
func (g *Group) Kill() error {
	if g == nil {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(g.path, "cgroup.kill"), os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("kill cgroup: %w", err)
	}
	if _, err := f.WriteString("1"); err != nil {
		return errors.Join(fmt.Errorf("kill cgroup: %w", err), f.Close())
	}
	return f.Close()
}

// Wait waits until no process is left, or for the given time at most, and returns whether none is. That of a nil group is unknown: true.
func (g *Group) Wait(most time.Duration) bool {
	if g == nil {
		return true
	}
	for until := time.Now().Add(most); ; time.Sleep(look) {
		content, err := os.ReadFile(filepath.Join(g.path, "cgroup.events"))
		if err != nil || strings.Contains(string(content), "populated 0") {
			return true
		}
		if !time.Now().Before(until) {
			return false
		}
	}
}

// Close lets go of the group: it is removed, or stays as long as it holds a process.
func (g *Group) Close() {
	if g == nil {
		return
	}
	g.dir.Close() //nolint:errcheck // a directory that was only opened to be named
	if !removed(g.path) {
		g.groups.mu.Lock()
		g.groups.left = append(g.groups.left, g.path)
		g.groups.mu.Unlock()
	}
}
