package wire

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Rule is the kind of a model constraint.
type Rule int

// The rules, named as the model names them.
const (
	// Required: the member is absent, null, an empty string, or an empty list or map.
	Required Rule = iota + 1
	// TooShort: a string has fewer characters, or a list fewer elements, than the model's min.
	TooShort
	// TooLong: more characters or elements than the model's max.
	TooLong
	// Pattern: the string does not match the model's pattern.
	Pattern
	// Enum: the string is not one of the model's values.
	Enum
	// OutOfRange: an integer is below the model's min or above its max.
	OutOfRange
)

// String returns the rule's name.
func (r Rule) String() string {
	switch r {
	case Required:
		return "Required"
	case TooShort:
		return "TooShort"
	case TooLong:
		return "TooLong"
	case Pattern:
		return "Pattern"
	case Enum:
		return "Enum"
	case OutOfRange:
		return "OutOfRange"
	}
	return "Rule(" + strconv.Itoa(int(r)) + ")"
}

// Violation says which constraint of the model an input breaks, and where.
type Violation struct {
	// Path leads from the input to the offending value: "tags[0].Key", "targetFilters[TargetStatus][1]".
	Path string
	// Shape is the model's shape of the offending value: "ApplicationName".
	Shape string
	// Member is the name of the structure member that holds the value, with its own casing: "Key".
	Member string
	// Rule is the constraint broken.
	Rule Rule
	// Detail says in words what was expected; it never repeats an overlong value.
	Detail string
}

// Root returns the input's own member that the path starts with: "tags" of "tags[0].Key".
func (v Violation) Root() string {
	if i := strings.IndexAny(v.Path, ".["); i >= 0 {
		return v.Path[:i]
	}
	return v.Path
}

// String returns one sentence for a caller.
func (v Violation) String() string { return v.Path + " " + v.Detail }

// maxViolations bounds what one input can make a Check remember: a caller is told of the first one anyway.
const maxViolations = 100

// Check collects violations while generated code walks an input. The zero value is ready to use.
type Check struct {
	path    []string
	members []string
	found   []Violation
}

// Done returns the violations in the order that Input.Validate promises.
func (c *Check) Done() []Violation {
	if len(c.found) < 2 {
		return c.found
	}
	first := func(v Violation) int {
		if v.Rule == Required && v.Root() == v.Path {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(c.found, func(a, b Violation) int { return first(a) - first(b) })
	return c.found
}

// Text holds the constraints of a string shape. Zero values constrain nothing.
type Text struct {
	Shape    string
	Min, Max int
	Pattern  *regexp.Regexp
	Enum     []string
}

// Size holds the constraints of a list or map shape. Zero values constrain nothing.
type Size struct {
	Shape    string
	Required bool
	Min, Max int
}

// Range holds the constraints of an integer shape.
type Range struct {
	Shape    string
	Min, Max int32
}

// Between checks an integer member, nil when absent.
func Between(c *Check, member string, n *int32, r Range) {
	if n == nil || *n >= r.Min && *n <= r.Max {
		return
	}
	c.Enter(member)
	c.add(r.Shape, OutOfRange, fmt.Sprintf("is %d, and must be from %d to %d", *n, r.Min, r.Max))
	c.Leave()
}

// Presence checks a required member that is neither a string nor a list, and reports whether it is there.
func (c *Check) Presence(member, shape string, present bool) {
	if present {
		return
	}
	c.Enter(member)
	c.add(shape, Required, "is required")
	c.Leave()
}

// String checks a string member, nil when absent.
func String[S ~string](c *Check, member string, s *S, required bool, t *Text) {
	if required && (s == nil || *s == "") {
		c.Presence(member, t.Shape, false)
		return
	}
	if s == nil {
		return
	}
	c.Enter(member)
	c.text(string(*s), t)
	c.Leave()
}

// Element checks a string inside a list, or a key or value of a map. An empty string is a value like any other there.
func Element[S ~string](c *Check, s S, t *Text) { c.text(string(s), t) }

// Length checks the size of a list or map member that has n elements, and reports whether its elements are to be visited.
func (c *Check) Length(member string, n int, present bool, s Size) bool {
	if n == 0 && s.Required {
		c.Presence(member, s.Shape, false)
		return false
	}
	if !present {
		return false
	}
	c.Enter(member)
	c.Size(n, s)
	c.Leave()
	return n > 0
}

// Enter descends into a structure member.
func (c *Check) Enter(member string) {
	if len(c.path) > 0 {
		c.path = append(c.path, ".")
	} else {
		c.path = append(c.path, "")
	}
	c.path = append(c.path, member)
	c.members = append(c.members, member)
}

// Leave ascends from what Enter descended into.
func (c *Check) Leave() {
	c.path = c.path[:len(c.path)-2]
	c.members = c.members[:len(c.members)-1]
}

// EnterIndex descends into an element of a list.
func (c *Check) EnterIndex(i int) { c.path = append(c.path, "["+strconv.Itoa(i)+"]") }

// EnterKey descends into an entry of a map. Overlong keys are cut, so that a path stays readable.
func (c *Check) EnterKey(key string) {
	if len(key) > 64 {
		key = strings.ToValidUTF8(key[:64], "") + "…"
	}
	c.path = append(c.path, "["+key+"]")
}

// LeaveElement ascends from what EnterIndex or EnterKey descended into.
func (c *Check) LeaveElement() { c.path = c.path[:len(c.path)-1] }

// Size checks the size of a list or map that is itself an element.
func (c *Check) Size(n int, s Size) {
	if n < s.Min {
		c.add(s.Shape, TooShort, fmt.Sprintf("has %d elements, and at least %d are required", n, s.Min))
	}
	if s.Max > 0 && n > s.Max {
		c.add(s.Shape, TooLong, fmt.Sprintf("has %d elements, and at most %d are allowed", n, s.Max))
	}
}

func (c *Check) text(s string, t *Text) {
	if t.Min > 0 || t.Max > 0 {
		n := utf8.RuneCountInString(s)
		if n < t.Min {
			c.add(t.Shape, TooShort, fmt.Sprintf("has %d characters, and at least %d are required", n, t.Min))
		}
		if t.Max > 0 && n > t.Max {
			c.add(t.Shape, TooLong, fmt.Sprintf("has %d characters, and at most %d are allowed", n, t.Max))
		}
	}
	if t.Pattern != nil && !t.Pattern.MatchString(s) {
		c.add(t.Shape, Pattern, "does not match the pattern "+t.Pattern.String())
	}
	if len(t.Enum) > 0 && !slices.Contains(t.Enum, s) {
		c.add(t.Shape, Enum, "is not one of "+strings.Join(t.Enum, ", "))
	}
}

func (c *Check) add(shape string, rule Rule, detail string) {
	if len(c.found) >= maxViolations && rule != Required {
		return
	}
	member := ""
	if len(c.members) > 0 {
		member = c.members[len(c.members)-1]
	}
	c.found = append(c.found, Violation{Path: strings.Join(c.path, ""), Shape: shape, Member: member, Rule: rule, Detail: detail})
}
