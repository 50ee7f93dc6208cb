package s3store_test

import (
	"testing"
	"time"

	"crossfade/internal/revision/revisiontest"
)

func TestIsASource(t *testing.T) {
	t.Parallel()
	revisiontest.Run(t, func(t *testing.T) revisiontest.Driver {
		o := options(t.TempDir())
		o.Now = time.Now
		s := open(t, o)
		if err := s.EnsureBucket("1", "bundles"); err != nil {
			t.Fatal(err)
		}
		return revisiontest.Driver{
			Source: s,
			Bucket: "bundles",
			Put:    func(t *testing.T, key, content string) string { return put(t, s, key, content).ETag },
			Delete: func(t *testing.T, key string) {
				if err := s.Delete("bundles", key); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}
