package appspec

import "fmt"

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
