package logstream

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// buffer holds encoded lines that wait to be sent. The oldest go when there are too many. It is not safe for concurrent use.
type buffer struct {
	lines [][]byte
	size  int   // of the lines, in bytes
	first int64 // number of the first line
	lost  int64 // lines right before it that were dropped since the last batch
	worth bool  // there is a line that is not just a note
}

// add adds a line, in parts if it is long.
func (b *buffer) add(at time.Time, stream, text string) {
	text = strings.ToValidUTF8(strings.TrimRight(text, "\r\n"), "\uFFFD")
	for part := range strings.SplitSeq(text, "\n") {
		for len(part) > longestLine {
			cut := longestLine
			for !utf8.RuneStart(part[cut]) {
				cut--
			}
			b.addPart(at, stream, part[:cut])
			part = part[cut:]
		}
		b.addPart(at, stream, part)
	}
}

func (b *buffer) addPart(at time.Time, stream, text string) {
	encoded := encodeLine(at, stream, text)
	if len(encoded) > payloadSize/2 && len(text) > longestLine/8 { // of characters that JSON writes as \u001b
		cut := len(text) / 2
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		b.addPart(at, stream, text[:cut])
		b.addPart(at, stream, text[cut:])
		return
	}
	b.lines = append(b.lines, encoded)
	b.size += len(encoded)
	for b.size > bufferSize {
		b.size -= len(b.lines[0])
		b.lines = b.lines[1:]
		b.first++
		b.lost++
	}
}

func encodeLine(at time.Time, stream, text string) []byte {
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	// Strings can always be encoded.
	e.Encode(struct { //nolint:errcheck,errchkjson // see above
		At     string `json:"t"`
		Stream string `json:"s"`
		Text   string `json:"l"`
	}{at.UTC().Format(time.RFC3339Nano), stream, text})
	return bytes.TrimSuffix(line.Bytes(), []byte("\n"))
}

// full tells whether there is enough for a payload.
func (b *buffer) full() bool { return b.size+len(b.lines) >= payloadSize-head }

// head is more than what a payload has beside its lines, in bytes.
const head = 100

// take makes the next payload of the oldest lines; empty: there are none.
func (b *buffer) take() string {
	if len(b.lines) == 0 {
		return ""
	}
	p := append(make([]byte, 0, payloadSize), `{"v":1,"first":`...)
	p = strconv.AppendInt(p, b.first, 10)
	p = append(p, `,"lost":`...)
	p = strconv.AppendInt(p, b.lost, 10)
	p = append(p, `,"lines":[`...)
	n := 0
	for ; n < len(b.lines) && (n == 0 || len(p)+len(b.lines[n])+3 <= payloadSize); n++ {
		if n > 0 {
			p = append(p, ',')
		}
		p = append(p, b.lines[n]...)
		b.size -= len(b.lines[n])
	}
	b.first += int64(n)
	b.lost = 0
	if b.lines = b.lines[n:]; len(b.lines) == 0 {
		b.lines, b.worth = nil, false // and with it what lies before
	}
	return string(append(p, "]}"...))
}
