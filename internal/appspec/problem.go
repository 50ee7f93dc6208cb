package appspec

import (
	"fmt"
	"strings"
)

// Problem is why an AppSpec is refused.
type Problem struct {
	File         string
	Line, Column int // from 1; 0: the file as a whole
	What         string
	Hint         string // what to do about it; may be empty
}

// Error is one line: where, what, and what to do.
func (p *Problem) Error() string {
	where := p.File
	if p.Line > 0 {
		where = fmt.Sprintf("%s line %d", p.File, p.Line)
		if p.Column > 1 {
			where = fmt.Sprintf("%s column %d", where, p.Column)
		}
	}
	if p.Hint == "" {
		return fmt.Sprintf("%s: %s", where, p.What)
	}
	return fmt.Sprintf("%s: %s: %s", where, p.What, p.Hint)
}

// brief is the line without its column.
func (p *Problem) brief() string {
	short := *p
	short.Column = 0
	return short.Error()
}

// didYouMean is a hint to the candidate that a mistyped name was most likely meant to be, or otherwise when none is near.
func didYouMean(name string, candidates []string, otherwise string) string {
	best, least := "", max(2, len(name)/3)+1
	for _, c := range candidates {
		if d := typos(strings.ToLower(name), strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	if best == "" || least >= len(best) {
		return otherwise
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// typos is how many characters must be added, removed, replaced or swapped with their neighbour to make one word the other. A word far
// longer than any candidate is cut: it is none of them.
func typos(a, b string) int {
	const longest = 64
	x, y := []rune(a), []rune(b)
	x, y = x[:min(len(x), longest)], y[:min(len(y), longest)]
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range y {
		rows[0][j+1] = j + 1
	}
	for i := range x {
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			d := min(rows[i][j+1]+1, rows[i+1][j]+1, rows[i][j]+cost)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				d = min(d, rows[i-1][j-1]+1)
			}
			rows[i+1][j+1] = d
		}
	}
	return rows[len(x)][len(y)]
}
