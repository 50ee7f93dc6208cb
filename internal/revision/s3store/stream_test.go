package s3store_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"crossfade/internal/revision"
	"crossfade/internal/revision/s3store"
)

func TestAStreamOfAnyLengthBecomesAnObject(t *testing.T) {
	t.Parallel()
	s := withBucket(t)
	for name, length := range map[string]int{"empty": 0, "small": 5, "a part": 8 << 20, "parts": 20<<20 + 1} {
		content := strings.Repeat("x", length)
		o, err := s.PutStream(t.Context(), "bundles", name, func(w io.Writer) error {
			_, err := io.Copy(w, strings.NewReader(content))
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r, info, err := s.Open(t.Context(), revision.Location{Bucket: "bundles", Key: name, ETag: o.ETag})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		if string(text) != content || info.Size != int64(length) {
			t.Errorf("%s: read %d bytes of %d, or others", name, len(text), length)
		}
	}
}

func TestAStreamThatBreaksLeavesNothing(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	o.MaxObject = 20 << 20
	s := open(t, o)
	if err := s.EnsureBucket("1", "bundles"); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	var refused *s3store.Error
	for name, tt := range map[string]struct {
		length int
		end    error
		holds  func(error) bool
	}{
		"broken":   {9 << 20, broken, func(err error) bool { return errors.Is(err, broken) }},
		"too long": {30 << 20, nil, func(err error) bool { return errors.As(err, &refused) && refused.Code == s3store.EntityTooLarge }},
	} {
		_, err := s.PutStream(t.Context(), "bundles", name, func(w io.Writer) error {
			if _, err := io.Copy(w, strings.NewReader(strings.Repeat("x", tt.length))); err != nil {
				return err
			}
			return tt.end
		})
		if !tt.holds(err) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.Stat(t.Context(), revision.Location{Bucket: "bundles", Key: name}); !errors.Is(err, revision.ErrNotFound) {
			t.Errorf("%s: is there, or %v", name, err)
		}
	}
	if left, err := s.Uploads("bundles"); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}
