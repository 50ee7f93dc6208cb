package sigv4

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Claim is what a request says of its signature.
type Claim struct {
	AccessKeyID   string
	Date          string // of the scope, yyyymmdd
	Region        string
	Service       string
	SignedHeaders []string // lower case, sorted
	Signature     string   // lower-case hex
	At            time.Time
	SessionToken  string // empty: a long-lived key
	// Presigned is set when the signature is in the query; Expires is then how long it holds from At.
	Presigned bool
	Expires   time.Duration
	// ContentSHA256 is the header of that name; empty when there is none.
	ContentSHA256 string
}

// maxPresigned is the longest that a presigned URL may hold.
const maxPresigned = 7 * 24 * time.Hour

// Parse reads a request's claim. It looks at form only: neither the clock nor any key is asked. The error is an *Error.
func Parse(r *http.Request) (Claim, error) {
	if h := r.Header.Values("Authorization"); len(h) > 0 {
		if len(h) > 1 {
			return Claim{}, incomplete("the Authorization header is there %d times; send it once", len(h))
		}
		return parseHeader(r, h[0])
	}
	if q := r.URL.Query(); q.Has("X-Amz-Signature") || q.Has("X-Amz-Algorithm") {
		return parseQuery(r, q)
	}
	return Claim{}, refuse(MissingAuthenticationToken, "AccessDenied", "The request has no Authorization header; sign it with an access key (AWS Signature Version 4).")
}

func incomplete(format string, args ...any) *Error {
	e := refuse(IncompleteSignature, "AuthorizationHeaderMalformed", format, args...)
	e.Message = "The signature is incomplete: " + e.Message + "."
	return e
}

func parseHeader(r *http.Request, h string) (Claim, error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(h), " ")
	if name != algorithm {
		return Claim{}, incomplete("the Authorization header must begin with %s", algorithm)
	}
	parts, ok := parseFields(rest)
	if !ok {
		return Claim{}, incomplete("the Authorization header can't be read at %q", clip(parts.bad))
	}
	c := Claim{SessionToken: r.Header.Get("X-Amz-Security-Token"), ContentSHA256: r.Header.Get("X-Amz-Content-Sha256")}
	if err := c.fill(parts.credential, parts.headers, parts.signature); err != nil {
		return Claim{}, err
	}
	at, err := headerTime(r)
	if err != nil {
		return Claim{}, err
	}
	c.At = at
	if !slices.Contains(c.SignedHeaders, "x-amz-date") && !slices.Contains(c.SignedHeaders, "date") {
		return Claim{}, incomplete("SignedHeaders lacks x-amz-date")
	}
	return c, nil
}

// fields are those of an Authorization header.
type fields struct {
	credential, headers, signature string
	others                         map[string]string // nil: there are none
	bad                            string            // where it can't be read
}

// parseFields reads NAME=VALUE, NAME=VALUE…; ok is false when it can't be read, or has a name twice.
func parseFields(text string) (f fields, ok bool) {
	for field := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(field), "=")
		var known *string
		switch name {
		case "Credential":
			known = &f.credential
		case "SignedHeaders":
			known = &f.headers
		case "Signature":
			known = &f.signature
		}
		switch {
		case !ok || known != nil && *known != "" || f.others[name] != "":
			f.bad = field
			return f, false
		case known != nil:
			*known = value
		default:
			if f.others == nil {
				f.others = map[string]string{}
			}
			f.others[name] = value
		}
	}
	return f, true
}

func headerTime(r *http.Request) (time.Time, error) {
	if s := r.Header.Get("X-Amz-Date"); s != "" {
		at, err := time.Parse(timeFormat, s)
		if err != nil {
			return time.Time{}, incomplete("X-Amz-Date %q is not of the form 20060102T150405Z", clip(s))
		}
		return at, nil
	}
	s := r.Header.Get("Date")
	if s == "" {
		return time.Time{}, incomplete("there is neither an X-Amz-Date nor a Date header")
	}
	at, err := http.ParseTime(s)
	if err != nil {
		return time.Time{}, incomplete("the Date header %q can't be read", clip(s))
	}
	return at, nil
}

func parseQuery(r *http.Request, q url.Values) (Claim, error) {
	if a := q.Get("X-Amz-Algorithm"); a != algorithm {
		return Claim{}, incomplete("X-Amz-Algorithm is %q, not %s", clip(a), algorithm)
	}
	c := Claim{Presigned: true, SessionToken: q.Get("X-Amz-Security-Token"), ContentSHA256: r.Header.Get("X-Amz-Content-Sha256")}
	if err := c.fill(q.Get("X-Amz-Credential"), q.Get("X-Amz-SignedHeaders"), q.Get("X-Amz-Signature")); err != nil {
		return Claim{}, err
	}
	at, err := time.Parse(timeFormat, q.Get("X-Amz-Date"))
	if err != nil {
		return Claim{}, incomplete("X-Amz-Date %q is not of the form 20060102T150405Z", clip(q.Get("X-Amz-Date")))
	}
	seconds, err := strconv.Atoi(q.Get("X-Amz-Expires"))
	if err != nil || seconds < 1 || seconds > int(maxPresigned/time.Second) {
		return Claim{}, incomplete("X-Amz-Expires %q is not a number of seconds up to a week", clip(q.Get("X-Amz-Expires")))
	}
	c.At, c.Expires = at, time.Duration(seconds)*time.Second
	return c, nil
}

// fill reads the three parts that both forms have.
func (c *Claim) fill(credential, headers, signature string) error {
	for _, part := range [...][2]string{{"Credential", credential}, {"SignedHeaders", headers}, {"Signature", signature}} {
		if part[1] == "" {
			return incomplete("%s is missing", part[0])
		}
	}
	var scope [5]string
	rest, more := credential, true
	for i := range scope {
		scope[i], rest, more = strings.Cut(rest, "/")
	}
	if more || scope[4] != terminator || slices.Contains(scope[:], "") || len(scope[0]) > 128 {
		return incomplete("Credential %q is not KEY/yyyymmdd/region/service/%s", clip(credential), terminator)
	}
	if _, err := time.Parse(dateFormat, scope[1]); err != nil {
		return incomplete("the date %q of the Credential is not of the form yyyymmdd", clip(scope[1]))
	}
	if len(signature) != 64 || !lowerHex(signature) {
		return incomplete("Signature is not 64 lower-case hexadecimal digits")
	}
	c.AccessKeyID, c.Date, c.Region, c.Service, c.Signature = scope[0], scope[1], scope[2], scope[3], signature
	c.SignedHeaders = strings.Split(headers, ";")
	for i, h := range c.SignedHeaders {
		if h == "" || h != strings.ToLower(h) || i > 0 && c.SignedHeaders[i-1] >= h {
			return incomplete("SignedHeaders %q is not a sorted list of lower-case names", clip(headers))
		}
	}
	if !slices.Contains(c.SignedHeaders, "host") {
		return incomplete("SignedHeaders lacks host")
	}
	return nil
}

// lowerHex reports whether there are only hexadecimal digits, in lower case.
func lowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
