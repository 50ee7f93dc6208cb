package deploy

import (
	"cmp"
	"slices"
)

// TagFilter selects by one tag.
type TagFilter struct {
	Key   string `json:"key,omitempty"`
	Value string `json:"value,omitempty"`
	Type  string `json:"type"` // KEY_ONLY, VALUE_ONLY or KEY_AND_VALUE
}

// The types of a TagFilter.
const (
	KeyOnly     = "KEY_ONLY"
	ValueOnly   = "VALUE_ONLY"
	KeyAndValue = "KEY_AND_VALUE"
)

// TagSet is a conjunction of lists; within a list any filter may match.
type TagSet [][]TagFilter

// Matches reports whether some tag satisfies the filter. Keys and values are case-sensitive.
func (f TagFilter) Matches(tags map[string]string) bool {
	switch f.Type {
	case KeyOnly:
		_, ok := tags[f.Key]
		return ok
	case ValueOnly:
		for _, v := range tags {
			if v == f.Value {
				return true
			}
		}
		return false
	case KeyAndValue:
		v, ok := tags[f.Key]
		return ok && v == f.Value
	default:
		return false
	}
}

// MatchesAny reports whether some filter matches; no filters match nothing.
func MatchesAny(filters []TagFilter, tags map[string]string) bool {
	for _, f := range filters {
		if f.Matches(tags) {
			return true
		}
	}
	return false
}

// Matches reports whether every list has a filter that matches; an empty set matches nothing.
func (s TagSet) Matches(tags map[string]string) bool {
	if len(s) == 0 {
		return false
	}
	for _, list := range s {
		if !MatchesAny(list, tags) {
			return false
		}
	}
	return true
}

// MatchesInstance reports whether the selection picks a registered on-premises instance. In the targetInstances of a deployment AWS offers
// only EC2 filters; with the group's own filters the on-premises ones count. Both are tried, because a registered host is the only kind
// of instance that an installation without a cloud has.
func (s Selection) MatchesInstance(tags map[string]string) bool {
	return MatchesAny(s.OnPremFilters, tags) || s.OnPremTagSet.Matches(tags) || MatchesAny(s.EC2Filters, tags) || s.EC2TagSet.Matches(tags)
}

// Anchors are filters of which each instance that the selection picks matches at least one: what an index of tags can look for. Of a set they are the
// list that says most, because all of its lists must match.
func (s Selection) Anchors() []TagFilter {
	out := slices.Concat(s.OnPremFilters, s.EC2Filters)
	for _, set := range []TagSet{s.OnPremTagSet, s.EC2TagSet} {
		if len(set) > 0 {
			out = append(out, slices.MinFunc(set, func(a, b []TagFilter) int { return cmp.Compare(vague(a), vague(b)) })...)
		}
	}
	return out
}

// vague grows with how much a list is likely to match.
func vague(list []TagFilter) int {
	n := len(list)
	for _, f := range list {
		if f.Type != KeyAndValue {
			n += maxListed
		}
	}
	return n
}

// maxListed is more filters than a list has.
const maxListed = 1000
