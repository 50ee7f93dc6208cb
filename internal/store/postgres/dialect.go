package postgres

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"crossfade/internal/store/relational"
)

var (
	// hint is the unary plus by which a statement keeps SQLite from choosing an index.
	hint = regexp.MustCompile(`([\s(])\+([a-z_])`)
	// reserved is the table that is named like a word of SQL.
	reserved = regexp.MustCompile(`\buser\b`)
	letter   = regexp.MustCompile(`\bunicode\(`)
	// ordered is the join by which a statement tells SQLite which table to begin with.
	ordered = regexp.MustCompile(`\bCROSS JOIN\b`)
)

// dialect says the statements of package relational in PostgreSQL's words. There are few texts, so what it remembers only grows.
type dialect struct{ known sync.Map }

func (d *dialect) say(query string) string {
	if said, ok := d.known.Load(query); ok {
		return said.(string)
	}
	said := translate(query)
	d.known.Store(query, said)
	return said
}

func translate(query string) string {
	query = hint.ReplaceAllString(query, "$1$2")
	query = reserved.ReplaceAllString(query, `"user"`)
	query = ordered.ReplaceAllString(query, "JOIN")
	query = letter.ReplaceAllString(query, "ascii(")
	var out strings.Builder
	text, n := false, 0
	for i := 0; i < len(query); i++ {
		c := query[i]
		switch {
		case c == '\'':
			text = !text
		case c == '?' && !text:
			end := i + 1
			for end < len(query) && query[end] >= '0' && query[end] <= '9' {
				end++
			}
			number := query[i+1 : end]
			if number == "" {
				n++
				number = strconv.Itoa(n)
			}
			out.WriteString("$" + number)
			i = end - 1
			continue
		}
		out.WriteByte(c)
	}
	return merged(out.String())
}

var (
	sorted = regexp.MustCompile(`(?s)^(.*\sUNION ALL\s.*)\s(ORDER BY [^()]+ LIMIT \$\d+)$`)
	arm    = regexp.MustCompile(`\sUNION ALL\s`)
)

// merged has each arm of a sorted union find the first of its own by its index. SQLite merges the arms in order and stops at the limit; PostgreSQL would
// read and sort them whole.
func merged(query string) string {
	found := sorted.FindStringSubmatch(query)
	if found == nil {
		return query
	}
	arms := arm.Split(found[1], -1)
	for i, a := range arms {
		arms[i] = "(" + strings.TrimSpace(a) + " " + found[2] + ")"
	}
	return strings.Join(arms, " UNION ALL ") + " " + found[2]
}

// values are arguments as the columns want them: the schema has numbers for truth, and no text has zero bytes.
func values(args []any) []any {
	var out []any
	for i, a := range args {
		said, other := value(a)
		if !other {
			continue
		}
		if out == nil {
			out = slices.Clone(args)
		}
		out[i] = said
	}
	if out == nil {
		return args
	}
	return out
}

func value(a any) (said any, other bool) {
	switch a := a.(type) {
	case bool:
		if a {
			return int64(1), true
		}
		return int64(0), true
	case relational.Raw:
		return []byte(a), true
	case string:
		if strings.ContainsRune(a, 0) || !utf8.ValidString(a) {
			return strings.ReplaceAll(strings.ToValidUTF8(a, "\uFFFD"), "\x00", "\uFFFD"), true
		}
	}
	return nil, false
}
