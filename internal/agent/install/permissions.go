package install

import (
	"path/filepath"
	"strings"

	"crossfade/internal/appspec"
)

// permission plans one entry of permissions. Only what this deployment installs is ever changed.
func (p *planner) permission(e appspec.Permission) error {
	object := filepath.Clean(filepath.FromSlash(e.Object))
	if _, copied := p.copies[object]; copied {
		return p.filePermission(e, object)
	}
	if !p.made[object] {
		info, err := p.look(object)
		if err != nil {
			return err
		}
		if info == nil || !info.IsDir() {
			return nil // the official agent ignores it too
		}
	}
	// The list is walked, not the maps, so that the order is always the same.
	installed := p.list
	for _, done := range installed {
		target, kind := done.Destination, appspec.TypeFile
		if done.Type == kindMkdir {
			target, kind = done.Directory, appspec.TypeDirectory
		}
		if done.Type != kindCopy && done.Type != kindMkdir || !e.Applies(kind) || !below(e, object, target) {
			continue
		}
		if err := p.settle(e, target, kind); err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) filePermission(e appspec.Permission, object string) error {
	if !e.Applies(appspec.TypeFile) {
		return nil
	}
	if e.Pattern != "**" || len(e.Except) > 0 {
		return p.problem(e.Line, "remove pattern and except, or name a directory", "the object %q is a file, for which pattern and except mean nothing", e.Object)
	}
	return p.settle(e, object, appspec.TypeFile)
}

// below tells whether target lies below object and the entry's pattern is for it. A pattern other than "**" is for names directly below.
func below(e appspec.Permission, object, target string) bool {
	rel, err := filepath.Rel(object, target)
	if err != nil || rel == "." || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return false
	}
	if !matches(e.Pattern, rel) {
		return false
	}
	for _, except := range e.Except {
		if matches(except, rel) {
			return false
		}
	}
	return true
}

func matches(pattern, rel string) bool {
	if pattern == "**" {
		return true
	}
	return !strings.ContainsRune(rel, filepath.Separator) && glob(pattern, rel)
}

// settle plans mode, access control list, context and owner of one object, in the official agent's order. A symbolic link gets an owner alone:
// it has nothing of the others, and what it leads to may not be ours.
func (p *planner) settle(e appspec.Permission, target string, kind appspec.ObjectType) error {
	if p.settled[target] {
		return p.problem(e.Line, "let only one entry match it", "the permissions of %s are set more than once", target)
	}
	p.settled[target] = true
	if e.Mode != "" && !p.links[target] {
		p.list = append(p.list, Instruction{Type: kindChmod, Mode: e.Mode, File: target, line: e.Line})
	}
	if len(e.ACL) > 0 && !p.links[target] {
		if err := p.acl(e, target, kind); err != nil {
			return err
		}
	}
	if e.Context != nil && !p.links[target] {
		p.list = append(p.list, Instruction{Type: kindSemanage, Context: newLabel(e.Context), File: target, line: e.Line})
	}
	if e.Owner == "" && e.Group == "" {
		return nil
	}
	if err := mayOwn(p.ctx, p.run, e.Owner, e.Group); err != nil {
		return p.problem(e.Line, "", "the owner of %s can't be set: %v", target, err)
	}
	p.list = append(p.list, Instruction{Type: kindChown, Owner: e.Owner, Group: e.Group, File: target, line: e.Line})
	return nil
}

func (p *planner) acl(e appspec.Permission, target string, kind appspec.ObjectType) error {
	if kind == appspec.TypeFile && e.ACL.HasDefaults() {
		return p.problem(e.Line, `remove the default entries, or add "type: [directory]"`, "%s is a file, and default entries of acls are for directories", target)
	}
	if err := known(p.ctx, p.run, e.ACL); err != nil {
		return p.problem(e.Line, "create them on the host, or change acls", "the acls of %s can't be set: %v", target, err)
	}
	p.list = append(p.list, Instruction{Type: kindSetfacl, ACL: e.ACL.Strings(), File: target, line: e.Line})
	return nil
}
