package postgres

import (
	"database/sql"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// row is the row that is being read, scanned as database/sql does it.
type row struct{ rows pgx.Rows }

// Scan implements relational.Rows.
func (r row) Scan(into ...any) error {
	values, err := r.rows.Values()
	if err != nil {
		return err
	}
	if len(values) != len(into) {
		return fmt.Errorf("a row has %d columns, and %d are read", len(values), len(into))
	}
	for i, v := range values {
		if err := assign(into[i], v); err != nil {
			return fmt.Errorf("read column %d: %w", i+1, err)
		}
	}
	return nil
}

// assign puts the value of a column into a variable.
func assign(into, value any) error {
	value, err := plain(value)
	if err != nil {
		return err
	}
	switch to := into.(type) {
	case sql.Scanner:
		return to.Scan(value)
	case *[]byte:
		switch v := value.(type) {
		case nil:
			*to = nil
			return nil
		case []byte:
			*to = v
			return nil
		case string:
			*to = []byte(v)
			return nil
		}
	case *time.Time:
		if v, ok := value.(time.Time); ok {
			*to = v
			return nil
		}
	}
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return fmt.Errorf("a %T can't be read into", into)
	}
	target = target.Elem()
	switch v := value.(type) {
	case string:
		if target.Kind() == reflect.String {
			target.SetString(v)
			return nil
		}
	case []byte:
		if target.Kind() == reflect.String {
			target.SetString(string(v))
			return nil
		}
	case bool:
		if target.Kind() == reflect.Bool {
			target.SetBool(v)
			return nil
		}
	case int64:
		switch target.Kind() {
		case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
			if target.OverflowInt(v) {
				return fmt.Errorf("%d is too large for a %s", v, target.Type())
			}
			target.SetInt(v)
			return nil
		case reflect.Bool: // the schema has numbers for truth
			target.SetBool(v != 0)
			return nil
		case reflect.String:
			target.SetString(strconv.FormatInt(v, 10))
			return nil
		default:
		}
	}
	return fmt.Errorf("a %T can't be read into a %T", value, into)
}

// plain is a value as database/sql has it.
func plain(value any) (any, error) {
	switch v := value.(type) {
	case int32:
		return int64(v), nil
	case int16:
		return int64(v), nil
	case pgtype.Numeric: // a sum
		n, err := v.Int64Value()
		if err != nil {
			return nil, err
		}
		return n.Int64, nil
	}
	return value, nil
}
