package lb

import (
	"bytes"
	"net/http"
	"strconv"
)

// bodyKind is how the end of an answer's body is known.
type bodyKind uint8

const (
	bodyNone       bodyKind = iota
	bodyLength              // Content-Length
	bodyChunked             // Transfer-Encoding: chunked
	bodyUntilClose          // the target closes the connection
)

// responseHead is a parsed status line with its header fields; the slices point into the parsed bytes.
type responseHead struct {
	reason        []byte
	upgrade       []byte
	fields        []field
	nominated     [][]byte
	contentLength int64 // -1: none
	status        int
	body          bodyKind
	keepAlive     bool // the target's connection can carry another request afterwards
}

// parse reads a complete head, its empty line included; headOnly says that the request was HEAD.
func (h *responseHead) parse(b []byte, maxFields int, headOnly bool) *refusal {
	*h = responseHead{fields: h.fields[:0], nominated: h.nominated[:0], contentLength: -1}
	line, b, ok := cutLine(b)
	if !ok || len(line) < 12 || string(line[:7]) != "HTTP/1." || line[7] != '0' && line[7] != '1' || line[8] != ' ' ||
		len(line) > 12 && line[12] != ' ' {
		return badAnswer("the status line is malformed")
	}
	minor := line[7] - '0'
	status, ok := parseLength(line[9:12])
	if !ok || status < 100 || status > 599 {
		return badAnswer("the status code is not between 100 and 599")
	}
	h.status = int(status)
	if len(line) > 13 {
		h.reason = line[13:]
		for _, c := range h.reason {
			if class[c]&isValue == 0 {
				return badAnswer("the reason phrase has a control character")
			}
		}
	}
	chunked, closeNamed, keepNamed := false, false, false
	for {
		line, b, ok = cutLine(b)
		if !ok {
			return badAnswer("a header line does not end in CRLF")
		}
		if len(line) == 0 {
			break
		}
		if len(h.fields) == maxFields {
			return badAnswer("there are more than " + strconv.Itoa(maxFields) + " header fields")
		}
		f, wrong := parseField(line)
		if wrong != "" {
			return badAnswer(wrong)
		}
		switch f.kind {
		case kindContentLength:
			n, ok := parseLength(f.value)
			if !ok || h.contentLength >= 0 && h.contentLength != n {
				return badAnswer("Content-Length is not one decimal number")
			}
			if h.contentLength == n {
				continue // a repetition of the same number is harmless once it is removed
			}
			h.contentLength = n
		case kindTransferEncoding:
			if chunked || !equalFold(f.value, "chunked") || minor == 0 {
				return badAnswer("Transfer-Encoding is something else than chunked")
			}
			chunked = true
		case kindConnection:
			for list := f.value; list != nil; {
				var token []byte
				token, list = nextToken(list)
				switch {
				case equalFold(token, "close"):
					closeNamed = true
				case equalFold(token, "keep-alive"):
					keepNamed = true
				case len(token) > 0 && !equalFold(token, "upgrade"):
					h.nominated = append(h.nominated, token)
				}
			}
		case kindUpgrade:
			h.upgrade = f.value
		}
		h.fields = append(h.fields, f)
	}
	if chunked && h.contentLength >= 0 {
		return badAnswer("it has both Content-Length and Transfer-Encoding")
	}
	switch {
	case headOnly || h.status < 200 || h.status == http.StatusNoContent || h.status == http.StatusNotModified:
		h.body = bodyNone
	case chunked:
		h.body = bodyChunked
	case h.contentLength == 0:
		h.body = bodyNone
	case h.contentLength > 0:
		h.body = bodyLength
	default:
		h.body = bodyUntilClose
	}
	h.keepAlive = !closeNamed && (minor > 0 || keepNamed) && h.body != bodyUntilClose
	return nil
}

// toClient is how an answer is given on: as what, and what becomes of the connection.
type toClient struct {
	minor   uint8 // the client's HTTP/1.minor
	closing bool
	rechunk bool // a body that ended with the connection is sent in chunks
	upgrade bool // 101
	interim bool // interim answers say nothing about the connection
}

// append writes the head as the client gets it.
func (h *responseHead) append(out []byte, c toClient) []byte {
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(h.status), 10)
	out = append(out, ' ')
	out = append(out, h.reason...)
	out = append(out, "\r\n"...)
	for _, f := range h.fields {
		switch f.kind {
		case kindConnection, kindUpgrade, kindHop:
			continue
		case kindContentLength:
			if h.status < 200 || h.status == http.StatusNoContent { // RFC 9110 8.6: not allowed there
				continue
			}
		case kindTransferEncoding:
			if c.minor == 0 || h.status < 200 || h.status == http.StatusNoContent {
				continue
			}
		case kindPlain, kindHost, kindExpect, kindTE, kindForwardedFor, kindForwarded:
			if len(h.nominated) > 0 && h.isNominated(f.name) {
				continue
			}
		}
		out = appendField(out, f)
	}
	switch {
	case c.upgrade:
		out = append(out, "Connection: Upgrade\r\nUpgrade: "...)
		out = append(out, h.upgrade...)
		out = append(out, "\r\n"...)
	case c.interim:
	case c.closing:
		out = append(out, "Connection: close\r\n"...)
	case c.minor == 0:
		out = append(out, "Connection: keep-alive\r\n"...)
	}
	if c.rechunk {
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	}
	return append(out, "\r\n"...)
}

func (h *responseHead) isNominated(name []byte) bool {
	for _, n := range h.nominated {
		if bytes.EqualFold(n, name) {
			return true
		}
	}
	return false
}
