package appspec

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

func (p *parser) permissions(e pair) {
	items, err := p.sequence(e.value, "permissions")
	if err != nil {
		p.report(err)
	}
	if len(items) > 0 && p.host == Windows {
		p.report(p.problem(e.key, "remove it", "permissions are not supported on Windows"))
		return
	}
	for _, item := range items {
		if r, ok := p.permission(item); ok {
			p.spec.Permissions = append(p.spec.Permissions, r)
		}
	}
}

func permissionKeys() []string {
	return []string{"object", "pattern", "except", "type", "owner", "group", "mode", "acls", "context"}
}

// permission reads an entry of permissions; false: it is reported to be wrong.
func (p *parser) permission(item *yaml.Node) (Permission, bool) {
	pairs, err := p.mapping(item, "an entry of permissions")
	if err != nil {
		p.report(err)
		return Permission{}, false
	}
	r, good := Permission{Pattern: "**", Types: []ObjectType{TypeFile, TypeDirectory}, Line: item.Line}, true
	for _, e := range pairs {
		switch e.name {
		case "object":
			r.Object, err = p.text(e.value, "object")
			if r.Object = strings.TrimSpace(r.Object); r.Object != "" && !isAbsolute(r.Object, p.host) {
				p.advise(e.value, "write an absolute path", "the object %s is not absolute, so nothing that is installed matches it", quote(r.Object))
			}
		case "pattern":
			r.Pattern, err = p.text(e.value, "pattern")
			p.adviseName(e.value, "the pattern", r.Pattern)
		case "except":
			r.Except, err = p.except(e.value)
		case "type":
			r.Types, err = p.types(e.value)
		case "owner":
			r.Owner, err = p.text(e.value, "owner")
		case "group":
			r.Group, err = p.text(e.value, "group")
		case "mode":
			r.Mode, err = p.mode(e.value)
		case "acls":
			r.ACL, err = p.acls(e.value)
		case "context":
			r.Context, err = p.context(e.value)
		default:
			p.unknown(e.key, permissionKeys(), "the key %s of a permissions entry", quote(e.name))
		}
		if err != nil {
			p.report(err)
			good, err = false, nil
		}
	}
	if good && r.Object == "" {
		p.report(p.problem(item, `add "object: <path on the host>"`, "a permissions entry has no object"))
		good = false
	}
	if r.Pattern == "" {
		r.Pattern = "**"
	}
	return r, good
}

func (p *parser) except(n *yaml.Node) ([]string, error) {
	values, err := p.texts(n, "except")
	p.adviseList(n, "except")
	for _, v := range values {
		p.adviseName(n, "the exception", v)
	}
	return values, err
}

func (p *parser) types(n *yaml.Node) ([]ObjectType, error) {
	values, err := p.texts(n, "type")
	if err != nil {
		return nil, err
	}
	p.adviseList(n, "type")
	var all []ObjectType
	for _, v := range values {
		switch ObjectType(v) {
		case TypeFile, TypeDirectory:
			all = append(all, ObjectType(v))
		default:
			return nil, p.problem(n, "write file, directory or both", "the object type %s is not known", quote(v))
		}
	}
	if len(all) == 0 {
		all = []ObjectType{TypeFile, TypeDirectory}
	}
	return all, nil
}

// mode reads the digits as they are written: an unquoted 0644 is what its author means by it, though YAML calls it the number 420.
func (p *parser) mode(n *yaml.Node) (string, error) {
	const hint = "write octal digits such as 644; symbolic modes are not supported"
	if isNull(n) {
		return "", nil
	}
	value, err := p.text(n, "mode")
	if err != nil {
		return "", err
	}
	digits := strings.TrimPrefix(value, "0o")
	if digits == "" || len(digits) > 4 || strings.Trim(digits, "01234567") != "" {
		return "", p.problem(n, hint, "the mode %s is not one to four octal digits", quote(value))
	}
	p.adviseMode(n)
	return strings.Repeat("0", max(0, 3-len(digits))) + digits, nil
}

func (p *parser) acls(n *yaml.Node) (ACL, error) {
	const hint = "write entries such as u:bob:rw; what the owner, the group and all others may is for mode"
	values, err := p.texts(n, "acls")
	if err != nil {
		return nil, err
	}
	p.adviseList(n, "acls")
	acl, err := ParseACL(values)
	if err != nil {
		return nil, p.problem(p.item(n, func(i int) bool {
			_, upTo := ParseACL(values[:i+1])
			return upTo != nil
		}), hint, "%v", err)
	}
	return acl, nil
}

// item is the first item of a list for which is holds, or the list.
func (p *parser) item(n *yaml.Node, is func(i int) bool) *yaml.Node {
	for i, c := range n.Content {
		if is(i) {
			return c
		}
	}
	return n
}

func (p *parser) context(n *yaml.Node) (*Context, error) {
	if isNull(n) {
		return nil, nil
	}
	pairs, err := p.mapping(n, "context")
	if err != nil {
		return nil, err
	}
	c, keys := &Context{}, map[string]bool{}
	for _, e := range pairs {
		keys[e.name] = true
		switch e.name {
		case "user", "name": // the official agent reads name, the user guide says user
			before := c.User
			if c.User, err = p.label(e); err == nil && before != "" && c.User != before {
				err = p.problem(e.value, "keep one of them", "a context has the user %s and the name %s, which mean the same", quote(before), quote(c.User))
			}
		case "type":
			c.Type, err = p.label(e)
		case "range":
			c.Range, err = p.contextRange(e.value)
		case "role":
			err = p.problem(e.key, "remove it", "a context role is not supported")
		default:
			p.unknown(e.key, []string{"user", "name", "type", "range"}, "the key %s of a context", quote(e.name))
		}
		if err != nil {
			return nil, err
		}
	}
	if c.Type == "" {
		return nil, p.problem(n, `add "type: <SELinux type>"`, "a context has no type")
	}
	p.adviseContext(n, keys)
	return c, nil
}

func (p *parser) label(e pair) (string, error) {
	value, err := p.text(e.value, "context "+e.name)
	if err != nil {
		return "", err
	}
	if err := checkLabel(value); err != nil {
		return "", p.problem(e.value, "write it as semanage fcontext -l shows it", "the context %s %v", e.name, err)
	}
	return value, nil
}

func (p *parser) contextRange(n *yaml.Node) (string, error) {
	value, err := p.text(n, "context range")
	if err != nil || value == "" {
		return "", err
	}
	r, err := ParseRange(value)
	if err != nil {
		return "", p.problem(n, "write it as in s0 or s0-s1:c0.c5,c7", "%v", err)
	}
	return r.String(), nil
}
