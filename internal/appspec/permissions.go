package appspec

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

func (p *parser) permissions(e pair) error {
	items, err := p.sequence(e.value, "permissions")
	if err != nil {
		return err
	}
	if len(items) > 0 && p.host == Windows {
		return p.problem(e.key, "remove it", "permissions are not supported on Windows")
	}
	for _, item := range items {
		permission, err := p.permission(item)
		if err != nil {
			return err
		}
		p.spec.Permissions = append(p.spec.Permissions, permission)
	}
	return nil
}

func (p *parser) permission(item *yaml.Node) (Permission, error) {
	pairs, err := p.mapping(item, "an entry of permissions")
	if err != nil {
		return Permission{}, err
	}
	r := Permission{Pattern: "**", Types: []ObjectType{TypeFile, TypeDirectory}, Line: item.Line}
	for _, e := range pairs {
		switch e.name {
		case "object":
			r.Object, err = p.text(e.value, "object")
		case "pattern":
			r.Pattern, err = p.text(e.value, "pattern")
		case "except":
			r.Except, err = p.texts(e.value, "except")
		case "type":
			r.Types, err = p.types(e.value)
		case "owner":
			r.Owner, err = p.text(e.value, "owner")
		case "group":
			r.Group, err = p.text(e.value, "group")
		case "mode":
			r.Mode, err = p.mode(e.value)
		case "acls":
			r.ACLs, err = p.texts(e.value, "acls")
		case "context":
			r.Context, err = p.context(e.value)
		default:
			p.warn(e.key, "the key %s of a permissions entry is not known and was ignored", quote(e.name))
		}
		if err != nil {
			return Permission{}, err
		}
	}
	if r.Object == "" {
		return Permission{}, p.problem(item, `add "object: <path on the host>"`, "a permissions entry has no object")
	}
	if r.Pattern == "" {
		r.Pattern = "**"
	}
	return r, nil
}

func (p *parser) types(n *yaml.Node) ([]ObjectType, error) {
	values, err := p.texts(n, "type")
	if err != nil {
		return nil, err
	}
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
	value, err := p.text(n, "mode")
	if err != nil {
		return "", err
	}
	digits := strings.TrimPrefix(value, "0o")
	if digits == "" || len(digits) > 4 || strings.Trim(digits, "01234567") != "" {
		return "", p.problem(n, hint, "the mode %s is not one to four octal digits", quote(value))
	}
	return strings.Repeat("0", max(0, 3-len(digits))) + digits, nil
}

func (p *parser) context(n *yaml.Node) (*Context, error) {
	pairs, err := p.mapping(n, "context")
	if err != nil {
		return nil, err
	}
	c := &Context{}
	for _, e := range pairs {
		switch e.name {
		case "user", "name": // the official agent reads name, the user guide says user
			c.User, err = p.text(e.value, "context user")
		case "type":
			c.Type, err = p.text(e.value, "context type")
		case "range":
			c.Range, err = p.text(e.value, "context range")
		case "role":
			err = p.problem(e.key, "remove it", "a context role is not supported")
		default:
			p.warn(e.key, "the key %s of a context is not known and was ignored", quote(e.name))
		}
		if err != nil {
			return nil, err
		}
	}
	if c.Type == "" {
		return nil, p.problem(n, `add "type: <SELinux type>"`, "a context has no type")
	}
	return c, nil
}
