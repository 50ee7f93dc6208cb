package awsjson

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf16"
)

// reader goes through a body that is valid JSON (json.Valid said so) and valid UTF-8. It makes no tokens: whoever reads it knows which value it wants
// and looks at its first byte.
type reader struct {
	body []byte
	at   int
}

// peek is the first byte of the value, the name or the bracket that comes next.
func (r *reader) peek() byte {
	for {
		switch c := r.body[r.at]; c {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return c
		}
	}
}

// open reads over the opening bracket of an object or a list.
func (r *reader) open() {
	r.peek()
	r.at++
}

// more reports whether the object or the list goes on, and reads over the comma before what comes next, or over the closing bracket.
func (r *reader) more() bool {
	switch r.peek() {
	case ',':
		r.at++
		return true
	case '}', ']':
		r.at++
		return false
	}
	return true
}

// colon reads over the colon behind a name.
func (r *reader) colon() {
	r.peek()
	r.at++
}

// text reads a string and returns what stands between its quotes. escaped says that there are escapes in it.
func (r *reader) text() (raw []byte, escaped bool) {
	r.peek()
	r.at++
	begin := r.at
	for {
		switch r.body[r.at] {
		case '"':
			r.at++
			return r.body[begin : r.at-1], escaped
		case '\\':
			escaped = true
			r.at++
		}
		r.at++
	}
}

// number reads a number.
func (r *reader) number() string {
	r.peek()
	begin := r.at
	for r.at < len(r.body) && (numeric(r.body[r.at]) || strings.IndexByte("+.eE", r.body[r.at]) >= 0) {
		r.at++
	}
	return string(r.body[begin:r.at])
}

// numeric reports whether a value that begins so is a number.
func numeric(first byte) bool { return first == '-' || '0' <= first && first <= '9' }

// literal reads over true, false or null.
func (r *reader) literal() {
	if r.peek() == 'f' {
		r.at++
	}
	r.at += len("true")
}

// over reads over any value. It reports whether that is nested no deeper than most levels, and stops where it is deeper.
func (r *reader) over(most int) bool {
	depth := 0
	for {
		switch c := r.peek(); c {
		case '{', '[':
			if depth++; depth > most {
				return false
			}
			r.at++
		case '}', ']':
			depth--
			r.at++
		case '"':
			r.text()
		case 't', 'f', 'n':
			r.literal()
		case ',', ':':
			r.at++
			continue // no value ends here
		default:
			r.number()
		}
		if depth == 0 {
			return true
		}
	}
}

// unquote is what a string's text stands for. Half a surrogate pair is U+FFFD, as encoding/json has it.
func unquote(raw []byte) string {
	next := bytes.IndexByte(raw, '\\')
	if next < 0 {
		return string(raw)
	}
	var b strings.Builder
	b.Grow(len(raw)) // no escape is shorter than what it stands for
	for ; next >= 0; next = bytes.IndexByte(raw, '\\') {
		b.Write(raw[:next])
		escape := raw[next+1]
		raw = raw[next+2:]
		switch escape {
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'u':
			c := hex4(raw)
			raw = raw[4:]
			if utf16.IsSurrogate(c) {
				pair := rune(unicode.ReplacementChar)
				if len(raw) >= 6 && raw[0] == '\\' && raw[1] == 'u' {
					pair = utf16.DecodeRune(c, hex4(raw[2:]))
				}
				if pair != unicode.ReplacementChar {
					raw = raw[6:]
				}
				c = pair
			}
			b.WriteRune(c)
		default: // a quote, a slash or a backslash
			b.WriteByte(escape)
		}
	}
	b.Write(raw)
	return b.String()
}

// hex4 is the number that the first four hexadecimal digits stand for.
func hex4(digits []byte) (n rune) {
	for _, c := range digits[:4] {
		switch {
		case c <= '9':
			n = n<<4 | rune(c-'0')
		default:
			n = n<<4 | rune(c|0x20-'a'+10)
		}
	}
	return n
}
