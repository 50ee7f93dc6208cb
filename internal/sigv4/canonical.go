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
)

// canonicalRequest is the text whose hash is signed.
func canonicalRequest(r *http.Request, c Claim, path, payloadHash string) string {
	var b strings.Builder
	b.WriteString(r.Method)
	b.WriteByte('\n')
	b.WriteString(path)
	b.WriteByte('\n')
	b.WriteString(canonicalQuery(r.URL.RawQuery, c.Presigned))
	b.WriteByte('\n')
	for _, h := range c.SignedHeaders {
		b.WriteString(h)
		b.WriteByte(':')
		b.WriteString(headerValue(r, h))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.WriteString(strings.Join(c.SignedHeaders, ";"))
	b.WriteByte('\n')
	b.WriteString(payloadHash)
	return b.String()
}

// canonicalPaths is the path as it may have been signed: S3's encoded once, by the book or as it was sent; all others' normalised and encoded
// a second time.
func canonicalPaths(u *url.URL, service string) []string {
	if service != ServiceS3 {
		return []string{canonicalPath(u)}
	}
	if u.Path == "" {
		return []string{"/"}
	}
	book, sent := escape(u.Path, true), u.EscapedPath()
	if book == sent {
		return []string{book}
	}
	return []string{book, sent}
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

// headerValue is a header as it is signed: values joined by commas, runs of spaces made one. Go keeps some headers outside the map.
func headerValue(r *http.Request, name string) string {
	values := r.Header.Values(name)
	switch {
	case name == "host":
		values = []string{r.Host}
		if r.Host == "" {
			values = []string{r.URL.Host}
		}
	case name == "content-length" && len(values) == 0 && r.ContentLength >= 0:
		values = []string{strconv.FormatInt(r.ContentLength, 10)}
	case name == "transfer-encoding" && len(values) == 0:
		values = r.TransferEncoding
	}
	trimmed := make([]string, len(values))
	for i, v := range values {
		trimmed[i] = squeeze(v)
	}
	return strings.Join(trimmed, ",")
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

// stringToSign joins the hash of the canonical request with time and scope.
func stringToSign(c Claim, canonical string) string {
	sum := sha256.Sum256([]byte(canonical))
	return algorithm + "\n" + c.At.UTC().Format(timeFormat) + "\n" + c.scope() + "\n" + hex.EncodeToString(sum[:])
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
