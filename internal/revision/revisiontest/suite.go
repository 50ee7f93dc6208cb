// Package revisiontest is what every driver of the revision port is held to.
package revisiontest

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"crossfade/internal/revision"
)

// Driver is a source under test, and the way to bring bundles into it.
type Driver struct {
	Source revision.Source
	Bucket string // that is there, without versioning
	// Put stores a bundle and returns its ETag without quotes.
	Put func(t *testing.T, key, content string) (etag string)
	// Delete takes a bundle away.
	Delete func(t *testing.T, key string)
	// Denied is a source of the same bundles that may not read them; nil: the driver can't be refused.
	Denied revision.Source
}

// Run holds a driver to the port. Each claim gets a driver of its own.
func Run(t *testing.T, newDriver func(t *testing.T) Driver) {
	claims := map[string]func(*testing.T, Driver){
		"a bundle is what was stored":               stored,
		"a location is its bundle or an error":      located,
		"an open bundle outlives its replacement":   replaced,
		"an open bundle outlives its deletion":      deleted,
		"keys are taken by the letter":              byTheLetter,
		"who may not read is told so":               denied,
		"nobody waits for what is read for nothing": abandoned,
	}
	for name, claim := range claims {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claim(t, newDriver(t))
		})
	}
}

func read(t *testing.T, d Driver, l revision.Location) string {
	t.Helper()
	r, _, err := d.Source.Open(t.Context(), l)
	if err != nil {
		t.Fatalf("open %+v: %v", l, err)
	}
	return finish(t, r)
}

func finish(t *testing.T, r io.ReadCloser) string {
	t.Helper()
	text, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func stored(t *testing.T, d Driver) {
	for _, content := range []string{"", "bundle", strings.Repeat("0123456789abcdef", 3<<16)} {
		before := time.Now()
		etag := d.Put(t, "app.zip", content)
		if want := fmt.Sprintf("%x", md5.Sum([]byte(content))); etag != want {
			t.Errorf("stored as %s, want %s", etag, want)
		}
		l := revision.Location{Bucket: d.Bucket, Key: "app.zip", ETag: etag}
		seen, err := d.Source.Stat(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		r, opened, err := d.Source.Open(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		if got := finish(t, r); got != content {
			t.Errorf("read %d bytes of %d, or others", len(got), len(content))
		}
		for how, info := range map[string]revision.Info{"seen": seen, "opened": opened} {
			// HTTP tells times by the second.
			if info.Size != int64(len(content)) || info.ETag != etag || info.Version != "" || info.Modified.Before(before.Add(-2*time.Second)) {
				t.Errorf("%s: %+v of %d bytes with ETag %s", how, info, len(content), etag)
			}
		}
	}
}

func located(t *testing.T, d Driver) {
	etag := d.Put(t, "app.zip", "bundle")
	for _, tt := range []struct {
		l    revision.Location
		want error
	}{
		{revision.Location{Key: "app.zip"}, nil},
		{revision.Location{Key: "app.zip", Version: revision.NullVersion}, nil},
		{revision.Location{Key: "app.zip", ETag: etag}, nil},
		{revision.Location{Key: "app.zip", ETag: `"` + etag + `"`}, nil},
		{revision.Location{Key: "app.zip", ETag: "0123"}, revision.ErrChanged},
		{revision.Location{Key: "app.zip", Version: "3"}, revision.ErrNotFound},
		{revision.Location{Key: "app.zip", Version: "3", ETag: etag}, revision.ErrNotFound},
		{revision.Location{Key: "none"}, revision.ErrNotFound},
		{revision.Location{Bucket: "no-such-bucket", Key: "app.zip"}, revision.ErrNotFound},
	} {
		if tt.l.Bucket == "" {
			tt.l.Bucket = d.Bucket
		}
		if _, err := d.Source.Stat(t.Context(), tt.l); !errors.Is(err, tt.want) {
			t.Errorf("look at %+v: %v, want %v", tt.l, err, tt.want)
		}
		r, _, err := d.Source.Open(t.Context(), tt.l)
		if !errors.Is(err, tt.want) {
			t.Errorf("open %+v: %v, want %v", tt.l, err, tt.want)
		}
		if err == nil && finish(t, r) != "bundle" {
			t.Errorf("open %+v: another bundle", tt.l)
		}
		if tt.want != nil && err != nil && !strings.Contains(err.Error(), tt.l.Bucket+"/"+tt.l.Key) {
			t.Errorf("%v does not say which bundle", err)
		}
	}
}

func replaced(t *testing.T, d Driver) {
	outlives(t, d, func(key string) { d.Put(t, key, "another") })
	if got := read(t, d, revision.Location{Bucket: d.Bucket, Key: "app.zip"}); got != "another" {
		t.Errorf("afterwards it is %d bytes", len(got))
	}
}

func deleted(t *testing.T, d Driver) {
	outlives(t, d, func(key string) { d.Delete(t, key) })
	if _, err := d.Source.Stat(t.Context(), revision.Location{Bucket: d.Bucket, Key: "app.zip"}); !errors.Is(err, revision.ErrNotFound) {
		t.Errorf("afterwards: %v", err)
	}
}

func outlives(t *testing.T, d Driver, change func(key string)) {
	t.Helper()
	first := strings.Repeat("first", 1<<20)
	d.Put(t, "app.zip", first)
	r, _, err := d.Source.Open(t.Context(), revision.Location{Bucket: d.Bucket, Key: "app.zip"})
	if err != nil {
		t.Fatal(err)
	}
	change("app.zip")
	if got := finish(t, r); got != first {
		t.Errorf("read %d bytes of %d, or others", len(got), len(first))
	}
}

func byTheLetter(t *testing.T, d Driver) {
	keys := []string{"a", "A", "a b+c%20d&e=f?g#h", "ä", "a\u0308", "dir/", "dir", "a//b", "a/./b", "a/../b", "..", "'quoted' \"twice\"", "tail "}
	for _, key := range keys {
		d.Put(t, key, "content of "+key)
	}
	for _, key := range keys {
		if got := read(t, d, revision.Location{Bucket: d.Bucket, Key: key}); got != "content of "+key {
			t.Errorf("%q is %q", key, got)
		}
	}
}

func denied(t *testing.T, d Driver) {
	if d.Denied == nil {
		return
	}
	d.Put(t, "app.zip", "bundle")
	l := revision.Location{Bucket: d.Bucket, Key: "app.zip"}
	if _, err := d.Denied.Stat(t.Context(), l); !errors.Is(err, revision.ErrDenied) {
		t.Errorf("look: %v", err)
	}
	if _, _, err := d.Denied.Open(t.Context(), l); !errors.Is(err, revision.ErrDenied) {
		t.Errorf("open: %v", err)
	}
}

func abandoned(t *testing.T, d Driver) {
	d.Put(t, "app.zip", strings.Repeat("bundle", 1<<20))
	ctx, cancel := context.WithCancel(t.Context())
	r, _, err := d.Source.Open(ctx, revision.Location{Bucket: d.Bucket, Key: "app.zip"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		t.Error(err)
	}
	cancel()
	if err := r.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	// What was abandoned hinders nobody.
	d.Delete(t, "app.zip")
	d.Put(t, "app.zip", "bundle")
	if got := read(t, d, revision.Location{Bucket: d.Bucket, Key: "app.zip"}); got != "bundle" {
		t.Errorf("afterwards it is %d bytes", len(got))
	}
}
