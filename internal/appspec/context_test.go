package appspec

import (
	"strings"
	"testing"
)

func TestRangesAreReadAndDrawnTogether(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"s0":                  "s0",
		"s0-s0":               "s0",
		"s0-s15":              "s0-s15",
		"s0:c0":               "s0:c0",
		"s0:c1,c0":            "s0:c0.c1",
		"s1-s2:c0.c1023":      "s1-s2:c0.c1023",
		"s0:c5,c3.c4,c10,c12": "s0:c3.c5,c10,c12",
	} {
		r, err := ParseRange(text)
		if err != nil || r.String() != want {
			t.Errorf("%q is %q, %v, want %q", text, r, err, want)
		}
	}
}

func TestRangesThatAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                "not s and a number",
		"0":               "not s and a number",
		"s":               "not s and a number",
		"s-1":             "not s and a number",
		"s0-":             "not s and a number",
		"s99999":          "not s and a number",
		"s2-s1":           "below its beginning",
		"s0:":             "not c and a number",
		"s0:c1,":          "not c and a number",
		"s0:c1.":          "not c and a number",
		"s0:x1":           "not c and a number",
		"s0:c1.c2.c3":     "not c and a number",
		"s0:c2.c1":        "ends before it begins",
		"s0:c1024":        "above c1023",
		"s0:c1,c1":        "c1 twice",
		"s0:c0.c5,c3":     "c3 twice",
		"s0-s1-s2":        "not s and a number",
		"SystemLow":       "not s and a number",
		"s0 -r x":         "not s and a number",
		"s0:c1\n":         "not c and a number",
		"s0:c0.c3,c9,c3 ": "not c and a number",
	} {
		if r, err := ParseRange(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v, want %q", text, r, err, want)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"s0", "s0-s15:c0.c1023", "s0:c1,c1", "s1-s0", ":"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRange(text)
		if err != nil {
			return
		}
		again, err := ParseRange(r.String())
		if err != nil || again.String() != r.String() {
			t.Errorf("%q is %q, read back as %q, %v", text, r, again, err)
		}
	})
}
