package demo

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func crossing() view {
	v := view{
		title: "deployment d-ABCDEFGHI InProgress: v2 blue/green", elapsed: 65 * time.Second, requests: 12345,
		hosts: []hostView{
			{name: "blue-1", address: "127.0.0.11", version: "v1", rate: 0, standing: "InProgress BlockTraffic"},
			{name: "blue-2", address: "127.0.0.12", version: "v1", rate: 12},
			{name: "green-1", address: "127.0.0.13", version: "v2", rate: 100, standing: "Succeeded"},
			{name: "green-2", address: "127.0.0.14"},
		},
	}
	for _, n := range []int{50, 50, 50, 25, 0} {
		v.rates[0].add(n)
	}
	for _, n := range []int{25, 50} {
		v.rates[1].add(n)
	}
	return v
}

func TestAFrameShowsWhoAnswers(t *testing.T) {
	t.Parallel()
	want := strings.Join([]string{
		"",
		"  deployment d-ABCDEFGHI InProgress: v2 blue/green",
		"  v1 " + strings.Repeat(" ", 43) + "███▄   125/s",
		"  v2 " + strings.Repeat(" ", 46) + "▄█   75/s",
		"  blue-1   127.0.0.11             InProgress BlockTraffic",
		"  blue-2   127.0.0.12  v1   12/s  ",
		"  green-1  127.0.0.13  v2  100/s  Succeeded",
		"  green-2  127.0.0.14             ",
		"  requests 12345, failed 0   1:05  Ctrl-C ends it and cleans up",
	}, "\n")
	if got := strings.Join(crossing().frame(64, false), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestNoLineIsWiderThanTheTerminal holds what drawing in place rests on: a line that wraps would not be taken away.
func TestNoLineIsWiderThanTheTerminal(t *testing.T) {
	t.Parallel()
	v := crossing()
	v.title = strings.Repeat("long ", 50)
	v.hosts[0].standing = strings.Repeat("long ", 50)
	for range keptFor * 2 {
		v.rates[0].add(1)
	}
	for _, width := range []int{48, 64, 80, 200} {
		for _, l := range v.frame(width, false) {
			if n := utf8.RuneCountInString(l); n > width {
				t.Errorf("width %d: %d columns: %q", width, n, l)
			}
		}
	}
}

func TestTheTerminalDrawsOverThePictureAndNeverOverTexts(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	s := &terminal{out: &b}
	s.say("first")
	if got := b.String(); got != hideCursor+"first\n" {
		t.Errorf("without a picture: %q", got)
	}
	s.show(crossing())
	b.Reset()
	s.say("second")
	if got, want := b.String(), hideCursor+"\x1b[9A\r"+eraseBelow+"second\n\n  deployment"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want it to begin with %q", got, want)
	}
	b.Reset()
	s.close()
	if b.String() != showCursor {
		t.Errorf("the cursor stays hidden: %q", b.String())
	}
}

func TestPlainLinesComeNowAndThen(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	s := &lines{out: &b}
	v := crossing()
	for range 9 { // a little more than two seconds
		s.show(v)
		v.elapsed += sampleEvery
	}
	if want := strings.Repeat("1:05  v1 125/s, v2 75/s, requests 12345, failed 0\n", 1) + "1:07  v1 125/s, v2 75/s, requests 12345, failed 0\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
