package demo

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// view is what a frame shows.
type view struct {
	title    string
	elapsed  time.Duration
	requests int64
	failed   int64
	rates    [2]history // of the old and the new version
	hosts    []hostView
}

type hostView struct {
	name, address string
	version       string // of its last answer; empty: none yet
	rate          int    // answers per second
	standing      string
}

// history is answers per sample, the latest last.
type history []int

const (
	sampleEvery = 250 * time.Millisecond
	// perSecond is samples per second.
	perSecond = int(time.Second / sampleEvery)
	keptFor   = 400 // samples
)

func (h *history) add(n int) {
	*h = append(*h, n)
	if len(*h) > keptFor {
		*h = append(history(nil), (*h)[len(*h)-keptFor:]...)
	}
}

// now is the rate over the last second.
func (h history) now() int {
	n := 0
	for _, s := range h[max(0, len(h)-perSecond):] {
		n += s
	}
	return n
}

var bars = []rune(" ▁▂▃▄▅▆▇█")

// graph draws the latest samples as bars, one column each.
func (h history) graph(width, most int) string {
	var b strings.Builder
	latest := h[max(0, len(h)-width):]
	b.WriteString(strings.Repeat(" ", width-len(latest)))
	for _, n := range latest {
		step := 0
		if n > 0 && most > 0 {
			step = min(len(bars)-1, 1+n*(len(bars)-2)/most)
		}
		b.WriteRune(bars[step])
	}
	return b.String()
}

// The colors of the old version, the new one, what failed, and none.
const (
	paintOld  = "\x1b[34m"
	paintNew  = "\x1b[32m"
	paintBad  = "\x1b[31m"
	paintDim  = "\x1b[2m"
	paintNone = "\x1b[0m"
)

// frame draws the view in lines of at most width columns.
func (v view) frame(width int, color bool) []string {
	paint := func(with, s string) string {
		if !color || with == "" {
			return s
		}
		return with + s + paintNone
	}
	width = max(48, width)
	// most scales the bars: the total, so that both graphs have the same height.
	most := 1
	for i := range max(len(v.rates[0]), len(v.rates[1])) {
		n := 0
		for _, h := range v.rates {
			if i < len(h) {
				n += h[len(h)-1-i]
			}
		}
		most = max(most, n)
	}
	colors := [2]string{paintOld, paintNew}
	lines := []string{"", fit("  "+v.title, width)}
	for i, name := range [2]string{versionOld, versionNew} {
		h := v.rates[i]
		lines = append(lines, "  "+paint(colors[i], fmt.Sprintf("%s %s %4d/s", name, h.graph(width-16, most), h.now())))
	}
	for _, h := range v.hosts {
		with := ""
		switch h.version {
		case versionOld:
			with = paintOld
		case versionNew:
			with = paintNew
		}
		share := fmt.Sprintf("%-2s %4d/s", h.version, h.rate)
		if h.rate == 0 {
			with, share = paintDim, strings.Repeat(" ", 9)
		}
		row := fmt.Sprintf("  %-8s %-11s ", h.name, h.address)
		lines = append(lines, row+paint(with, share)+fit("  "+h.standing, width-len(row)-9))
	}
	counts := fmt.Sprintf("  requests %d, failed %d   ", v.requests, v.failed)
	hint := fit(clock(v.elapsed)+"  Ctrl-C ends it and cleans up", width-len(counts))
	with := ""
	if v.failed > 0 {
		with = paintBad
	}
	lines = append(lines, paint(with, counts)+paint(paintDim, hint))
	return lines
}

// fit cuts a text without colors to the width.
func fit(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	r := []rune(s)
	return string(r[:max(0, width-1)]) + "…"
}

func clock(d time.Duration) string {
	s := int(d.Seconds())
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
