package policy

import (
	"cmp"
	"encoding/base64"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// condition is one key of a condition block: the request's values of the key are compared with those of the policy.
type condition struct {
	operator operator
	set      string // "", forallvalues or foranyvalue
	ifExists bool
	key      string // lower case
	values   []string
}

// operator compares one value of a request with one of a policy.
type operator struct {
	// equal compares. keys fill in variables; nil: there are none.
	equal func(want, got string, keys map[string][]string) bool
	// check says why a policy can't have a value, empty: it can.
	check func(want string) string
	// readable reports whether a request's value is of the operator's kind; nil: every text is.
	readable func(got string) bool
	// negated operators hold when no value is equal, and when the key is absent.
	negated bool
	null    bool // asks whether the key is there at all
}

// operators are all that may stand in a policy, by their names in lower case (IAM user guide, condition operators).
func operators() map[string]operator {
	anything := func(string) string { return "" }
	fold := func(want, got string, keys map[string][]string) bool {
		text, ok := expand(want, keys)
		return ok && strings.EqualFold(text, got)
	}
	exact := func(want, got string, keys map[string][]string) bool {
		text, ok := expand(want, keys)
		return ok && text == got
	}
	all := map[string]operator{
		"stringequals":           {equal: exact, check: anything},
		"stringequalsignorecase": {equal: fold, check: anything},
		"stringlike":             {equal: match, check: anything},
		"arnequals":              {equal: matchARN, check: checkARN},
		"arnlike":                {equal: matchARN, check: checkARN},
		"numericequals":          {equal: numbers(func(c int) bool { return c == 0 }), check: checkNumber},
		"numericlessthan":        {equal: numbers(func(c int) bool { return c < 0 }), check: checkNumber},
		"numericlessthanequals":  {equal: numbers(func(c int) bool { return c <= 0 }), check: checkNumber},
		"numericgreaterthan":     {equal: numbers(func(c int) bool { return c > 0 }), check: checkNumber},
		"numericgreaterthanequals": {
			equal: numbers(func(c int) bool { return c >= 0 }), check: checkNumber,
		},
		"dateequals":            {equal: dates(func(c int) bool { return c == 0 }), check: checkDate},
		"datelessthan":          {equal: dates(func(c int) bool { return c < 0 }), check: checkDate},
		"datelessthanequals":    {equal: dates(func(c int) bool { return c <= 0 }), check: checkDate},
		"dategreaterthan":       {equal: dates(func(c int) bool { return c > 0 }), check: checkDate},
		"dategreaterthanequals": {equal: dates(func(c int) bool { return c >= 0 }), check: checkDate},
		"bool":                  {equal: fold, check: checkBool},
		"binaryequals":          {equal: exact, check: checkBinary},
		"ipaddress":             {equal: within, check: checkAddress},
		"null":                  {equal: fold, check: checkBool, null: true},
	}
	for name, o := range all {
		switch {
		case strings.HasPrefix(name, "numeric"):
			o.readable = func(got string) bool { _, ok := number(got); return ok }
		case strings.HasPrefix(name, "date"):
			o.readable = func(got string) bool { _, ok := date(got); return ok }
		case name == "ipaddress":
			o.readable = func(got string) bool { _, err := netip.ParseAddr(got); return err == nil }
		}
		all[name] = o
	}
	for name, negation := range map[string]string{
		"stringequals": "stringnotequals", "stringequalsignorecase": "stringnotequalsignorecase", "stringlike": "stringnotlike",
		"arnequals": "arnnotequals", "arnlike": "arnnotlike", "numericequals": "numericnotequals", "dateequals": "datenotequals",
		"ipaddress": "notipaddress",
	} {
		o := all[name]
		o.negated = true
		all[negation] = o
	}
	return all
}

// holds judges the request's values for a statement of the effect. A key that is absent fails a plain operator, passes a negated one and one with
// IfExists, and passes ForAllValues, which has nothing to object to. What can't be told is unlike anything, but nothing is allowed for that.
func (c condition) holds(request, variables map[string][]string, effect Effect) bool {
	got := request[c.key]
	if effect == Allow && c.operator.negated && !c.tells(got, variables) {
		return false
	}
	if c.operator.null {
		return matchesNull(c.values, len(got) == 0)
	}
	if len(got) == 0 {
		return c.set == "forallvalues" || c.set == "" && (c.ifExists || c.operator.negated) || c.set == "foranyvalue" && c.ifExists
	}
	one := func(value string) bool {
		for _, want := range c.values {
			if c.operator.equal(want, value, variables) {
				return !c.operator.negated
			}
		}
		return c.operator.negated
	}
	// Without a set operator several values pass when one does; of a negated operator all must, or one harmless value would hide another.
	needAll := c.set == "forallvalues" || c.set == "" && c.operator.negated
	for _, value := range got {
		if one(value) != needAll {
			return !needAll
		}
	}
	return needAll
}

// tells reports whether it is known what the policy's values stand for and what the request's mean.
func (c condition) tells(got []string, variables map[string][]string) bool {
	return !slices.ContainsFunc(c.values, func(want string) bool { return !resolves(want, variables) }) &&
		!slices.ContainsFunc(got, func(value string) bool { return c.operator.readable != nil && !c.operator.readable(value) })
}

func matchesNull(values []string, absent bool) bool {
	for _, want := range values {
		if strings.EqualFold(want, strconv.FormatBool(absent)) {
			return true
		}
	}
	return false
}

// expand fills in the variables of a value without wildcards.
func expand(value string, keys map[string][]string) (string, bool) {
	if keys == nil || !strings.Contains(value, "${") {
		return value, true
	}
	tokens, ok := tokenize(value, keys)
	var b strings.Builder
	for _, t := range tokens {
		if t.wildcard != 0 {
			b.WriteByte(t.wildcard)
			continue
		}
		b.WriteRune(t.literal)
	}
	return b.String(), ok
}

// matchARN compares two ARNs part by part, so that a wildcard does not reach over a colon of the first five.
func matchARN(want, got string, keys map[string][]string) bool {
	wants, gots := splitARN(want), strings.SplitN(got, ":", 6)
	if len(wants) != 6 || len(gots) != 6 {
		return want == "*"
	}
	for i := range wants {
		if !match(wants[i], gots[i], keys) {
			return false
		}
	}
	return true
}

// splitARN parts a pattern at its first five colons, but not at those in a variable's name.
func splitARN(pattern string) []string {
	var parts []string
	from, inside := 0, false
	for i := 0; i < len(pattern) && len(parts) < 5; i++ {
		switch {
		case strings.HasPrefix(pattern[i:], "${"):
			inside = true
		case pattern[i] == '}':
			inside = false
		case pattern[i] == ':' && !inside:
			parts = append(parts, pattern[from:i])
			from = i + 1
		}
	}
	return append(parts, pattern[from:])
}

func checkARN(want string) string {
	if want != "*" && (!strings.HasPrefix(want, "arn:") || len(splitARN(want)) < 6) {
		return "is no ARN"
	}
	return ""
}

func numbers(is func(order int) bool) func(want, got string, _ map[string][]string) bool {
	return func(want, got string, _ map[string][]string) bool {
		w, wantOK := number(want)
		g, gotOK := number(got)
		return wantOK && gotOK && is(cmp.Compare(g, w))
	}
}

// number reads a decimal number. Others that the language has, such as NaN, which is neither less nor more than any, are none.
func number(value string) (float64, bool) {
	if strings.Trim(value, "0123456789+-.eE") != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(value, 64)
	return f, err == nil
}

func checkNumber(want string) string {
	if _, ok := number(want); !ok {
		return "is no number"
	}
	return ""
}

func dates(is func(order int) bool) func(want, got string, _ map[string][]string) bool {
	return func(want, got string, _ map[string][]string) bool {
		w, wantOK := date(want)
		g, gotOK := date(got)
		return wantOK && gotOK && is(g.Compare(w))
	}
}

// date reads the ISO 8601 forms that policies have, and seconds since 1970.
func date(value string) (time.Time, bool) {
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.Unix(seconds, 0), true
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, value); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func checkDate(want string) string {
	if _, ok := date(want); !ok {
		return "is no date such as 2026-11-23T00:00:00Z"
	}
	return ""
}

func checkBool(want string) string {
	if !strings.EqualFold(want, "true") && !strings.EqualFold(want, "false") {
		return "is neither true nor false"
	}
	return ""
}

func checkBinary(want string) string {
	if _, err := base64.StdEncoding.DecodeString(want); err != nil {
		return "is not base64"
	}
	return ""
}

// within tells whether an address is in a network.
func within(want, got string, _ map[string][]string) bool {
	network, ok := network(want)
	address, err := netip.ParseAddr(got)
	return ok && err == nil && network.Contains(address.Unmap().WithZone(""))
}

func network(value string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(value); err == nil {
		// Requests have IPv4 addresses in their own form.
		if bits := p.Bits() - 96; p.Addr().Is4In6() && bits >= 0 {
			p = netip.PrefixFrom(p.Addr().Unmap(), bits)
		}
		return p.Masked(), true
	}
	a, err := netip.ParseAddr(value)
	if err != nil {
		return netip.Prefix{}, false
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), true
}

func checkAddress(want string) string {
	if _, ok := network(want); !ok {
		return "is no IP address and no network such as 203.0.113.0/24"
	}
	return ""
}
