package repack_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"crossfade/internal/revision/repack"
	"crossfade/internal/revision/tree"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

var when = time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)

func global(id string) tar.Header {
	return tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": id}}
}
func dir(name string) tar.Header { return tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o775} }
func file(name string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o664, Size: int64(len(name))}
}
func script(name string) tar.Header {
	h := file(name)
	h.Mode = 0o6775
	return h
}
func link(name, to string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to, Mode: 0o777}
}

// archive packs headers; a file's content begins with its name.
func archive(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range headers {
		if h.Typeflag != tar.TypeXGlobalHeader {
			h.ModTime, h.Uname, h.Gname, h.Uid = when, "git", "git", 7
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, h.Name+strings.Repeat("\x00", int(h.Size)-len(h.Name))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// listing is what a bundle has, a line for each entry.
func listing(t *testing.T, bundle []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(bundle))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return strings.Join(lines, "\n")
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Uname != "" || h.Uid != 0 || !h.ModTime.Equal(when) {
			t.Errorf("%s is of %s (%d) at %s", h.Name, h.Uname, h.Uid, h.ModTime)
		}
		lines = append(lines, fmt.Sprintf("%s %o %s%s", h.Name, h.Mode, text, h.Linkname))
	}
}

func TestACommitBecomesABundle(t *testing.T) {
	t.Parallel()
	in := archive(t, global(commit), dir("shop-web-0123456/"), file("shop-web-0123456/appspec.yml"), dir("shop-web-0123456/scripts/"),
		script("shop-web-0123456/scripts/start.sh"), link("shop-web-0123456/current", "scripts"))
	var out bytes.Buffer
	facts, err := repack.Commit(t.Context(), bytes.NewReader(in), &out, strings.ToUpper(commit), repack.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := "appspec.yml 664 shop-web-0123456/appspec.yml\nscripts/ 775 \nscripts/start.sh 775 shop-web-0123456/scripts/start.sh\ncurrent 777 scripts"
	if got := listing(t, out.Bytes()); got != want {
		t.Errorf("the bundle has\n%s\nwant\n%s", got, want)
	}
	if facts.Entries != 4 || facts.Bytes != 61 {
		t.Errorf("%+v", facts)
	}
}

func TestHostileArchivesAreRefused(t *testing.T) {
	t.Parallel()
	large := file("t/zeros")
	large.Size = 10 << 20
	for name, tt := range map[string]struct {
		in   []byte
		want error
		says string
	}{
		"another commit":    {archive(t, global(strings.Repeat("f", 40)), dir("t/"), file("t/a")), repack.ErrOtherCommit, "ffff"},
		"empty":             {archive(t, global(commit), dir("t/")), tree.ErrRefused, "no files"},
		"two tops":          {archive(t, file("t/a"), file("u/a")), tree.ErrRefused, "around the others"},
		"a climbing path":   {archive(t, file("t/../../etc/passwd")), tree.ErrRefused, "climbs"},
		"an absolute path":  {archive(t, file("/etc/passwd")), tree.ErrRefused, "absolute"},
		"a link out":        {archive(t, dir("t/"), link("t/a", "../b")), tree.ErrRefused, "leads out"},
		"an absolute link":  {archive(t, dir("t/"), link("t/a", "/etc")), tree.ErrRefused, "leads out"},
		"through a link":    {archive(t, dir("t/d"), link("t/a", "d"), file("t/a/b")), tree.ErrRefused, "through the link"},
		"a file as the top": {archive(t, file("t"), file("t/b")), tree.ErrRefused, "in the place of"},
		"twice":             {archive(t, file("t/a"), file("t/a")), tree.ErrRefused, "twice"},
		"a hard link":       {archive(t, file("t/a"), tar.Header{Typeflag: tar.TypeLink, Name: "t/b", Linkname: "t/a"}), tree.ErrRefused, "git does not know"},
		"a device":          {archive(t, tar.Header{Typeflag: tar.TypeChar, Name: "t/null"}), tree.ErrRefused, "git does not know"},
		"a pipe":            {archive(t, tar.Header{Typeflag: tar.TypeFifo, Name: "t/p"}), tree.ErrRefused, "git does not know"},
		"a bomb":            {archive(t, large), tree.ErrRefused, "times its size"},
		"too many bytes":    {archive(t, large, file("t/a")), tree.ErrRefused, "bytes"},
		"too many entries":  {archive(t, file("t/a"), file("t/b"), file("t/c"), file("t/d"), file("t/e"), file("t/f")), tree.ErrRefused, "one too many"},
		"more than is read": {incompressible(t), tree.ErrRefused, "are read of one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := repack.Limits{Entries: 5, RatioFrom: 1 << 20, Packed: 1 << 20, Bytes: 8 << 20}
			if name == "a bomb" {
				limits.Bytes = 64 << 20
			}
			_, err := repack.Commit(t.Context(), bytes.NewReader(tt.in), io.Discard, commit, limits)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %q", err, tt.says)
			}
		})
	}
}

// incompressible is an archive of two MiB, packed.
func incompressible(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.NoCompression)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "t/a", Size: 2 << 20}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 2<<20)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestABrokenTransferIsNotTheCommitsFault holds that what may go well another time is told from what is refused.
func TestABrokenTransferIsNotTheCommitsFault(t *testing.T) {
	t.Parallel()
	in := archive(t, global(commit), dir("t/"), file("t/a"))
	ended, end := context.WithCancel(t.Context())
	end()
	for name, tt := range map[string]struct {
		ctx context.Context
		in  []byte
		to  io.Writer
	}{
		"cut short":   {t.Context(), in[:len(in)/2], io.Discard},
		"a page":      {t.Context(), []byte("<html>sign in</html>"), io.Discard},
		"nothing":     {t.Context(), nil, io.Discard},
		"no context":  {ended, in, io.Discard},
		"a full disk": {t.Context(), in, full{}},
	} {
		_, err := repack.Commit(tt.ctx, bytes.NewReader(tt.in), tt.to, commit, repack.Limits{})
		if err == nil || errors.Is(err, tree.ErrRefused) || errors.Is(err, repack.ErrOtherCommit) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func FuzzCommit(f *testing.F) {
	f.Add(archive(f, global(commit), dir("t/"), file("t/a"), link("t/b", "a")))
	f.Add([]byte{0x1f, 0x8b})
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		if _, err := repack.Commit(t.Context(), bytes.NewReader(in), &out, commit, repack.Limits{Bytes: 1 << 20, Entries: 100}); err != nil {
			return
		}
		z, err := gzip.NewReader(&out)
		if err != nil {
			t.Fatal(err)
		}
		for r := tar.NewReader(z); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil || strings.HasPrefix(h.Name, "/") || strings.Contains("/"+h.Name+"/", "/../") {
				t.Fatalf("%v %+v", err, h)
			}
		}
	})
}
