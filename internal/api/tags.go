package api

import (
	"slices"
	"strings"
	"unicode/utf8"

	"crossfade/internal/deploy"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

const (
	maxTagKey       = 128
	maxTagValue     = 256
	maxResourceTags = 50
	maxFilters      = 10 // tags in one list of filters
	maxTagLists     = 3  // lists in a tag set
)

// resourceTags notes bad tags of an application or a group, and returns them.
func (p *problems) resourceTags(member string, tags []control.Tag) map[string]string {
	out := make(map[string]string, len(tags))
	folded := make(map[string]bool, len(tags))
	for _, t := range tags {
		k, v := value(t.Key), value(t.Value)
		// In the condition keys of policies the case of letters does not count, so one tag could hide another there.
		twice := folded[strings.ToLower(k)]
		switch {
		case k == "":
			p.add(control.InvalidTagsToAddException, "A tag in %s has no Key.", member)
		case utf8.RuneCountInString(k) > maxTagKey || utf8.RuneCountInString(v) > maxTagValue:
			p.add(control.InvalidTagsToAddException, "The tag %s in %s is too long: a key may have %d characters and a value %d.", quote(k), member, maxTagKey, maxTagValue)
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			p.add(control.InvalidTagsToAddException, "The tag %s in %s begins with aws:, which is reserved.", quote(k), member)
		case twice:
			p.add(control.InvalidTagsToAddException, "The tag %s is given twice in %s.", quote(k), member)
		}
		out[k], folded[strings.ToLower(k)] = v, true
	}
	if len(tags) > maxResourceTags {
		p.add(control.InvalidTagsToAddException, "%s has %d tags, and a resource may have %d.", member, len(tags), maxResourceTags)
	}
	return out
}

// tagsOut returns tags in the order of their keys.
func tagsOut(tags map[string]string) []control.Tag {
	out := make([]control.Tag, 0, len(tags))
	for k, v := range tags {
		out = append(out, control.Tag{Key: &k, Value: &v})
	}
	slices.SortFunc(out, func(a, b control.Tag) int { return strings.Compare(*a.Key, *b.Key) })
	return out
}

// filterIn is a tag filter of either wire type.
type filterIn struct {
	key, value *string
	kind       *string
}

func ec2Filters(list []control.EC2TagFilter) []filterIn {
	out := make([]filterIn, len(list))
	for i, f := range list {
		out[i] = filterIn{f.Key, f.Value, (*string)(f.Type)}
	}
	return out
}

func onPremFilters(list []control.TagFilter) []filterIn {
	out := make([]filterIn, len(list))
	for i, f := range list {
		out[i] = filterIn{f.Key, f.Value, (*string)(f.Type)}
	}
	return out
}

// tagFilters notes bad filters of a list, and returns them. A filter without a type has the type that its members say.
func (p *problems) tagFilters(code wire.Code, member string, list []filterIn) []deploy.TagFilter {
	if len(list) > maxFilters {
		p.add(code, "%s has %d filters, and at most %d are allowed.", member, len(list), maxFilters)
	}
	out := make([]deploy.TagFilter, len(list))
	for i, f := range list {
		key, val := value(f.key), value(f.value)
		kind := value(f.kind)
		if f.kind == nil {
			kind = map[[2]bool]string{{true, true}: deploy.KeyAndValue, {true, false}: deploy.KeyOnly, {false, true}: deploy.ValueOnly}[[2]bool{key != "", f.value != nil}]
		}
		switch {
		case kind == "":
			p.add(code, "%s[%d] has neither a Key nor a Value.", member, i)
		case kind == deploy.KeyOnly && val != "":
			p.add(code, "Values must not be provided for key-only filters: %s[%d] has the Value %s.", member, i, quote(val))
		case kind == deploy.ValueOnly && key != "":
			p.add(code, "Keys must not be provided for value-only filters: %s[%d] has the Key %s.", member, i, quote(key))
		case kind != deploy.ValueOnly && key == "":
			p.add(code, "%s[%d] has the Type %s but no Key.", member, i, kind)
		case kind != deploy.KeyOnly && f.value == nil:
			p.add(code, "%s[%d] has the Type %s but no Value.", member, i, kind)
		case utf8.RuneCountInString(key) > maxTagKey || utf8.RuneCountInString(val) > maxTagValue:
			p.add(code, "%s[%d] is too long: a key may have %d characters and a value %d.", member, i, maxTagKey, maxTagValue)
		}
		out[i] = deploy.TagFilter{Key: key, Value: val, Type: kind}
	}
	return out
}

// tagSet notes bad lists of a tag set, and returns them. tooMany is the exception for too many lists.
func (p *problems) tagSet(code, tooMany wire.Code, member string, lists [][]filterIn) deploy.TagSet {
	if len(lists) > maxTagLists {
		p.add(tooMany, "%s has %d tag groups, and at most %d are allowed.", member, len(lists), maxTagLists)
	}
	var out deploy.TagSet
	for _, l := range lists {
		if len(l) == 0 {
			p.add(code, "%s has an empty tag group; leave it out or give it a filter.", member)
		}
		out = append(out, p.tagFilters(code, member, l))
	}
	return out
}

func ec2SetLists(s *control.EC2TagSet) [][]filterIn {
	var out [][]filterIn
	if s != nil {
		for _, l := range s.Ec2TagSetList {
			out = append(out, ec2Filters(l))
		}
	}
	return out
}

func onPremSetLists(s *control.OnPremisesTagSet) [][]filterIn {
	var out [][]filterIn
	if s != nil {
		for _, l := range s.OnPremisesTagSetList {
			out = append(out, onPremFilters(l))
		}
	}
	return out
}

func ec2FiltersOut(list []deploy.TagFilter) []control.EC2TagFilter {
	out := make([]control.EC2TagFilter, len(list))
	for i, f := range list {
		out[i] = control.EC2TagFilter{Type: new(control.EC2TagFilterType(f.Type))}
		out[i].Key, out[i].Value = filterMembers(f)
	}
	return out
}

func onPremFiltersOut(list []deploy.TagFilter) []control.TagFilter {
	out := make([]control.TagFilter, len(list))
	for i, f := range list {
		out[i] = control.TagFilter{Type: new(control.TagFilterType(f.Type))}
		out[i].Key, out[i].Value = filterMembers(f)
	}
	return out
}

// filterMembers returns the members that a filter of its type has.
func filterMembers(f deploy.TagFilter) (key, val *string) {
	if f.Type != deploy.ValueOnly {
		key = &f.Key
	}
	if f.Type != deploy.KeyOnly {
		val = &f.Value
	}
	return key, val
}

func ec2SetOut(s deploy.TagSet) *control.EC2TagSet {
	if len(s) == 0 {
		return nil
	}
	out := &control.EC2TagSet{}
	for _, l := range s {
		out.Ec2TagSetList = append(out.Ec2TagSetList, ec2FiltersOut(l))
	}
	return out
}

func onPremSetOut(s deploy.TagSet) *control.OnPremisesTagSet {
	if len(s) == 0 {
		return nil
	}
	out := &control.OnPremisesTagSet{}
	for _, l := range s {
		out.OnPremisesTagSetList = append(out.OnPremisesTagSetList, onPremFiltersOut(l))
	}
	return out
}
