package s3store

import (
	"sort"
	"strings"
	"time"
)

// ListQuery is what to list. The zero ListQuery lists nothing: Max is zero.
type ListQuery struct {
	Prefix    string
	Delimiter string
	// After is the key after which the listing begins.
	After string
	// AfterGroup says that After is a common prefix, listed already with all keys under it.
	AfterGroup bool
	Max        int
}

// Listed is an object in a listing.
type Listed struct {
	Key      string
	Size     int64
	ETag     string
	Modified time.Time
}

// Listing is a page of a bucket, in the order of the keys' bytes.
type Listing struct {
	Objects []Listed
	Groups  []string // common prefixes
	// Truncated says that there is more after Last, which is a group when LastIsGroup.
	Truncated   bool
	Last        string
	LastIsGroup bool
}

// List lists a page of a bucket.
func (s *Store) List(bucketName string, q ListQuery) (Listing, error) {
	if err := s.catchUp(); err != nil {
		return Listing{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucket(bucketName)
	if err != nil {
		return Listing{}, err
	}
	var out Listing
	if q.Max <= 0 {
		return out, nil
	}
	i := sort.SearchStrings(b.keys, q.Prefix)
	if q.After != "" {
		i = max(i, sort.Search(len(b.keys), func(j int) bool {
			return b.keys[j] > q.After && !(q.AfterGroup && strings.HasPrefix(b.keys[j], q.After))
		}))
	}
	for i < len(b.keys) && strings.HasPrefix(b.keys[i], q.Prefix) {
		if len(out.Objects)+len(out.Groups) == q.Max {
			out.Truncated = true
			return out, nil
		}
		key := b.keys[i]
		if group, ok := groupOf(key, q); ok {
			out.Groups = append(out.Groups, group)
			out.Last, out.LastIsGroup = group, true
			i += sort.Search(len(b.keys)-i, func(j int) bool { return !strings.HasPrefix(b.keys[i+j], group) })
			continue
		}
		e := b.objects[key]
		out.Objects = append(out.Objects, Listed{Key: key, Size: e.size, ETag: e.etag, Modified: e.modified})
		out.Last, out.LastIsGroup = key, false
		i++
	}
	return out, nil
}

// groupOf is the common prefix that stands for a key: up to the first delimiter after the prefix.
func groupOf(key string, q ListQuery) (string, bool) {
	if q.Delimiter == "" {
		return "", false
	}
	i := strings.Index(key[len(q.Prefix):], q.Delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(q.Prefix)+i+len(q.Delimiter)], true
}
