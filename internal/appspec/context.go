package appspec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxCategory is the highest category of an SELinux policy.
const maxCategory = 1023

// Context is an SELinux context that an object gets.
type Context struct {
	User  string // empty: as the policy has it
	Type  string
	Range string // as [Range.String] writes it; empty: as the policy has it
}

// Range is an SELinux range: sensitivities and categories.
type Range struct {
	Low, High  int
	Categories []int // ascending, each once
}

// ParseRange reads sN[-sM][:cA[.cB],…]: cA.cB is all categories from A to B, up to 1023, and none may come twice.
func ParseRange(text string) (Range, error) {
	levels, categories, some := strings.Cut(text, ":")
	low, high, two := strings.Cut(levels, "-")
	if !two {
		high = low
	}
	var r Range
	var err error
	if r.Low, err = level(low, 's'); err != nil {
		return Range{}, fmt.Errorf("the SELinux range %s: %w", quote(text), err)
	}
	if r.High, err = level(high, 's'); err != nil {
		return Range{}, fmt.Errorf("the SELinux range %s: %w", quote(text), err)
	}
	if r.High < r.Low {
		return Range{}, fmt.Errorf("the SELinux range %s ends below its beginning", quote(text))
	}
	if !some {
		return r, nil
	}
	seen := make([]bool, maxCategory+1)
	for part := range strings.SplitSeq(categories, ",") {
		from, to, several := strings.Cut(part, ".")
		if !several {
			to = from
		}
		first, err := level(from, 'c')
		if err != nil {
			return Range{}, fmt.Errorf("the SELinux range %s: %w", quote(text), err)
		}
		last, err := level(to, 'c')
		if err != nil {
			return Range{}, fmt.Errorf("the SELinux range %s: %w", quote(text), err)
		}
		switch {
		case last < first:
			return Range{}, fmt.Errorf("the SELinux range %s has %s, which ends before it begins", quote(text), quote(part))
		case last > maxCategory:
			return Range{}, fmt.Errorf("the SELinux range %s has a category above c%d", quote(text), maxCategory)
		}
		for c := first; c <= last; c++ {
			if seen[c] {
				return Range{}, fmt.Errorf("the SELinux range %s has the category c%d twice", quote(text), c)
			}
			seen[c] = true
			r.Categories = append(r.Categories, c)
		}
	}
	slices.Sort(r.Categories)
	return r, nil
}

// level reads a letter and a number.
func level(text string, letter byte) (int, error) {
	if len(text) >= 2 && len(text) <= 5 && text[0] == letter && strings.Trim(text[1:], "0123456789") == "" {
		return strconv.Atoi(text[1:])
	}
	return 0, fmt.Errorf("%s is not %c and a number", quote(text), letter)
}

// String is the range with categories that follow each other drawn together, as the official agent writes it.
func (r Range) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "s%d", r.Low)
	if r.High != r.Low {
		fmt.Fprintf(&b, "-s%d", r.High)
	}
	for i := 0; i < len(r.Categories); {
		separator := ","
		if i == 0 {
			separator = ":"
		}
		first := r.Categories[i]
		last := first
		for i++; i < len(r.Categories) && r.Categories[i] == last+1; i++ {
			last++
		}
		fmt.Fprintf(&b, "%sc%d", separator, first)
		if last > first {
			fmt.Fprintf(&b, ".c%d", last)
		}
	}
	return b.String()
}

// checkLabel holds that a user or type is a word of SELinux, so that it can't be taken for an option of semanage.
func checkLabel(text string) error {
	for i, r := range text {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_'
		if !letter && (i == 0 || (r < '0' || r > '9') && r != '-' && r != '.') {
			return fmt.Errorf("%s is no name of SELinux, which has letters, digits, _, - and . and begins with a letter", quote(text))
		}
	}
	return nil
}
