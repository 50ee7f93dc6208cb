package cgroup

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// place finds the directory of this process's own group from what /proc says about it.
func place(membership, mounts io.Reader) (string, error) {
	own, err := ownGroup(membership)
	if err != nil {
		return "", err
	}
	root, point, err := mountOf(mounts)
	if err != nil {
		return "", err
	}
	below, inside := own, true
	if root != "/" {
		below, inside = strings.CutPrefix(own, root)
		inside = inside && (below == "" || below[0] == '/')
	}
	if !inside || strings.HasPrefix(own+"/", "/../") {
		return "", fmt.Errorf("%w: the group %s of this process is outside of what is mounted at %s", ErrUnusable, own, point)
	}
	return filepath.Join(point, below), nil
}

// ownGroup reads /proc/self/cgroup. The line of version 2 has the hierarchy 0 and names no controller.
func ownGroup(membership io.Reader) (string, error) {
	lines := bufio.NewScanner(membership)
	for lines.Scan() {
		if group, found := strings.CutPrefix(lines.Text(), "0::"); found && strings.HasPrefix(group, "/") {
			return group, nil
		}
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("read the group of this process: %w", err)
	}
	return "", fmt.Errorf("%w: this system has no cgroups of version 2", ErrUnusable)
}

// mountOf reads /proc/self/mountinfo: which group is mounted where. Of several mounts the widest is best.
func mountOf(mounts io.Reader) (root, point string, err error) {
	lines := bufio.NewScanner(mounts)
	for lines.Scan() {
		before, after, found := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		if !found || !strings.HasPrefix(after, "cgroup2 ") || len(fields) < 5 {
			continue
		}
		if r := unescape(fields[3]); point == "" || len(r) < len(root) {
			root, point = r, unescape(fields[4])
		}
	}
	if err := lines.Err(); err != nil {
		return "", "", fmt.Errorf("read the mounts of this process: %w", err)
	}
	if point == "" {
		return "", "", fmt.Errorf("%w: no cgroups of version 2 are mounted", ErrUnusable)
	}
	return root, point, nil
}

// unescape undoes what the kernel does to blanks in paths.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
