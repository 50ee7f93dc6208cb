package lb

import "bytes"

// kind says what the balancer does with a header field. Most fields are kindPlain and copied byte for byte.
type kind uint8

const (
	kindPlain kind = iota
	kindHop        // hop by hop, or ours to write: never copied
	kindHost
	kindConnection
	kindContentLength
	kindTransferEncoding
	kindUpgrade
	kindExpect
	kindTE
	kindForwardedFor
	kindForwarded // X-Forwarded-Proto and -Port: replaced
)

// field is one header line; both slices point into the buffer that was parsed.
type field struct {
	name, value []byte
	kind        kind
}

// kindOf recognises the fields that matter. An underscore counts as a hyphen, because CGI-like applications see no difference and a
// client could otherwise forge what we write; parseField then refuses or drops the field.
func kindOf(name []byte) kind {
	switch len(name) {
	case 2:
		return kindIf(name, "te", kindTE)
	case 4:
		return kindIf(name, "host", kindHost)
	case 6:
		return kindIf(name, "expect", kindExpect)
	case 7:
		return kindIf(name, "upgrade", kindUpgrade)
	case 10:
		if name[0]|0x20 == 'c' {
			return kindIf(name, "connection", kindConnection)
		}
		return kindIf(name, "keep-alive", kindHop)
	case 14:
		return kindIf(name, "content-length", kindContentLength)
	case 15:
		return kindIf(name, "x-forwarded-for", kindForwardedFor)
	case 16:
		switch name[0] | 0x20 {
		case 'x':
			return kindIf(name, "x-forwarded-port", kindForwarded)
		case 'p':
			return kindIf(name, "proxy-connection", kindHop)
		}
	case 17:
		switch name[0] | 0x20 {
		case 't':
			return kindIf(name, "transfer-encoding", kindTransferEncoding)
		case 'x':
			return kindIf(name, "x-forwarded-proto", kindForwarded)
		}
	case 19:
		return kindIf(name, "proxy-authorization", kindHop)
	case 18:
		return kindIf(name, "proxy-authenticate", kindHop)
	}
	return kindPlain
}

func kindIf(name []byte, lower string, k kind) kind {
	if equalFold(name, lower) {
		return k
	}
	return kindPlain
}

// equalFold compares to a lower-case ASCII name of letters and hyphens; an underscore in b equals a hyphen.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := range b {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		} else if c == '_' {
			c = '-'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

const (
	isToken   = 1 << iota // RFC 9110 tchar: methods and field names
	isValue               // allowed in a field value: HTAB, SP, visible ASCII, obs-text
	isTarget              // allowed in a request target: no SP, no controls
	isHexByte             // a hexadecimal digit
	isHost                // allowed in Host
)

// class has the sets above for each byte.
var class = classes()

func classes() (t [256]uint8) {
	for c := range 256 {
		b := byte(c)
		letter := 'a' <= b|0x20 && b|0x20 <= 'z' && b < 0x80
		digit := '0' <= b && b <= '9'
		if letter || digit || b > 0 && bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), b) >= 0 {
			t[c] |= isToken
		}
		if b == '\t' || b >= ' ' && b != 0x7f {
			t[c] |= isValue
		}
		if b > ' ' && b != 0x7f {
			t[c] |= isTarget
		}
		if digit || 'a' <= b|0x20 && b|0x20 <= 'f' && b < 0x80 {
			t[c] |= isHexByte
		}
		if letter || digit || b > 0 && bytes.IndexByte([]byte("-._~!$&'()*+,;=:[]%"), b) >= 0 {
			t[c] |= isHost
		}
	}
	return t
}

// all reports whether b is not empty and each of its bytes is in the set.
func all(b []byte, set uint8) bool {
	for _, c := range b {
		if class[c]&set == 0 {
			return false
		}
	}
	return len(b) > 0
}

// parseField reads one header line without its CRLF. The returned text is empty when the line is sound, else what is wrong with it.
func parseField(line []byte) (f field, wrong string) {
	if line[0] == ' ' || line[0] == '\t' {
		return f, "a header line starts with white space (folded lines are refused)"
	}
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return f, "a header line has no name and colon"
	}
	f.name = line[:colon]
	if !all(f.name, isToken) {
		return f, "a header name has a space or another forbidden character"
	}
	f.value = trim(line[colon+1:])
	for _, c := range f.value {
		if class[c]&isValue == 0 {
			return f, "a header value has a control character"
		}
	}
	f.kind = kindOf(f.name)
	if f.kind != kindPlain && bytes.IndexByte(f.name, '_') >= 0 {
		if f.kind == kindContentLength || f.kind == kindTransferEncoding {
			return f, "a header name is a framing field spelt with an underscore"
		}
		f.kind = kindHop
	}
	return f, ""
}

// trim removes optional white space at both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// cutLine splits off the first line of a head. ok is false when the line does not end in CRLF.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || b[i-1] != '\r' {
		return nil, nil, false
	}
	return b[:i-1], b[i+1:], true
}

// headEnd returns the length of the head at the start of data, its empty line included, or 0 when it is not complete. The first
// `seen` bytes were looked at before.
func headEnd(data []byte, seen int) int {
	from := max(0, seen-3)
	i := bytes.Index(data[from:], []byte("\r\n\r\n"))
	if i < 0 {
		return 0
	}
	return from + i + 4
}

// bareLF reports a line feed without carriage return: a head with one would never end for us, but might for another reader. The
// first `seen` bytes were looked at before.
func bareLF(data []byte, seen int) bool {
	for i := seen; i < len(data); i++ {
		if data[i] == '\n' && (i == 0 || data[i-1] != '\r') {
			return true
		}
	}
	return false
}

// parseLength reads a Content-Length strictly: digits only, no sign, no list, at most 18 digits.
func parseLength(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// nextToken splits a comma separated list.
func nextToken(list []byte) (token, rest []byte) {
	i := bytes.IndexByte(list, ',')
	if i < 0 {
		return trim(list), nil
	}
	return trim(list[:i]), list[i+1:]
}
