package api

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"crossfade/internal/store"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// A next token is the key of the last entry that was returned, behind a code that binds it to the account, the operation and the filters. It
// does not expire: a page after it is right whenever it is asked for.

const macSize = 16

// list is one paged reading in an operation: its name and everything but the token that decides what is listed.
type list struct {
	s         *Service
	account   string
	operation string
	filters   string
}

func (s *Service) list(ctx context.Context, operation string, filters ...any) (list, error) {
	text, err := json.Marshal(filters)
	if err != nil {
		return list{}, fmt.Errorf("name the filters of %s: %w", operation, err)
	}
	return list{s, s.account(ctx), operation, string(text)}, nil
}

func (l list) mac(key string) []byte {
	h := hmac.New(sha256.New, l.s.cfg.TokenKey)
	for _, part := range []string{l.operation, l.account, l.filters, key} {
		// The length in front keeps parts from running into each other.
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return h.Sum(nil)[:macSize]
}

// page reads the token and asks for one entry more than a page has, to learn whether there is another page. An absent or empty token is the
// first page.
func (l list) page(token *string) (store.Page, error) {
	p := store.Page{Limit: pageSize + 1}
	if value(token) == "" {
		return p, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(*token)
	// The decoder passes over line breaks and unused bits; a token has one spelling.
	if err != nil || len(raw) <= macSize || base64.RawURLEncoding.EncodeToString(raw) != *token || !hmac.Equal(raw[:macSize], l.mac(string(raw[macSize:]))) {
		return p, wire.Errorf(control.InvalidNextTokenException, "The next token was not given out by %s for these filters; start again without a token.", l.operation)
	}
	p.After = string(raw[macSize:])
	return p, nil
}

// cut returns the entries of the page and the token of the next one, nil on the last. key names an entry's place in the list.
func cut[T any](l list, entries []T, key func(T) string) ([]T, *string) {
	if len(entries) <= pageSize {
		return entries, nil
	}
	entries = entries[:pageSize]
	last := key(entries[pageSize-1])
	token := base64.RawURLEncoding.EncodeToString(append(l.mac(last), last...))
	return entries, &token
}

// itself is the key of an entry that is a name.
func itself(name string) string { return name }

// some turns nil into an empty list, which is written.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
