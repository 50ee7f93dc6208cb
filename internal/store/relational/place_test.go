package relational

import "testing"

func TestPlacesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", ".", "1", "1.", ".d-1", "x.d-1", "1 .d-1", "99999999999999999999.d-1", "0x1.d-1"} {
		if at, id, err := parsePlace(s); err == nil {
			t.Errorf("%q is read as %d, %q", s, at, id)
		}
	}
}

func FuzzPlace(f *testing.F) {
	f.Add("1772600767123456789.d-ABCDEF123")
	f.Add("-1.7")
	f.Add("0.")
	f.Fuzz(func(t *testing.T, s string) {
		at, id, err := parsePlace(s)
		if err != nil {
			return
		}
		if again, same, err := parsePlace(place(at, id)); err != nil || again != at || same != id {
			t.Errorf("%q is read as %d, %q, and that as %d, %q, %v", s, at, id, again, same, err)
		}
	})
}
