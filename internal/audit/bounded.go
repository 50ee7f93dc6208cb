package audit

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxText bounds each text of an entry, in bytes. The longest that a caller can bring about and that means something is an S3 object's ARN.
	maxText = 2 << 10
	// maxResources bounds how much of a line its resources take, in bytes.
	maxResources = 64 << 10
)

// bounded is the entry as it is written: in UTC, with texts that are too long cut, and resources that are too many counted instead of named, both
// so that it shows. The caller's entry stays as it is.
func bounded(e Entry) Entry {
	e.Time = e.Time.UTC()
	for _, text := range []*string{&e.RequestID, &e.Principal, &e.AccessKey, &e.From, &e.Service, &e.Operation, &e.Decision, &e.Statement, &e.Code} {
		*text = cut(*text)
	}
	e.Resources = slices.Clone(e.Resources)
	room := maxResources
	for i, r := range e.Resources {
		r = cut(r)
		if room -= len(r); room < 0 {
			e.Resources = append(e.Resources[:i], fmt.Sprintf("… and %d more", len(e.Resources)-i))
			break
		}
		e.Resources[i] = r
	}
	return e
}

// cut shortens a text that is too long, at a character, and says by how much.
func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	at := maxText
	for at > 0 && !utf8.RuneStart(text[at]) {
		at--
	}
	return strings.Clone(text[:at]) + fmt.Sprintf("… (%d bytes more)", len(text)-at)
}
