package relational

import (
	"fmt"
	"strconv"
	"strings"
)

// place is a position in a list that is ordered by a time and, among equal times, by an id.
func place(at int64, id string) string { return strconv.FormatInt(at, 10) + "." + id }

// parsePlace reads what place wrote.
func parsePlace(s string) (at int64, id string, err error) {
	before, id, ok := strings.Cut(s, ".")
	if ok && id != "" {
		at, err = strconv.ParseInt(before, 10, 64)
	}
	if !ok || id == "" || err != nil {
		return 0, "", fmt.Errorf("%q is no place in the list: use a Cursor that the list gave out", s)
	}
	return at, id, nil
}
