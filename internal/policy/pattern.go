package policy

import (
	"strings"
	"unicode/utf8"
)

// match applies a pattern in which * stands for any characters and ? for one, and ${key} for the request's value of the key. A variable that
// the request has no single value for matches nothing: otherwise a policy for "my own things" would be one for everything.
func match(pattern, value string, keys map[string][]string) bool {
	tokens, ok := tokenize(pattern, keys)
	return ok && matchTokens(tokens, []rune(value))
}

// resolves reports whether every variable of a pattern has a value. keys are nil where there are no variables.
func resolves(pattern string, keys map[string][]string) bool {
	_, ok := tokenize(pattern, keys)
	return ok
}

// token is a character of a pattern, or a wildcard.
type token struct {
	literal  rune
	wildcard byte // 0, '*' or '?'
}

func tokenize(pattern string, keys map[string][]string) (tokens []token, ok bool) {
	rest := pattern
	for rest != "" {
		if keys != nil && strings.HasPrefix(rest, "${") {
			name, after, closed := strings.Cut(rest[2:], "}")
			if closed {
				text, ok := variable(name, keys)
				if !ok {
					return nil, false
				}
				for _, r := range text {
					tokens = append(tokens, token{literal: r})
				}
				rest = after
				continue
			}
		}
		r, size := utf8.DecodeRuneInString(rest)
		rest = rest[size:]
		switch r {
		case '*', '?':
			tokens = append(tokens, token{wildcard: byte(r)})
		default:
			tokens = append(tokens, token{literal: r})
		}
	}
	return tokens, true
}

// variable is what ${name} stands for. ${*}, ${?} and ${$} are those characters themselves; ${name, 'text'} has a default.
func variable(name string, keys map[string][]string) (text string, ok bool) {
	if isCharacter(name) {
		return name, true
	}
	_, fallback, hasFallback := strings.Cut(name, ",")
	values := keys[keyOf(name)]
	if len(values) == 1 {
		return values[0], true
	}
	if quoted := strings.TrimSpace(fallback); hasFallback && len(values) == 0 && len(quoted) >= 2 && quoted[0] == '\'' && quoted[len(quoted)-1] == '\'' {
		return quoted[1 : len(quoted)-1], true
	}
	return "", false
}

func isCharacter(name string) bool { return name == "*" || name == "?" || name == "$" }

// keyOf is the key that a variable names, in lower case.
func keyOf(name string) string {
	key, _, _ := strings.Cut(name, ",")
	return strings.ToLower(strings.TrimSpace(key))
}

// variablesIn are the keys that a pattern's variables name, in lower case.
func variablesIn(pattern string) []string {
	var keys []string
	for {
		_, rest, opened := strings.Cut(pattern, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !opened || !closed {
			return keys
		}
		if !isCharacter(name) {
			keys = append(keys, keyOf(name))
		}
		pattern = after
	}
}

// matchTokens takes time in proportion to the two lengths at worst: a pattern of many stars costs no more.
func matchTokens(pattern []token, value []rune) bool {
	p, v := 0, 0
	star, resume := -1, 0
	for v < len(value) {
		switch {
		case p < len(pattern) && pattern[p].wildcard == '*':
			star, resume = p, v
			p++
		case p < len(pattern) && (pattern[p].wildcard == '?' || pattern[p].wildcard == 0 && pattern[p].literal == value[v]):
			p++
			v++
		case star >= 0:
			resume++
			p, v = star+1, resume
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p].wildcard == '*' {
		p++
	}
	return p == len(pattern)
}
