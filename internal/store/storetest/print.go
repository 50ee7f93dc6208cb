package storetest

import (
	"encoding/json"
	"fmt"
)

// printable is a value's document, in which times compare by what they say and not by how they are held.
func printable(v any) string {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		panic(fmt.Sprintf("storetest: print %T: %v", v, err))
	}
	return string(b)
}
