package wire

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Time is a timestamp of the JSON protocol: on the wire a JSON number of seconds since 1970 with up to three decimals.
type Time struct{ time.Time }

// The range of accepted timestamps: the years 1 to 9999, outside of which no calendar date can be printed.
const (
	minMillis = -62135596800000
	maxMillis = 253402300799999
)

// At returns the wire form of t, or nil (absent) for the zero time.
func At(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	return &Time{t}
}

// MarshalJSON writes the seconds since 1970, cut to milliseconds, without trailing zeros.
func (t Time) MarshalJSON() ([]byte, error) {
	ms := t.UnixMilli()
	var b []byte
	if ms < 0 {
		b = append(b, '-')
		ms = -ms
	}
	b = strconv.AppendInt(b, ms/1000, 10)
	frac := ms % 1000
	if frac == 0 {
		return b, nil
	}
	b = append(b, '.', byte('0'+frac/100), byte('0'+frac/10%10), byte('0'+frac%10))
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b, nil
}

// UnmarshalJSON reads an integer or a decimal number of seconds since 1970, rounded to milliseconds.
func (t *Time) UnmarshalJSON(b []byte) error {
	parsed, err := ParseTime(string(b))
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}

// ParseTime reads the JSON number of a timestamp. It refuses anything else, and times outside the years 1 to 9999.
func ParseTime(number string) (Time, error) {
	seconds, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(seconds) {
		return Time{}, fmt.Errorf("a timestamp is a number of seconds since 1970, not %s", number)
	}
	ms := math.Round(seconds * 1000)
	if ms < minMillis || ms > maxMillis {
		return Time{}, fmt.Errorf("the timestamp %s lies outside the years 1 to 9999", number)
	}
	return Time{time.UnixMilli(int64(ms)).UTC()}, nil
}
