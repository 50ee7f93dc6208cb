package iam

import (
	"encoding/base64"

	"crossfade/internal/awsquery"
	"crossfade/internal/store"
	"crossfade/internal/wire"
)

// defaultItems is how many entries a page has when the caller does not say.
const defaultItems = 100

// page is the caller's position in a list, and room for one entry more, which tells that there are more.
func page(marker *string, items *int32) (store.Page, error) {
	p := store.Page{Limit: defaultItems + 1}
	if items != nil {
		p.Limit = int(*items) + 1
	}
	if marker == nil {
		return p, nil
	}
	after, err := base64.RawURLEncoding.DecodeString(*marker)
	if err != nil || len(after) == 0 {
		return p, wire.Errorf(awsquery.ValidationError, "Invalid Marker: it is none that a list was answered with.")
	}
	p.After = string(after)
	return p, nil
}

// cut takes off the entry that was one too many. more and marker are what a list is answered with.
func cut[E any](entries []E, p store.Page, key func(E) string) (out []E, more *bool, marker *string) {
	if len(entries) < p.Limit {
		return entries, new(false), nil
	}
	out = entries[:p.Limit-1]
	return out, new(true), new(base64.RawURLEncoding.EncodeToString([]byte(key(out[len(out)-1]))))
}
