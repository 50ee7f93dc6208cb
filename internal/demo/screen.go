package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// screen is where the demo is seen. It is used by one goroutine at a time; what can't be written is lost, and the demo goes on.
type screen interface {
	// say prints a text for good, perhaps of several lines.
	say(text string)
	// show shows the present state.
	show(v view)
	// leave lets the present picture stand; texts come below it.
	leave()
	// close leaves the screen in order.
	close()
}

// silent shows nothing.
type silent struct{}

func (silent) say(string) {}
func (silent) show(view)  {}
func (silent) leave()     {}
func (silent) close()     {}

// terminal keeps a picture below the texts and draws it anew in place. Texts scroll and are never drawn over, so that a line can be selected
// and copied while the picture moves.
type terminal struct {
	out   io.Writer
	width func() int
	color bool
	last  view
	drawn int // lines of the picture
}

const (
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
	eraseBelow = "\x1b[J"
)

func (t *terminal) say(text string) { t.draw(text + "\n") }

func (t *terminal) show(v view) {
	t.last = v
	t.draw("")
}

// draw takes the picture away, prints the text, and draws the picture below it: in one write, so that nothing flickers.
func (t *terminal) draw(text string) {
	var b strings.Builder
	b.WriteString(hideCursor)
	t.erase(&b)
	b.WriteString(text)
	if t.last.title != "" {
		width := 80
		if t.width != nil && t.width() > 0 {
			width = t.width()
		}
		lines := t.last.frame(width-1, t.color)
		t.drawn = len(lines)
		b.WriteString(strings.Join(lines, "\n") + "\n")
	}
	write(t.out, b.String())
}

func (t *terminal) erase(b *strings.Builder) {
	if t.drawn > 0 {
		fmt.Fprintf(b, "\x1b[%dA\r%s", t.drawn, eraseBelow)
	}
	t.drawn = 0
}

func (t *terminal) leave() { t.last, t.drawn = view{}, 0 }

func (t *terminal) close() { write(t.out, showCursor) }

// lines prints texts, and now and then the state in one line.
type lines struct {
	out  io.Writer
	next time.Duration
}

// lineEvery is how often the state is printed.
const lineEvery = 2 * time.Second

func (l *lines) say(text string) { write(l.out, text+"\n") }

func (l *lines) show(v view) {
	if v.elapsed < l.next || v.requests == 0 {
		return
	}
	l.next = v.elapsed + lineEvery
	write(l.out, fmt.Sprintf("%s  %s %d/s, %s %d/s, requests %d, failed %d\n", clock(v.elapsed), versionOld, v.rates[0].now(), versionNew, v.rates[1].now(), v.requests, v.failed))
}

func (l *lines) leave() {}
func (l *lines) close() {}

// write drops what can't be written: somebody may have closed the pipe, and what was started has to be ended in good order all the same.
func write(w io.Writer, s string) {
	if _, err := io.WriteString(w, s); err != nil {
		return
	}
}
