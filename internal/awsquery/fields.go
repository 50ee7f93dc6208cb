package awsquery

import (
	"reflect"
	"sync"
)

// fieldCache maps a structure's type to its fields by member name. It is derived from types alone, so it is shared by all handlers.
var fieldCache sync.Map

// fieldsOf returns the index of each field by the exact name of its member.
func fieldsOf(t reflect.Type) map[string]int {
	if known, ok := fieldCache.Load(t); ok {
		if fields, ok := known.(map[string]int); ok {
			return fields
		}
	}
	fields := make(map[string]int, t.NumField())
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("query"); name != "" {
			fields[name] = i
		}
	}
	fieldCache.Store(t, fields)
	return fields
}
