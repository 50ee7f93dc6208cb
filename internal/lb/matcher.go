package lb

import (
	"fmt"
	"strconv"
	"strings"
)

// matcher is a set of status codes, as ranges with both ends included.
type matcher []struct{ from, to int }

// parseMatcher reads the notation of Elastic Load Balancing: "200", "200,202", "200-299", or a mixture.
func parseMatcher(s string) (matcher, error) {
	var m matcher
	for part := range strings.SplitSeq(s, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			high = low
		}
		from, err1 := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err1 != nil || err2 != nil || from < 100 || to > 599 || from > to {
			return nil, fmt.Errorf("health check matcher %q: %q is not a status code from 100 to 599 or a range such as 200-299", s, part)
		}
		m = append(m, struct{ from, to int }{from, to})
	}
	return m, nil
}

func (m matcher) accepts(status int) bool {
	for _, r := range m {
		if status >= r.from && status <= r.to {
			return true
		}
	}
	return false
}
