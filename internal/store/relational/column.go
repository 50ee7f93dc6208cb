package relational

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"crossfade/internal/store"
)

// nanos is a time as a column holds it: nil (NULL) when it is zero.
func nanos(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return unixNano(t)
}

// unixNano is the instant in nanoseconds since 1970, or the nearest that there is: 1677 to 2262.
func unixNano(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// nanosOrZero is a time in a column that has no NULLs.
func nanosOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return unixNano(t)
}

// moment reads a column that nanos or nanosOrZero wrote.
func moment(n sql.NullInt64) time.Time {
	if n.Int64 == 0 {
		return time.Time{}
	}
	return time.Unix(0, n.Int64).UTC()
}

// encode is a value as a document. The domain's values can all be encoded; one that can't is a defect.
func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("sqlite: encode %T: %v", v, err))
	}
	return string(b)
}

// encodeTags keeps tags; none are an empty object.
func encodeTags(tags map[string]string) string {
	if len(tags) == 0 {
		return "{}"
	}
	return encode(tags)
}

// decode reads a document; an empty one leaves the value.
func decode(doc string, into any) error {
	if doc == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(doc), into); err != nil {
		return fmt.Errorf("decode %T: %w", into, err)
	}
	return nil
}

// decodeTags reads what encodeTags wrote; none are nil.
func decodeTags(doc string, into *map[string]string) error {
	if doc == "{}" {
		*into = nil
		return nil
	}
	return decode(doc, into)
}

// limit is a page's limit for SQL, which has no word for none that all databases know.
func limit(n int) int64 {
	if n <= 0 {
		return math.MaxInt64
	}
	return int64(n)
}

// marks is n placeholders of an IN list.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// distinct is a filter's values as arguments, each once, which bounds the number of statements that filters make.
func distinct[S ~string](values []S) []any {
	var out []any
	for _, v := range slices.Compact(slices.Sorted(slices.Values(values))) {
		out = append(out, string(v))
	}
	return out
}

// wrap says what was being done; nil stays nil.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// exists reports whether a query has a row.
func exists(t Tx, query string, args ...any) (bool, error) {
	var one int
	switch err := t.Row(context.Background(), query, args, &one); err {
	case nil:
		return true, nil
	case store.ErrNotFound:
		return false, nil
	default:
		return false, err
	}
}

// names collects a column of strings.
func names(out *[]string) func(Rows) (bool, error) {
	return func(rows Rows) (bool, error) {
		var s string
		err := rows.Scan(&s)
		*out = append(*out, s)
		return true, err
	}
}
