package wire_test

import (
	"encoding/json"
	"testing"
	"time"

	"crossfade/internal/wire"
)

func TestTimeIsANumberOfSecondsWithUpToThreeDecimals(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"1446744188.711":     "1446744188.711",
		"1446744188":         "1446744188",
		"1446744188.0":       "1446744188",
		"1446744188.5":       "1446744188.5",
		"1446744188.05":      "1446744188.05",
		"1446744188.0009999": "1446744188.001",
		"1.446744188711E9":   "1446744188.711",
		"0":                  "0",
		"-1.5":               "-1.5",
		"-0.25":              "-0.25",
	} {
		var at wire.Time
		if err := json.Unmarshal([]byte(in), &at); err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		got, err := json.Marshal(at)
		if err != nil || string(got) != want {
			t.Errorf("%s came back as %s (%v), want %s", in, got, err, want)
		}
	}
}

func TestTimeCutsBelowTheMillisecond(t *testing.T) {
	t.Parallel()
	at := wire.Time{Time: time.Unix(1446744188, 711999999)}
	got, err := json.Marshal(at)
	if err != nil || string(got) != "1446744188.711" {
		t.Errorf("got %s (%v)", got, err)
	}
}

func TestTimeRefusesWhatIsNoTime(t *testing.T) {
	t.Parallel()
	for _, in := range []string{`"2016-07-07T00:00:00Z"`, `true`, `1e300`, `-1e12`, `253402300800`} {
		var at wire.Time
		if err := json.Unmarshal([]byte(in), &at); err == nil {
			t.Errorf("%s was read as %v", in, at)
		}
	}
}

func TestAtLeavesTheZeroTimeOut(t *testing.T) {
	t.Parallel()
	if wire.At(time.Time{}) != nil {
		t.Error("the zero time is not absent")
	}
	if got := wire.At(time.Unix(5, 0)); got == nil || got.Unix() != 5 {
		t.Errorf("got %v", got)
	}
}
