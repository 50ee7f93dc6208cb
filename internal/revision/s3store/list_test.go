package s3store_test

import (
	"slices"
	"sort"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"crossfade/internal/revision/s3store"
)

// plain lists by the definition: every key with the prefix, or the group that it falls into, once and in order.
func plain(keys []string, prefix, delimiter string) []string {
	seen := map[string]bool{}
	for _, k := range keys {
		if !strings.HasPrefix(k, prefix) {
			continue
		}
		if i := strings.Index(k[len(prefix):], delimiter); delimiter != "" && i >= 0 {
			k = "group " + k[:len(prefix)+i+len(delimiter)]
		}
		seen[k] = true
	}
	var out []string
	for k := range seen {
		out = append(out, k)
	}
	sort.Slice(out, func(i, j int) bool {
		return strings.TrimPrefix(out[i], "group ") < strings.TrimPrefix(out[j], "group ")
	})
	return out
}

// TestPagesAreTheWholeListing holds that the pages of any listing, put together, are the listing.
func TestPagesAreTheWholeListing(t *testing.T) {
	t.Parallel()
	s := withBucket(t)
	word := rapid.StringMatching(`[ab/]{1,5}`)
	have := map[string]bool{}
	rapid.Check(t, func(t *rapid.T) {
		key := word.Draw(t, "key")
		if rapid.Bool().Draw(t, "delete") {
			delete(have, key)
			if err := s.Delete("bundles", key); err != nil {
				t.Fatal(err)
			}
		} else {
			have[key] = true
			if _, err := s.Put(t.Context(), "bundles", key, nil, s3store.Condition{}, text("x")); err != nil {
				t.Fatal(err)
			}
		}
		q := s3store.ListQuery{
			Prefix:    rapid.StringMatching(`[ab/]{0,2}`).Draw(t, "prefix"),
			Delimiter: rapid.SampledFrom([]string{"", "/", "b", "a/"}).Draw(t, "delimiter"),
			Max:       rapid.IntRange(1, 4).Draw(t, "max"),
		}
		var keys, got []string
		for k := range have {
			keys = append(keys, k)
		}
		for {
			l, err := s.List("bundles", q)
			if err != nil {
				t.Fatal(err)
			}
			if len(l.Objects)+len(l.Groups) > q.Max {
				t.Fatalf("a page of %d has %+v", q.Max, l)
			}
			var page []string
			for _, o := range l.Objects {
				page = append(page, o.Key)
			}
			for _, g := range l.Groups {
				page = append(page, "group "+g)
			}
			sort.Slice(page, func(i, j int) bool {
				return strings.TrimPrefix(page[i], "group ") < strings.TrimPrefix(page[j], "group ")
			})
			got = append(got, page...)
			if !l.Truncated {
				break
			}
			q.After, q.AfterGroup = l.Last, l.LastIsGroup
		}
		if want := plain(keys, q.Prefix, q.Delimiter); !slices.Equal(got, want) {
			t.Fatalf("%+v of %q: got %q, want %q", q, keys, got, want)
		}
	})
}
