package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// appendCanonical appends the text whose hash is signed.
func appendCanonical(b []byte, r *http.Request, c Claim, path, payloadHash string) []byte {
	b = append(b, r.Method...)
	b = append(b, '\n')
	b = append(b, path...)
	b = append(b, '\n')
	b = append(b, canonicalQuery(r.URL.RawQuery, c.Presigned)...)
	b = append(b, '\n')
	for _, h := range c.SignedHeaders {
		b = append(b, h...)
		b = append(b, ':')
		b = appendHeader(b, r, h)
		b = append(b, '\n')
	}
	b = append(b, '\n')
	for i, h := range c.SignedHeaders {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, h...)
	}
	b = append(b, '\n')
	return append(b, payloadHash...)
}

// canonicalPaths is the path as it may have been signed: S3's encoded once, by the book or as it was sent; all others' normalised and encoded
// a second time. other is empty when there is only one way.
func canonicalPaths(u *url.URL, service string) (path, other string) {
	if service != ServiceS3 {
		return canonicalPath(u), ""
	}
	if u.Path == "" {
		return "/", ""
	}
	book, sent := escape(u.Path, true), u.EscapedPath()
	if book == sent {
		return book, ""
	}
	return book, sent
}

func canonicalPath(u *url.URL) string {
	p := u.EscapedPath()
	if p == "" || p == "/" {
		return "/"
	}
	clean := path.Clean(p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return escape(clean, true)
}

// canonicalQuery sorts the encoded names and values. A presigned query does not sign its own signature.
func canonicalQuery(raw string, presigned bool) string {
	if raw == "" {
		return ""
	}
	var pairs [][2]string
	for field := range strings.SplitSeq(raw, "&") {
		if field == "" {
			continue
		}
		k, v, _ := strings.Cut(field, "=")
		k, v = unescape(k), unescape(v)
		if presigned && k == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, [2]string{escape(k, false), escape(v, false)})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int {
		if c := strings.Compare(a[0], b[0]); c != 0 {
			return c
		}
		return strings.Compare(a[1], b[1])
	})
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p[0])
		b.WriteByte('=')
		b.WriteString(p[1])
	}
	return b.String()
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

const upperHex = "0123456789ABCDEF"

// escape percent-encodes all but the unreserved characters of RFC 3986.
func escape(s string, keepSlash bool) string {
	plain := func(c byte) bool {
		return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~' || keepSlash && c == '/'
	}
	n := 0
	for i := range len(s) {
		if !plain(s[i]) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	b := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}

// appendHeader appends a header as it is signed: values joined by commas, runs of spaces made one. Go keeps some headers outside the map.
func appendHeader(b []byte, r *http.Request, name string) []byte {
	values := headerValues(r.Header, name)
	switch {
	case name == "host" && r.Host == "":
		return append(b, squeeze(r.URL.Host)...)
	case name == "host":
		return append(b, squeeze(r.Host)...)
	case name == "content-length" && len(values) == 0 && r.ContentLength >= 0:
		return strconv.AppendInt(b, r.ContentLength, 10)
	case name == "transfer-encoding" && len(values) == 0:
		values = r.TransferEncoding
	}
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, squeeze(v)...)
	}
	return b
}

// headerValues is h.Values of a name in lower case, without a copy of the name in its canonical form.
func headerValues(h http.Header, name string) []string {
	var room [64]byte
	if len(name) > len(room) {
		return h.Values(name)
	}
	upper := true
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 'a' && c <= 'z' && upper:
			room[i] = c - 'a' + 'A'
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-':
			room[i] = c
		default:
			return h.Values(name)
		}
		upper = c == '-'
	}
	return h[string(room[:len(name)])]
}

func squeeze(s string) string {
	s = strings.TrimSpace(s)
	if !strings.Contains(s, "  ") {
		return s
	}
	var b strings.Builder
	space := false
	for i := range len(s) {
		if s[i] == ' ' && space {
			continue
		}
		space = s[i] == ' '
		b.WriteByte(s[i])
	}
	return b.String()
}

// scope is the credential scope without the key.
func (c Claim) scope() string {
	return c.Date + "/" + c.Region + "/" + c.Service + "/" + terminator
}

// appendScope appends the credential scope without the key.
func (c Claim) appendScope(b []byte) []byte {
	for _, part := range [...]string{c.Date, c.Region, c.Service} {
		b = append(append(b, part...), '/')
	}
	return append(b, terminator...)
}

// scratch is room for the texts of a signature, which is used again.
type scratch struct {
	text []byte
	sum  [sha256.Size]byte
}

// scratches are places to write what is forgotten as soon as it is hashed.
var scratches = sync.Pool{New: func() any { return &scratch{text: make([]byte, 0, 1024)} }}

// mostScratch bounds the places that are kept, in bytes.
const mostScratch = 16 << 10

// sign is the signature of a request: the HMAC of the hash of the canonical request, with time and scope.
func sign(key []byte, r *http.Request, c Claim, path, payloadHash string) [sha256.Size]byte {
	s, ok := scratches.Get().(*scratch)
	if !ok {
		s = &scratch{}
	}
	b := appendCanonical(s.text[:0], r, c, path, payloadHash)
	s.sum = sha256.Sum256(b)
	b = append(b[:0], algorithm...)
	b = append(b, '\n')
	b = c.At.UTC().AppendFormat(b, timeFormat)
	b = append(b, '\n')
	b = c.appendScope(b)
	b = append(b, '\n')
	b = hex.AppendEncode(b, s.sum[:])
	m := hmac.New(sha256.New, key)
	m.Write(b)
	m.Sum(s.sum[:0])
	sum := s.sum
	if s.text = b; cap(b) <= mostScratch {
		scratches.Put(s)
	}
	return sum
}

func mac(key []byte, s string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(s))
	return m.Sum(nil)
}

// signingKey derives the key of a scope from a secret.
func signingKey(secret string, c Claim) []byte {
	k := mac([]byte("AWS4"+secret), c.Date)
	k = mac(k, c.Region)
	k = mac(k, c.Service)
	return mac(k, terminator)
}
