package postgres

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
)

var (
	// hint is the unary plus by which a statement keeps SQLite from choosing an index.
	hint = regexp.MustCompile(`([\s(])\+([a-z_])`)
	// reserved is the table that is named like a word of SQL.
	reserved = regexp.MustCompile(`\buser\b`)
	unicode  = regexp.MustCompile(`\bunicode\(`)
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
	query = unicode.ReplaceAllString(query, "ascii(")
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
	return out.String()
}

// values are arguments as the columns want them: the schema has numbers for truth.
func values(args []any) []any {
	for i, a := range args {
		if b, ok := a.(bool); ok {
			copied := append([]any(nil), args...)
			for j := i; j < len(copied); j++ {
				if b, ok = copied[j].(bool); ok {
					copied[j] = int64(0)
					if b {
						copied[j] = int64(1)
					}
				}
			}
			return copied
		}
	}
	return args
}
