package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
)

// model is the part of an api-2.json that is used.
type model struct {
	Metadata struct {
		ServiceID           string   `json:"serviceId"`
		Protocol            string   `json:"protocol"`
		APIVersion          string   `json:"apiVersion"`
		XMLNamespace        string   `json:"xmlNamespace"`
		JSONVersion         string   `json:"jsonVersion"`
		EndpointPrefix      string   `json:"endpointPrefix"`
		SigningName         string   `json:"signingName"`
		SigningNameAliases  []string `json:"signingNameAliases"`
		TargetPrefix        string   `json:"targetPrefix"`
		TargetPrefixAliases []string `json:"targetPrefixAliases"`
	} `json:"metadata"`
	Operations map[string]*operation `json:"operations"`
	Shapes     map[string]*shape     `json:"shapes"`
}

// query reports whether the model is one of the awsQuery protocol.
func (m *model) query() bool { return m.Metadata.Protocol == "query" }

type operation struct {
	HTTP struct {
		Method     string `json:"method"`
		RequestURI string `json:"requestUri"`
	} `json:"http"`
	Input  *ref  `json:"input"`
	Output *ref  `json:"output"`
	Errors []ref `json:"errors"`
}

type ref struct {
	Shape         string `json:"shape"`
	LocationName  string `json:"locationName"`
	ResultWrapper string `json:"resultWrapper"`
}

type shape struct {
	Type      string   `json:"type"`
	Members   members  `json:"members"`
	Required  []string `json:"required"`
	Member    *ref     `json:"member"`
	Key       *ref     `json:"key"`
	Value     *ref     `json:"value"`
	Min       int      `json:"min"`
	Max       int      `json:"max"`
	Pattern   string   `json:"pattern"`
	Enum      []string `json:"enum"`
	Flattened bool     `json:"flattened"`
	Exception bool     `json:"exception"`
	Error     struct {
		Code           string `json:"code"`
		HTTPStatusCode int    `json:"httpStatusCode"`
	} `json:"error"`
}

// member is one member of a structure.
type member struct {
	name string
	ref
}

// wireName is the member's name in a body.
func (m member) wireName() string {
	if m.LocationName != "" {
		return m.LocationName
	}
	return m.name
}

// members keeps the order of the model, which is the order of validation.
type members []member

func (ms *members) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		m := member{}
		m.name, _ = name.(string)
		if err := dec.Decode(&m.ref); err != nil {
			return err
		}
		*ms = append(*ms, m)
	}
	return nil
}

// parseModel reads a model, or only the named operations of it with what they refer to, and refuses what the generator does not know, so that
// nothing is left out in silence.
func parseModel(text []byte, only []string) (*model, error) {
	m := &model{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, err
	}
	switch {
	case m.query() && m.Metadata.APIVersion != "" && m.Metadata.XMLNamespace != "":
	case !m.query() && m.Metadata.JSONVersion == "1.1" && m.Metadata.TargetPrefix != "":
	default:
		return nil, errors.New("not a model of the awsJson1_1 or the awsQuery protocol")
	}
	if err := m.keep(only); err != nil {
		return nil, err
	}
	for _, name := range sortedNames(m.Operations) {
		if err := m.checkOperation(name, m.Operations[name]); err != nil {
			return nil, err
		}
	}
	if len(only) > 0 {
		m.prune()
	}
	for _, name := range sortedNames(m.Shapes) {
		if err := m.checkShape(m.Shapes[name]); err != nil {
			return nil, fmt.Errorf("shape %s: %w", name, err)
		}
	}
	return m, nil
}

// keep drops all operations but the named ones; no names keep all.
func (m *model) keep(only []string) error {
	if len(only) == 0 {
		return nil
	}
	kept := map[string]*operation{}
	for _, name := range only {
		op := m.Operations[name]
		if op == nil {
			return fmt.Errorf("operation %s does not exist", name)
		}
		kept[name] = op
	}
	m.Operations = kept
	return nil
}

func (m *model) checkOperation(name string, op *operation) error {
	if op.Input == nil {
		return fmt.Errorf("operation %s has no input", name)
	}
	refs := append([]ref{*op.Input}, op.Errors...)
	if op.Output != nil {
		refs = append(refs, *op.Output)
	}
	for _, r := range refs {
		if s := m.Shapes[r.Shape]; s == nil || s.Type != "structure" {
			return fmt.Errorf("operation %s refers to %s, which is no structure", name, r.Shape)
		}
	}
	if m.query() && op.Output != nil && op.Output.ResultWrapper != name+"Result" {
		return fmt.Errorf("operation %s wraps its result in %q, and only %sResult is supported", name, op.Output.ResultWrapper, name)
	}
	return nil
}

// prune drops the shapes that no operation needs. What an exception holds beside its message is never sent, so its members are not needed.
func (m *model) prune() {
	kept := map[string]*shape{}
	var visit func(string)
	visit = func(name string) {
		s := m.Shapes[name]
		if s == nil || kept[name] != nil {
			return
		}
		kept[name] = s
		if s.Exception {
			s.Members = nil
		}
		for _, mem := range s.Members {
			visit(mem.Shape)
		}
		for _, r := range []*ref{s.Member, s.Key, s.Value} {
			if r != nil {
				visit(r.Shape)
			}
		}
	}
	for _, op := range m.Operations {
		visit(op.Input.Shape)
		if op.Output != nil {
			visit(op.Output.Shape)
		}
		for _, e := range op.Errors {
			visit(e.Shape)
		}
	}
	m.Shapes = kept
}

func (m *model) checkShape(s *shape) error {
	var refs []*ref
	switch s.Type {
	case "string", "integer", "long", "boolean", "double", "timestamp":
	case "structure":
		for i := range s.Members {
			refs = append(refs, &s.Members[i].ref)
		}
		for _, r := range s.Required {
			if !slices.ContainsFunc(s.Members, func(m member) bool { return m.name == r }) {
				return fmt.Errorf("required member %s does not exist", r)
			}
		}
	case "list":
		refs = []*ref{s.Member}
	case "map":
		refs = []*ref{s.Key, s.Value}
		if s.Key != nil && m.Shapes[s.Key.Shape] != nil && m.Shapes[s.Key.Shape].Type != "string" {
			return errors.New("a map key is no string")
		}
	default:
		return fmt.Errorf("unknown type %q", s.Type)
	}
	for _, r := range refs {
		if r == nil || m.Shapes[r.Shape] == nil {
			return errors.New("refers to a shape that does not exist")
		}
	}
	if s.Type != "string" && s.Type != "list" && s.Type != "map" && (s.Type != "integer" || !m.query()) && (s.Min != 0 || s.Max != 0) {
		return fmt.Errorf("min and max of a %s are not supported", s.Type)
	}
	if m.query() && (s.Flattened || s.Type == "map") {
		return errors.New("flattened lists and maps are not supported in the awsQuery protocol")
	}
	if m.query() && s.Pattern != "" {
		s.Pattern = whole(s.Pattern)
	}
	if _, err := regexp.Compile(s.Pattern); err != nil {
		return fmt.Errorf("pattern: %w", err)
	}
	return nil
}

// unicodeEscape is a character in the patterns of the query models: four digits, or the ends of the planes above the first one.
var unicodeEscape = regexp.MustCompile(`\\u(10FFFF|10000|[0-9A-Fa-f]{4})`)

// whole rewrites a pattern of a query model, which is meant to match whole values and escapes characters as Java does.
func whole(pattern string) string {
	return "^(?:" + unicodeEscape.ReplaceAllString(pattern, `\x{$1}`) + ")$"
}

// constrained reports whether a value of the shape can break a constraint, itself or further inside.
func (m *model) constrained(name string) bool { return m.constrainedPast(name, nil) }

func (m *model) constrainedPast(name string, above []string) bool {
	if slices.Contains(above, name) {
		return false
	}
	above = append(above, name)
	s := m.Shapes[name]
	if s.Min != 0 || s.Max != 0 || s.Pattern != "" || len(s.Enum) > 0 || len(s.Required) > 0 {
		return true
	}
	for _, mem := range s.Members {
		if m.constrainedPast(mem.Shape, above) {
			return true
		}
	}
	for _, r := range []*ref{s.Member, s.Key, s.Value} {
		if r != nil && m.constrainedPast(r.Shape, above) {
			return true
		}
	}
	return false
}

// inputs returns the names of all shapes that inputs are made of.
func (m *model) inputs() map[string]bool {
	seen := map[string]bool{}
	var visit func(string)
	visit = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		s := m.Shapes[name]
		for _, mem := range s.Members {
			visit(mem.Shape)
		}
		for _, r := range []*ref{s.Member, s.Key, s.Value} {
			if r != nil {
				visit(r.Shape)
			}
		}
	}
	for _, op := range m.Operations {
		visit(op.Input.Shape)
	}
	return seen
}
