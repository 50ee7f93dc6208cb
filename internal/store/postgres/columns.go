package postgres

import "fmt"

// columns are rows of arguments as an array for each of their columns. A column has texts, numbers or bytes; any of its values may be nil.
func columns(rows [][]any) []any {
	out := make([]any, len(rows[0]))
	for i := range out {
		var texts []*string
		var numbers []*int64
		var bytes [][]byte
		for n, row := range rows {
			said := row[i]
			if other, ok := value(said); ok {
				said = other
			}
			switch v := said.(type) {
			case nil:
			case string:
				texts = at(texts, n, &v)
			case int64:
				numbers = at(numbers, n, &v)
			case int:
				numbers = at(numbers, n, new(int64(v)))
			case []byte:
				bytes = at(bytes, n, v)
			default:
				panic(fmt.Sprintf("postgres: a column of %T", said))
			}
		}
		switch {
		case texts != nil:
			out[i] = upTo(texts, len(rows))
		case bytes != nil:
			out[i] = upTo(bytes, len(rows))
		default: // also one of nothing but nil: a nil pointer is NULL in an array of any kind
			out[i] = upTo(numbers, len(rows))
		}
	}
	return out
}

// at puts a value at a position that the column has not come to yet; those in between are nil.
func at[T any](column []T, n int, v T) []T { return append(upTo(column, n), v) }

func upTo[T any](column []T, n int) []T {
	for len(column) < n {
		var none T
		column = append(column, none)
	}
	return column
}
