package policy

import (
	"fmt"
	"slices"
	"strings"
)

// MaxSize is how long a policy may be, in bytes: what IAM takes in one document.
const MaxSize = 131_072

// The policy languages. Variables mean something in the later one only.
const (
	language2012 = "2012-10-17"
	language2008 = "2008-10-17"
)

// Parse reads a policy for an identity. The error says in one sentence what is wrong, where, and what to do.
func Parse(content []byte) (Document, error) {
	if len(content) > MaxSize {
		return Document{}, fmt.Errorf("the policy is %d bytes, more than the %d that one may have", len(content), MaxSize)
	}
	root, err := read(content)
	if err != nil {
		return Document{}, err
	}
	if root.kind != '{' {
		return Document{}, fmt.Errorf("the policy is %s: write an object with Version and Statement", root)
	}
	variables, list, err := top(root)
	if err != nil {
		return Document{}, err
	}
	var d Document
	sids := map[string]int{}
	for i, n := range list {
		s, err := parseStatement(fmt.Sprintf("Statement[%d]", i), n, variables)
		if err != nil {
			return Document{}, err
		}
		if first, taken := sids[s.sid]; taken && s.sid != "" {
			return Document{}, fmt.Errorf("Statement[%d].Sid %q is that of Statement[%d] too: give each its own", i, s.sid, first)
		}
		sids[s.sid] = i
		d.statements = append(d.statements, s)
	}
	return d, nil
}

func top(root node) (variables bool, list []node, err error) {
	there := false
	for i, key := range root.keys {
		n := root.values[i]
		switch key {
		case "Version":
			if n.kind != 's' || n.text != language2012 && n.text != language2008 {
				return false, nil, fmt.Errorf("the element Version is %s: write %q", n, language2012)
			}
			variables = n.text == language2012
		case "Id":
			if n.kind != 's' {
				return false, nil, fmt.Errorf("the element Id is %s: write text", n)
			}
		case "Statement":
			there = true
			switch n.kind {
			case '{':
				list = []node{n}
			case '[':
				list = n.values
			default:
				return false, nil, fmt.Errorf("the element Statement is %s: write a list of statements", n)
			}
		default:
			return false, nil, fmt.Errorf("the element %.60q is not known: a policy has Version, Id and Statement", key)
		}
	}
	if !there || len(list) == 0 {
		return false, nil, fmt.Errorf("the policy has no statement: write at least one under Statement")
	}
	return variables, list, nil
}

func parseStatement(at string, n node, variables bool) (statement, error) {
	s := statement{variables: variables}
	if n.kind != '{' {
		return s, fmt.Errorf("%s is %s: write an object with Effect, Action and Resource", at, n)
	}
	for i, key := range n.keys {
		if err := s.element(at, key, n.values[i]); err != nil {
			return s, err
		}
	}
	has := func(key string) bool { return slices.Contains(n.keys, key) }
	switch {
	case s.effect == "":
		return s, fmt.Errorf("%s has no Effect: write Allow or Deny", at)
	case has("Action") == has("NotAction"):
		return s, fmt.Errorf("%s needs one of Action and NotAction, not both", at)
	case has("Resource") == has("NotResource"):
		return s, fmt.Errorf("%s needs one of Resource and NotResource, not both: write \"*\" for everything", at)
	}
	return s, nil
}

func (s *statement) element(at, key string, n node) (err error) {
	here := at + "." + key
	switch key {
	case "Sid":
		s.sid, err = text(here, n)
		if err == nil && !alphanumeric(s.sid) {
			err = fmt.Errorf("%s %.60q has characters other than letters and digits: leave them out", here, s.sid)
		}
	case "Effect":
		effect, textErr := text(here, n)
		if s.effect, err = Effect(effect), textErr; err == nil && s.effect != Allow && s.effect != Deny {
			err = fmt.Errorf("%s is %.60q: write Allow or Deny", here, effect)
		}
	case "Action", "NotAction":
		s.notActions = key == "NotAction"
		s.actions, err = actions(here, n)
	case "Resource", "NotResource":
		s.notSuch = key == "NotResource"
		s.resources, err = resources(here, n)
	case "Condition":
		s.conditions, err = conditions(here, n)
	case "Principal", "NotPrincipal":
		err = fmt.Errorf("%s can't be in a policy of a user or a role: it is for whom it is attached to; leave it out", here)
	default:
		err = fmt.Errorf("%s is no element of a statement: use Sid, Effect, Action, NotAction, Resource, NotResource and Condition", here)
	}
	return err
}

func text(at string, n node) (string, error) {
	if n.kind != 's' {
		return "", fmt.Errorf("%s is %s: write text", at, n)
	}
	return n.text, nil
}

// texts reads one text, or a list of them.
func texts(at string, n node) ([]string, error) {
	if n.kind == 's' {
		return []string{n.text}, nil
	}
	if n.kind != '[' || len(n.values) == 0 {
		return nil, fmt.Errorf("%s is %s: write text, or a list of texts that is not empty", at, emptyOr(n))
	}
	out := make([]string, len(n.values))
	for i, v := range n.values {
		one, err := text(fmt.Sprintf("%s[%d]", at, i), v)
		if err != nil {
			return nil, err
		}
		out[i] = one
	}
	return out, nil
}

func emptyOr(n node) string {
	if n.kind == '[' {
		return "an empty list"
	}
	return n.String()
}

func actions(at string, n node) ([]string, error) {
	list, err := texts(at, n)
	if err != nil {
		return nil, err
	}
	for i, a := range list {
		service, name, ok := strings.Cut(a, ":")
		if a != "*" && (!ok || service == "" || name == "" || strings.ContainsAny(a, " \t\n/$") || strings.Contains(name, ":")) {
			return nil, fmt.Errorf("%s %.80q is no action: write service:Operation, such as codedeploy:ContinueDeployment, or \"*\"", at, a)
		}
		list[i] = strings.ToLower(a)
	}
	return list, nil
}

func resources(at string, n node) ([]string, error) {
	list, err := texts(at, n)
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		if checkARN(r) != "" {
			return nil, fmt.Errorf("%s %.200q is no resource: write an ARN, in which * and ? are wildcards, or \"*\"", at, r)
		}
	}
	return list, nil
}

func conditions(at string, n node) ([]condition, error) {
	if n.kind != '{' {
		return nil, fmt.Errorf("%s is %s: write an object such as {\"StringEquals\": {\"key\": \"value\"}}", at, n)
	}
	known := operators()
	var out []condition
	for i, name := range n.keys {
		here := at + "." + name
		c := condition{}
		plain := strings.ToLower(name)
		for _, set := range []string{"forallvalues", "foranyvalue"} {
			if rest, ok := strings.CutPrefix(plain, set+":"); ok {
				c.set, plain = set, rest
				break
			}
		}
		var ok bool
		if rest, has := strings.CutSuffix(plain, "ifexists"); has {
			c.ifExists, plain = true, rest
		}
		if c.operator, ok = known[plain]; !ok || c.operator.null && (c.ifExists || c.set != "") {
			return nil, fmt.Errorf("%s is no condition operator: use one of IAM's, such as StringEquals, StringLike, IpAddress, Bool, DateLessThan or ArnLike", here)
		}
		block := n.values[i]
		if block.kind != '{' || len(block.keys) == 0 {
			return nil, fmt.Errorf("%s is %s: write an object of condition keys and values", here, block)
		}
		for j, key := range block.keys {
			one, err := conditionKey(here+"."+key, c, key, block.values[j])
			if err != nil {
				return nil, err
			}
			out = append(out, one)
		}
	}
	return out, nil
}

func conditionKey(at string, c condition, key string, n node) (condition, error) {
	if key == "" || strings.ContainsAny(key, " \t\n") {
		return c, fmt.Errorf("%s: %.60q is no condition key: write one such as aws:SourceIp", at, key)
	}
	values, err := scalars(at, n)
	if err != nil {
		return c, err
	}
	for _, v := range values {
		if wrong := c.operator.check(v); wrong != "" {
			return c, fmt.Errorf("%s: the value %.80q %s", at, v, wrong)
		}
	}
	c.key, c.values = strings.ToLower(key), values
	return c, nil
}

// scalars reads the values of a condition key: numbers and truth values need no quotes.
func scalars(at string, n node) ([]string, error) {
	one := func(n node) bool { return n.kind == 's' || n.kind == 'n' || n.kind == 'b' }
	if one(n) {
		return []string{n.text}, nil
	}
	if n.kind != '[' || len(n.values) == 0 {
		return nil, fmt.Errorf("%s is %s: write a value, or a list of values that is not empty", at, emptyOr(n))
	}
	out := make([]string, len(n.values))
	for i, v := range n.values {
		if !one(v) {
			return nil, fmt.Errorf("%s[%d] is %s: write a value", at, i, v)
		}
		out[i] = v.text
	}
	return out, nil
}

func alphanumeric(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
}

// name is how a statement is called in decisions; i is its place in the policy.
func (s statement) name(i int) string {
	if s.sid != "" {
		return s.sid
	}
	return fmt.Sprintf("#%d", i+1)
}
