package alertmanager

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// selector is the matchers that an alert must all meet, the one of its name first.
type selector []matcher

// matcher is what one label must be.
type matcher struct {
	label, operator, value string
}

// escaped is what must not stand as it is between quotes, here and in Alertmanager.
var escaped = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// String is the matcher as Alertmanager's API takes it.
func (m matcher) String() string { return m.label + m.operator + `"` + escaped.Replace(m.value) + `"` }

// one is the beginning of what is left of a list of matchers: a label, an operator, a value in quotes, then a comma or the end.
var one = regexp.MustCompile(`^\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!=|!~|=)\s*"((?:[^"\\]|\\["\\n])*)"\s*(,|$)`)

var unescaped = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n")

// parse reads a selector: the name of an alert, and if it is followed by matchers in braces these. What has no braces at its end is all name.
func parse(text string) (selector, error) {
	name, list := text, ""
	if begin := strings.IndexByte(text, '{'); begin >= 0 && strings.HasSuffix(text, "}") {
		name, list = strings.TrimSpace(text[:begin]), strings.TrimSpace(text[begin+1:len(text)-1])
	} else if begin >= 0 {
		return nil, fmt.Errorf(`%q has a "{" and no "}" at its end: write alerts as Name{label="value"}`, text)
	}
	switch {
	case name == "":
		return nil, fmt.Errorf(`%q names no alert: write alerts as Name or as Name{label="value"}`, text)
	case !utf8.ValidString(text):
		return nil, errors.New("the selector is not UTF-8")
	}
	out := selector{{"alertname", "=", name}}
	for list != "" {
		part := one.FindStringSubmatch(list)
		if part == nil {
			return nil, fmt.Errorf(`%q has no matcher at %q: write them as label="value", with =, !=, =~ or !~`, text, list)
		}
		m := matcher{part[1], part[2], unescaped.Replace(part[3])}
		if strings.HasSuffix(m.operator, "~") {
			if _, err := regexp.Compile("^(?:" + m.value + ")$"); err != nil {
				return nil, fmt.Errorf("%q matches the label %s with what is no regular expression: %w", text, m.label, err)
			}
		}
		out = append(out, m)
		list = strings.TrimSpace(list[len(part[0]):])
	}
	return out, nil
}
