package config

import (
	"reflect"
	"strings"
	"unicode"
)

// prefix is what the environment variables of the configuration begin with.
const prefix = "CROSSFADE_"

// otherVariables begin with the prefix and are no keys.
var otherVariables = map[string]bool{
	"CROSSFADE_CONFIG":                 true,
	"CROSSFADE_ROOT_ACCESS_KEY_ID":     true,
	"CROSSFADE_ROOT_SECRET_ACCESS_KEY": true,
}

// Key is one thing that can be configured.
type Key struct {
	Name     string // in the file, as in "log.level"
	Variable string // as in CROSSFADE_LOG_LEVEL
	List     bool   // a variable gives it as YAML
}

// Keys lists every key in the order of the file.
func Keys() []Key { return keysOf(reflect.TypeFor[Config](), "") }

func keysOf(t reflect.Type, path string) []Key {
	var keys []Key
	for f := range t.Fields() {
		name := path + f.Tag.Get("koanf")
		if f.Type.Kind() == reflect.Struct {
			keys = append(keys, keysOf(f.Type, name+".")...)
			continue
		}
		keys = append(keys, Key{Name: name, Variable: variable(name), List: f.Type.Kind() == reflect.Slice})
	}
	return keys
}

// variable is the environment variable of a key: agents.pollHold is CROSSFADE_AGENTS_POLL_HOLD.
func variable(name string) string {
	var b strings.Builder
	b.WriteString(prefix)
	for _, r := range name {
		switch {
		case r == '.':
			b.WriteByte('_')
		case unicode.IsUpper(r):
			b.WriteByte('_')
			b.WriteRune(r)
		default:
			b.WriteRune(unicode.ToUpper(r))
		}
	}
	return b.String()
}

// nearest is the candidate that a mistyped name was most likely meant to be, or empty when none is near.
func nearest(name string, candidates []string) string {
	best, least := "", len(name)/3+2
	for _, c := range candidates {
		if d := distance(strings.ToLower(name), strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is how many characters must be added, removed or replaced to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, above, row[j])
			}
			diagonal, row[j+1] = above, cost
		}
	}
	return row[len(b)]
}
