package install

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Preview is what an installation would do.
type Preview struct {
	Remove []string      // what the last installation of the group put there and goes first, in this order
	List   []Instruction // what comes then; sources are below the request's Archive
}

// Preview tells what Install would do, with all of its checks, and touches nothing.
func (i Installer) Preview(ctx context.Context, groupID string, r Request) (Preview, error) {
	if err := ready(i.runner(), r.Spec); err != nil {
		return Preview{}, err
	}
	lines, _, err := readCleanup(i.cleanupList(groupID))
	if err != nil {
		return Preview{}, err
	}
	var p Preview
	missing := map[string]bool{}
	for _, line := range slices.Backward(lines) {
		if !filepath.IsAbs(line) || missing[line] {
			continue
		}
		goes, err := wouldGo(line, missing)
		if err != nil {
			return Preview{}, err
		}
		if goes {
			missing[line] = true
			p.Remove = append(p.Remove, line)
		}
	}
	p.List, err = plan(ctx, i.runner(), r, missing)
	return p, err
}

// wouldGo tells whether takeAway would remove a path once those in missing are gone.
func wouldGo(path string, missing map[string]bool) (bool, error) {
	info, err := os.Lstat(path)
	if gone(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at %s: %w", path, err)
	}
	if !info.IsDir() {
		return true, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return false, fmt.Errorf("read directory: %w", err)
	}
	return !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return !missing[filepath.Join(path, e.Name())] }), nil
}

// String tells the instruction in a line.
func (in Instruction) String() string {
	switch in.Type {
	case kindCopy:
		if in.replace {
			return "copy " + in.Source + " over " + in.Destination
		}
		return "copy " + in.Source + " to " + in.Destination
	case kindMkdir:
		return "make directory " + in.Directory
	case kindChmod:
		return "set mode " + in.Mode + " of " + in.File
	case kindChown:
		return "set owner " + strings.TrimSuffix(in.Owner+":"+in.Group, ":") + " of " + in.File
	case kindSetfacl:
		return "set acls " + strings.Join(in.ACL, ",") + " of " + in.File
	case kindSemanage:
		return "set context " + in.Context.Type + " of " + in.File
	default:
		return in.Type
	}
}
