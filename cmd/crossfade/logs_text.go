package main

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode"

	"crossfade/internal/eventlog"
)

// logLine is one JSON object of crossfade logs: a line, or a gap.
type logLine struct {
	Type         string     `json:"type"` // line or gap
	DeploymentID string     `json:"deploymentId"`
	Instance     string     `json:"instance"`
	Event        string     `json:"event"`
	Number       int64      `json:"number"` // of the line in its event's log, from 0; of a gap: of the line after it
	Time         *time.Time `json:"time,omitempty"`
	Stream       string     `json:"stream,omitempty"`
	Text         *string    `json:"text,omitempty"`
	Missing      int64      `json:"missing,omitempty"` // lines that a gap stands for
	Why          string     `json:"why,omitempty"`     // lost or leftOut
}

// Why lines are missing.
const (
	lost    = "lost"
	leftOut = "leftOut"
)

var gapWords = map[string]string{
	lost:    "that the host could not send",
	leftOut: "that are not kept: of a long log only the beginning and the end are",
}

// logLines are the lines of a chunk, with what is missing before them.
func logLines(c eventlog.Chunk) (lines []logLine) {
	gap := func(n int64, why string) {
		if n > 0 {
			lines = append(lines, logLine{Type: "gap", Instance: c.Target, Event: c.Event, Number: c.First, Missing: n, Why: why})
		}
	}
	gap(c.LeftOut, leftOut)
	gap(c.Lost, lost)
	for i, l := range c.Lines {
		line := logLine{Type: "line", Instance: c.Target, Event: c.Event, Number: c.First + int64(i), Stream: l.Stream, Text: &c.Lines[i].Text}
		if !l.Time.IsZero() {
			line.Time = new(l.Time.UTC())
		}
		lines = append(lines, line)
	}
	return lines
}

// logPrinter prints lines of logs: text for people, or one JSON object a line. Trouble with the server goes to errs.
type logPrinter struct {
	out, errs          io.Writer
	json, times, color bool
	id                 string
	printed            bool // something was
}

// lineTime is the form of a line's time: of one width, so that texts stand below each other.
const lineTime = "2006-01-02T15:04:05.000Z"

// The colours of a terminal.
const (
	dim    = "\x1b[2m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	plain  = "\x1b[0m"
)

func (p *logPrinter) print(l logLine) error {
	if p.json {
		l.DeploymentID = p.id
		e := json.NewEncoder(p.out)
		e.SetEscapeHTML(false)
		return e.Encode(l)
	}
	at := ""
	if p.times {
		at = strings.Repeat(" ", len(lineTime)+1)
		if l.Time != nil {
			at = l.Time.Format(lineTime) + " "
		}
	}
	head, text, tint := at+l.head(), l.said(), ""
	switch {
	case !p.color:
	case l.Type == "gap":
		tint = yellow
	case l.Stream == "stderr":
		tint = red
	case l.Stream == "agent":
		tint = dim
	}
	if p.color {
		head = dim + head + plain
	}
	if tint != "" {
		text = tint + text + plain
	}
	_, err := fmt.Fprintf(p.out, "%s %s\n", head, text)
	return err
}

// head says where a line is from.
func (l logLine) head() string {
	from := l.Stream
	if l.Type == "gap" {
		from = "..."
	}
	return l.Instance + " " + l.Event + " " + from + "|"
}

// said is the text of a line as a terminal may have it.
func (l logLine) said() string {
	if l.Text == nil {
		lines := "lines are"
		if l.Missing == 1 {
			lines = "line is"
		}
		return fmt.Sprintf("%d %s missing %s", l.Missing, lines, gapWords[l.Why])
	}
	return harmless(*l.Text)
}

// escapes are the sequences with which programs steer a terminal: colours, movements, titles.
var escapes = regexp.MustCompile(`\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])`)

// harmless takes out of a host's text what would steer the reader's terminal. What overwrote its own line, as progress bars do, is its last state.
func harmless(s string) string {
	s = escapes.ReplaceAllString(s, "")
	s = strings.TrimRight(s, "\r")
	s = s[strings.LastIndexByte(s, '\r')+1:]
	return strings.Map(func(r rune) rune {
		if r != '\t' && unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
