package awsjson

import (
	"reflect"
	"strings"
	"sync"
)

// fieldCache maps a structure's type to its fields by member name. It is derived from types alone, so it is shared by all handlers.
var fieldCache sync.Map

// field is where a member goes.
type field struct {
	name  string
	index int
}

// fieldsOf returns the field of each member by its exact name.
func fieldsOf(t reflect.Type) map[string]field {
	if known, ok := fieldCache.Load(t); ok {
		if fields, ok := known.(map[string]field); ok {
			return fields
		}
	}
	fields := make(map[string]field, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && name != "" && name != "-" {
			fields[name] = field{name, i}
		}
	}
	fieldCache.Store(t, fields)
	return fields
}
