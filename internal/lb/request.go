package lb

import (
	"bytes"
	"net/http"
	"strconv"
)

// requestHead is a parsed request line with its header fields. All slices point into the parsed bytes. It is reused for the next
// request.
//
// The parser is strict where leniency would let two readers of the same bytes see different requests (request smuggling): lines end
// in CRLF, no folded lines, no space before a colon, one Host, one Content-Length of digits only, no Content-Length beside
// Transfer-Encoding, no coding but chunked, and none at all in HTTP/1.0.
type requestHead struct {
	method, target, host []byte
	forwardedFor         []byte // the last X-Forwarded-For; earlier ones are in fields
	upgrade              []byte // the Upgrade field, if Connection names it
	fields               []field
	nominated            [][]byte // fields that Connection declares hop by hop
	contentLength        int64    // -1: no Content-Length
	minor                uint8    // HTTP/1.minor
	chunked              bool
	expectContinue       bool
	keepAlive            bool // what the client asked for, its version's default included
	headOnly             bool // HEAD: the answer has no body
	idempotent           bool // repeating the request does no harm (RFC 9110 9.2.2)
}

// bodyless reports that nothing follows the head.
func (h *requestHead) bodyless() bool { return !h.chunked && h.contentLength <= 0 }

// parse reads a complete head, its empty line included. It returns nil or says what to answer.
func (h *requestHead) parse(b []byte, maxFields int) *refusal {
	*h = requestHead{fields: h.fields[:0], nominated: h.nominated[:0], contentLength: -1}
	line, b, ok := cutLine(b)
	if !ok {
		return badRequest("the request line does not end in CRLF")
	}
	if r := h.parseLine(line); r != nil {
		return r
	}
	var upgrade []byte
	hosts, upgradeNamed, closeNamed, keepNamed := 0, false, false, false
	for {
		line, b, ok = cutLine(b)
		if !ok {
			return badRequest("a header line does not end in CRLF")
		}
		if len(line) == 0 {
			break
		}
		if len(h.fields) == maxFields {
			return refuse(http.StatusRequestHeaderFieldsTooLarge, "the request has more than "+strconv.Itoa(maxFields)+" header fields")
		}
		f, wrong := parseField(line)
		if wrong != "" {
			return badRequest(wrong)
		}
		switch f.kind {
		case kindHost:
			hosts++
			h.host = f.value
		case kindContentLength:
			n, ok := parseLength(f.value)
			if !ok || h.contentLength >= 0 {
				return badRequest("Content-Length is not one decimal number")
			}
			h.contentLength = n
		case kindTransferEncoding:
			if h.chunked {
				return badRequest("Transfer-Encoding is there twice")
			}
			if !equalFold(f.value, "chunked") {
				return refuse(http.StatusNotImplemented, "the only supported Transfer-Encoding is chunked")
			}
			h.chunked = true
		case kindConnection:
			for list := f.value; list != nil; {
				var token []byte
				token, list = nextToken(list)
				switch {
				case equalFold(token, "close"):
					closeNamed = true
				case equalFold(token, "keep-alive"):
					keepNamed = true
				case equalFold(token, "upgrade"):
					upgradeNamed = true
				case len(token) > 0:
					h.nominated = append(h.nominated, token)
				}
			}
		case kindUpgrade:
			upgrade = f.value
		case kindExpect:
			if !equalFold(f.value, "100-continue") {
				return refuse(http.StatusExpectationFailed, "the only supported expectation is 100-continue")
			}
			h.expectContinue = h.minor > 0
		case kindForwardedFor:
			h.forwardedFor = f.value
		}
		h.fields = append(h.fields, f)
	}
	if h.chunked && h.contentLength >= 0 {
		return badRequest("the request has both Content-Length and Transfer-Encoding")
	}
	if h.chunked && h.minor == 0 {
		return badRequest("an HTTP/1.0 request must not have Transfer-Encoding")
	}
	if hosts > 1 || hosts == 0 && h.minor > 0 {
		return badRequest("the request needs exactly one Host field")
	}
	if r := h.resolveTarget(); r != nil {
		return r
	}
	// An upgrade to h2c would carry requests past us unseen, so it is not offered to the target.
	if upgradeNamed && h.minor > 0 && len(upgrade) > 0 && h.bodyless() && !bytes.Contains(bytes.ToLower(upgrade), []byte("h2c")) {
		h.upgrade = upgrade
	}
	h.keepAlive = !closeNamed && (h.minor > 0 || keepNamed)
	return nil
}

func (h *requestHead) parseLine(line []byte) *refusal {
	const form = "the request line is not METHOD TARGET HTTP/1.1"
	method, rest, ok1 := bytes.Cut(line, []byte{' '})
	target, proto, ok2 := bytes.Cut(rest, []byte{' '})
	if !ok1 || !ok2 || !all(method, isToken) || !all(target, isTarget) {
		return badRequest(form)
	}
	if len(proto) != 8 || string(proto[:5]) != "HTTP/" || proto[6] != '.' {
		return badRequest(form)
	}
	if string(proto[:7]) != "HTTP/1." || proto[7] != '0' && proto[7] != '1' {
		return refuse(http.StatusHTTPVersionNotSupported, "only HTTP/1.0 and HTTP/1.1 are spoken here")
	}
	h.method, h.target, h.minor = method, target, proto[7]-'0'
	switch string(method) {
	case "GET", "OPTIONS", "TRACE", "PUT", "DELETE":
		h.idempotent = true
	case "HEAD":
		h.idempotent, h.headOnly = true, true
	case "CONNECT":
		return refuse(http.StatusMethodNotAllowed, "this is not a forward proxy; CONNECT is not supported")
	}
	return nil
}

// resolveTarget brings the absolute form to the origin form that targets expect, and checks the host.
func (h *requestHead) resolveTarget() *refusal {
	switch {
	case h.target[0] == '/':
	case len(h.target) == 1 && h.target[0] == '*':
		if string(h.method) != "OPTIONS" {
			return badRequest("the target * is for OPTIONS only")
		}
	default:
		rest, ok := cutScheme(h.target)
		if !ok {
			return badRequest("the request target starts neither with a slash nor with http://")
		}
		end := bytes.IndexAny(rest, "/?#")
		if end < 0 {
			end = len(rest)
		}
		// RFC 9112 3.2.2: the target's host overrides the Host field.
		h.host = rest[:end]
		if len(h.host) == 0 {
			return badRequest("the request target has no host")
		}
		h.target = rest[end:]
		switch {
		case len(h.target) == 0:
			h.target = []byte("/")
		case h.target[0] != '/':
			h.target = append([]byte("/"), h.target...)
		}
	}
	if len(h.host) > 0 && !all(h.host, isHost) {
		return badRequest("the host has a forbidden character")
	}
	return nil
}

func cutScheme(target []byte) ([]byte, bool) {
	for _, scheme := range []string{"http://", "https://"} {
		if n := len(scheme); len(target) > n && bytes.EqualFold(target[:n], []byte(scheme)) {
			return target[n:], true
		}
	}
	return nil, false
}

// isNominated reports whether Connection declared the field hop by hop. What frames or routes the request cannot be removed that way.
func (h *requestHead) isNominated(f field) bool {
	for _, name := range h.nominated {
		if bytes.EqualFold(name, f.name) {
			return f.kind == kindPlain || f.kind == kindTE || f.kind == kindHop
		}
	}
	return false
}

// via is what a listener adds to every request.
type via struct {
	clientIP []byte
	port     string // the listener's, for X-Forwarded-Port
}

// append writes the head as the target gets it.
func (h *requestHead) append(out []byte, v via) []byte {
	out = append(out, h.method...)
	out = append(out, ' ')
	out = append(out, h.target...)
	out = append(out, " HTTP/1.1\r\nHost: "...)
	out = append(out, h.host...)
	out = append(out, "\r\n"...)
	for _, f := range h.fields {
		switch f.kind {
		case kindPlain, kindContentLength:
		case kindTransferEncoding, kindExpect: // verbatim: both are known to be sound
			if f.kind == kindExpect && !h.expectContinue {
				continue
			}
		case kindTE:
			if !bytes.Contains(bytes.ToLower(f.value), []byte("trailers")) {
				continue
			}
			f.value = []byte("trailers")
		default:
			continue
		}
		if len(h.nominated) > 0 && h.isNominated(f) {
			continue
		}
		out = appendField(out, f)
	}
	out = append(out, "X-Forwarded-For: "...)
	if h.forwardedFor != nil {
		for _, f := range h.fields {
			if f.kind == kindForwardedFor && len(f.value) > 0 {
				out = append(append(out, f.value...), ", "...)
			}
		}
	}
	out = append(out, v.clientIP...)
	out = append(out, "\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: "...)
	out = append(out, v.port...)
	if h.upgrade != nil {
		out = append(out, "\r\nConnection: Upgrade\r\nUpgrade: "...)
		out = append(out, h.upgrade...)
	}
	return append(out, "\r\n\r\n"...)
}

func appendField(out []byte, f field) []byte {
	out = append(out, f.name...)
	out = append(out, ": "...)
	out = append(out, f.value...)
	return append(out, "\r\n"...)
}
