// Package policy reads and applies access policies in AWS's JSON form, as the IAM user guide describes them for identities.
//
// It owns the grammar (Version, Id, Statement with Sid, Effect, Action or NotAction, Resource or NotResource, Condition), what is refused when a
// policy is stored, and the decision: an explicit deny wins over an allow, and what nothing allows is denied. It knows nobody: who has which
// policies, and what a request is about, its callers say. What it can't apply it refuses to read, so that no statement is ever skipped: an unknown
// element or condition operator in a stored policy would otherwise mean less than its author wrote. Everything here is a plain value or a pure
// function, safe for concurrent use. Input is hostile until read: size and depth are bounded.
package policy

import (
	"slices"
	"strings"
)

// Document is a policy that was read. The zero value allows and denies nothing.
type Document struct {
	statements []statement
}

// Keys are the condition keys and the variables on whose values a decision may depend, in lower case and sorted.
func (d Document) Keys() []string {
	var keys []string
	for _, s := range d.statements {
		values := s.resources
		for _, c := range s.conditions {
			keys, values = append(keys, c.key), slices.Concat(values, c.values)
		}
		for _, v := range values {
			if s.variables {
				keys = append(keys, variablesIn(v)...)
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Named is a policy as it is attached to somebody.
type Named struct {
	Name     string
	Document Document
}

// Effect is what a decision comes to.
type Effect string

// The effects. Default is the denial of what no statement speaks of.
const (
	Allow   Effect = "Allow"
	Deny    Effect = "Deny"
	Default Effect = "Default"
)

// Request is what is to be decided.
type Request struct {
	Action   string // service:Operation; its letters' case does not matter
	Resource string // an ARN, or * for what has none
	// Keys are the values of condition keys, by the key's name in lower case. A key that is missing is absent from the request.
	Keys map[string][]string
}

// Decision is an answer and why.
type Decision struct {
	Effect Effect
	// Statement names the statement that decided, as policy/Sid, or policy/#2 for the second one of a policy when it has no Sid. Empty with Default.
	Statement string
}

// Decide judges a request by all policies of its caller.
func Decide(policies []Named, r Request) Decision {
	decision := Decision{Effect: Default}
	for _, p := range policies {
		for i, s := range p.Document.statements {
			if decision.Effect == Allow && s.effect == Allow || !s.applies(r) {
				continue
			}
			decision = Decision{s.effect, p.Name + "/" + s.name(i)}
			if s.effect == Deny {
				return decision
			}
		}
	}
	return decision
}

// statement is one statement, ready to be applied.
type statement struct {
	sid        string
	effect     Effect
	actions    []string // patterns in lower case
	notActions bool     // the statement is about all actions but those
	resources  []string
	notSuch    bool // the statement is about all resources but those
	conditions []condition
	variables  bool // ${…} in values is replaced
}

func (s statement) applies(r Request) bool {
	action := strings.ToLower(r.Action)
	if slices.ContainsFunc(s.actions, func(p string) bool { return match(p, action, nil) }) == s.notActions {
		return false
	}
	var keys map[string][]string
	if s.variables {
		keys = r.Keys
		if keys == nil {
			keys = map[string][]string{}
		}
	}
	if slices.ContainsFunc(s.resources, func(p string) bool { return matchARN(p, r.Resource, keys) }) == s.notSuch {
		return false
	}
	// All but nobody knows what is everything: too much to allow, and not too much to deny.
	if s.notSuch && s.effect == Allow && slices.ContainsFunc(s.resources, func(p string) bool { return !resolves(p, keys) }) {
		return false
	}
	for _, c := range s.conditions {
		if !c.holds(r.Keys, keys, s.effect) {
			return false
		}
	}
	return true
}
