package appspec

import (
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const (
	// MaxSize is how large an AppSpec may be, in bytes: far above any real one.
	MaxSize = 1 << 20
	// maxVisits bounds the nodes that are read, counting a node again each time that an alias leads to it.
	maxVisits = 200_000
	// maxDepth bounds what aliases to themselves can do.
	maxDepth = 64
)

// document walks the nodes of a YAML file within a budget and makes problems that say where.
type document struct {
	file     string
	visits   int
	problems []*Problem
	warnings []*Problem // what was ignored
	advice   []*Problem // what works and may surprise
}

// most bounds the problems, and the warnings, of a file: aliases repeat theirs, and nobody reads more.
const most = 100

// report takes an error of this document's functions, which is a *Problem. The same one again, by another alias, says nothing new.
func (d *document) report(err error) {
	p, ok := err.(*Problem)
	if !ok {
		p = &Problem{File: d.file, What: err.Error()}
	}
	d.problems = note(d.problems, p)
}

func (d *document) warn(n *yaml.Node, hint, format string, args ...any) {
	d.warnings = note(d.warnings, d.problem(n, hint, format, args...))
}

func (d *document) advise(n *yaml.Node, hint, format string, args ...any) {
	d.advice = note(d.advice, d.problem(n, hint, format, args...))
}

func note(all []*Problem, p *Problem) []*Problem {
	if len(all) >= most || slices.ContainsFunc(all, func(o *Problem) bool { return *o == *p }) {
		return all
	}
	return append(all, p)
}

// unknown warns of a key that nobody reads, and says which one it may be meant to be.
func (d *document) unknown(key *yaml.Node, known []string, format string, args ...any) {
	d.warn(key, didYouMean(key.Value, known, ""), format+" is not known and was ignored", args...)
}

func (d *document) problem(n *yaml.Node, hint, format string, args ...any) *Problem {
	p := &Problem{File: d.file, What: fmt.Sprintf(format, args...), Hint: hint}
	if n != nil {
		p.Line, p.Column = n.Line, n.Column
	}
	return p
}

// resolve follows aliases and charges the budget.
func (d *document) resolve(n *yaml.Node) (*yaml.Node, error) {
	d.visits++
	if d.visits > maxVisits {
		return nil, d.problem(nil, "use fewer aliases", "the file expands to more than %d values", maxVisits)
	}
	for range maxDepth {
		if n.Kind != yaml.AliasNode {
			return n, nil
		}
		n = n.Alias
	}
	return nil, d.problem(n, "write the value out", "the aliases lead nowhere")
}

// pair is one entry of a mapping.
type pair struct {
	name  string
	key   *yaml.Node
	value *yaml.Node // resolved
}

// mapping reads the entries of a mapping in order, merge keys included: an entry of the mapping itself wins over a merged one.
func (d *document) mapping(n *yaml.Node, what string) ([]pair, error) {
	return d.mappingAt(n, what, 0)
}

func (d *document) mappingAt(n *yaml.Node, what string, depth int) ([]pair, error) {
	n, err := d.resolve(n)
	if err != nil {
		return nil, err
	}
	if n.Kind != yaml.MappingNode {
		return nil, d.problem(n, `write "key: value" lines, indented alike`, "%s is %s, not a mapping", what, kindOf(n))
	}
	if depth > maxDepth {
		return nil, d.problem(n, "write the values out", "merge keys nest deeper than %d", maxDepth)
	}
	var own, merged []pair
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, err := d.resolve(n.Content[i])
		if err != nil {
			return nil, err
		}
		value, err := d.resolve(n.Content[i+1])
		if err != nil {
			return nil, err
		}
		if key.Tag == "!!merge" {
			more, err := d.merge(value, what, depth)
			if err != nil {
				return nil, err
			}
			merged = append(merged, more...)
			continue
		}
		if key.Kind != yaml.ScalarNode {
			return nil, d.problem(key, "use plain words as keys", "a key of %s is %s", what, kindOf(key))
		}
		if line, twice := seen[key.Value]; twice {
			d.report(d.problem(key, "keep one of them", "%s has the key %s twice, first in line %d", what, quote(key.Value), line))
			continue
		}
		seen[key.Value] = key.Line
		own = append(own, pair{name: key.Value, key: key, value: value})
	}
	for _, m := range merged {
		if _, there := seen[m.name]; !there {
			seen[m.name] = m.key.Line
			own = append(own, m)
		}
	}
	return own, nil
}

func (d *document) merge(n *yaml.Node, what string, depth int) ([]pair, error) {
	if n.Kind != yaml.SequenceNode {
		return d.mappingAt(n, what, depth+1)
	}
	var all []pair
	for _, c := range n.Content {
		more, err := d.mappingAt(c, what, depth+1)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

// sequence reads the items of a list; null is an empty list.
func (d *document) sequence(n *yaml.Node, what string) ([]*yaml.Node, error) {
	n, err := d.resolve(n)
	if err != nil {
		return nil, err
	}
	if isNull(n) {
		return nil, nil
	}
	if n.Kind != yaml.SequenceNode {
		return nil, d.problem(n, `begin each item with "- "`, "%s is %s, not a list", what, kindOf(n))
	}
	items := make([]*yaml.Node, 0, len(n.Content))
	for _, c := range n.Content {
		item, err := d.resolve(c)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

// text reads a scalar as it is written; null is empty.
func (d *document) text(n *yaml.Node, what string) (string, error) {
	n, err := d.resolve(n)
	if err != nil {
		return "", err
	}
	if isNull(n) {
		return "", nil
	}
	if n.Kind != yaml.ScalarNode {
		return "", d.problem(n, "write it as plain text", "%s is %s", what, kindOf(n))
	}
	if !utf8.ValidString(n.Value) || containsNUL(n.Value) {
		return "", d.problem(n, "remove them", "%s has characters that no path or name can have", what)
	}
	return n.Value, nil
}

// texts reads a list of scalars; a single scalar counts as a list of one.
func (d *document) texts(n *yaml.Node, what string) ([]string, error) {
	if n.Kind == yaml.ScalarNode && !isNull(n) {
		one, err := d.text(n, what)
		return []string{one}, err
	}
	items, err := d.sequence(n, what)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, item := range items {
		s, err := d.text(item, what)
		if err != nil {
			return nil, err
		}
		if s == "" {
			return nil, d.problem(item, "remove it", "%s has an empty item", what)
		}
		all = append(all, s)
	}
	return all, nil
}

func containsNUL(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return true
		}
	}
	return false
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null"
}

func kindOf(n *yaml.Node) string {
	switch {
	case isNull(n):
		return "empty"
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	default:
		return "the value " + quote(n.Value)
	}
}

// quote shows a value of the file, shortened so that a message stays a message.
func quote(s string) string {
	const most = 80
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return strconv.Quote(s)
}
