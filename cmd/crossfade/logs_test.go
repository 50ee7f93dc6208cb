package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"crossfade/internal/eventlog"
)

var printedChunk = eventlog.Chunk{
	Target: "web-1", Event: "AfterInstall", Attempt: 3, Position: 9, First: 7, Lost: 1, LeftOut: 4,
	Lines: []eventlog.Line{
		{Time: time.Date(2026, 3, 4, 5, 6, 7, 8_900_000, time.UTC), Stream: "stdout", Text: "10 %\r50 %\r\x1b[32mdone\x1b[0m\r"},
		{Stream: "stderr", Text: "a\tb\x07 \x1b]0;title\x07ключ"},
		{Stream: "agent", Text: ""},
	},
}

// TestLogText holds how lines are printed, with times and colours on request, and that no host steers the reader's terminal.
func TestLogText(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		printer logPrinter
		want    string
	}{
		"plain": {logPrinter{}, "web-1 AfterInstall ...| 4 lines are missing that are not kept: of a long log only the beginning and the end are\n" +
			"web-1 AfterInstall ...| 1 line is missing that the host could not send\n" +
			"web-1 AfterInstall stdout| done\nweb-1 AfterInstall stderr| a\tb\uFFFD ключ\nweb-1 AfterInstall agent| \n"},
		"times": {logPrinter{times: true}, "                         web-1 AfterInstall ...| 4 lines are missing that are not kept: of a long log only the beginning and the end are\n" +
			"                         web-1 AfterInstall ...| 1 line is missing that the host could not send\n" +
			"2026-03-04T05:06:07.008Z web-1 AfterInstall stdout| done\n                         web-1 AfterInstall stderr| a\tb\uFFFD ключ\n" +
			"                         web-1 AfterInstall agent| \n"},
		"colours": {logPrinter{color: true}, "\x1b[2mweb-1 AfterInstall ...|\x1b[0m \x1b[33m4 lines are missing that are not kept: of a long log only the beginning and the end are\x1b[0m\n" +
			"\x1b[2mweb-1 AfterInstall ...|\x1b[0m \x1b[33m1 line is missing that the host could not send\x1b[0m\n" +
			"\x1b[2mweb-1 AfterInstall stdout|\x1b[0m done\n\x1b[2mweb-1 AfterInstall stderr|\x1b[0m \x1b[31ma\tb\uFFFD ключ\x1b[0m\n" +
			"\x1b[2mweb-1 AfterInstall agent|\x1b[0m \x1b[2m\x1b[0m\n"},
	} {
		var out bytes.Buffer
		c.printer.out = &out
		if err := c.printer.Chunk(printedChunk); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != c.want {
			t.Errorf("%s:\n%q\nwant\n%q", name, got, c.want)
		}
	}
}

// TestLogJSON holds that each line is an object with the text as the host sent it.
func TestLogJSON(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &logPrinter{out: &out, json: true, id: "d-1"}
	if err := p.Chunk(printedChunk); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		var l struct {
			Type, DeploymentID, Instance, Event, Time, Stream, Text, Why string
			Number, Missing                                              int64
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.DeploymentID != "d-1" || l.Instance != "web-1" || l.Event != "AfterInstall" {
			t.Fatalf("%s: %v", line, err)
		}
		b, err := json.Marshal([]any{l.Type, l.Number, l.Time, l.Stream, l.Text, l.Missing, l.Why})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(b))
	}
	want := `["gap",7,"","","",4,"leftOut"] ["gap",7,"","","",1,"lost"]` +
		` ["line",7,"2026-03-04T05:06:07.0089Z","stdout","10 %\r50 %\r\u001b[32mdone\u001b[0m\r",0,""]` +
		` ["line",8,"","stderr","a\tb\u0007 \u001b]0;title\u0007ключ",0,""] ["line",9,"","agent","",0,""]`
	if all := strings.Join(got, " "); all != want {
		t.Errorf("got\n%s\nwant\n%s", all, want)
	}
}

func FuzzHarmless(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m\x1b]8;;http://a\x1b\\x\u009b2J")
	f.Add("\x1b\x1b[")
	f.Fuzz(func(t *testing.T, s string) {
		if got := harmless(s); strings.ContainsAny(got, "\x00\x07\x08\n\r\x1b\x7f\u009b") {
			t.Errorf("%q becomes %q", s, got)
		}
	})
}
