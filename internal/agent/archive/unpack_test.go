package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// entry is one member of a bundle made for a test: a directory when the name ends in "/", a link when link is set.
type entry struct {
	name, body, link string
	mode             int64
	kind             byte // for what only tar can say
}

var stamp = time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC)

func tarOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.body)), ModTime: stamp, Typeflag: tar.TypeReg, Linkname: e.link}
		switch {
		case e.kind != 0:
			h.Typeflag = e.kind
		case strings.HasSuffix(e.name, "/"):
			h.Typeflag = tar.TypeDir
		case e.link != "":
			h.Typeflag = tar.TypeSymlink
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tgzOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	return gzipped(t, tarOf(t, entries...))
}

func gzipped(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Modified: stamp, Method: zip.Deflate}
		mode := fs.FileMode(e.mode)
		switch {
		case e.link != "":
			mode |= fs.ModeSymlink
			e.body = e.link
		case strings.HasSuffix(e.name, "/"):
			mode |= fs.ModeDir
		}
		h.SetMode(mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unpack(t testing.TB, kind Kind, content []byte, limits Limits) (dest string, err error) {
	t.Helper()
	dir := t.TempDir()
	bundle := filepath.Join(dir, "bundle.tar")
	if err := os.WriteFile(bundle, content, 0o600); err != nil {
		t.Fatal(err)
	}
	dest = filepath.Join(dir, "out", "deployment-archive")
	if err := os.Mkdir(filepath.Dir(dest), 0o755); err != nil {
		t.Fatal(err)
	}
	err = Unpack(context.Background(), bundle, kind, dest, limits)
	left, readErr := os.ReadDir(dir)
	if readErr != nil || len(left) != 2 {
		t.Errorf("beside the bundle and the directory there is %v, %v", left, readErr)
	}
	return dest, err
}

func TestBundlesUnpackWithModesAndTimes(t *testing.T) {
	t.Parallel()
	entries := []entry{
		{name: "appspec.yml", body: "version: 0.0", mode: 0o644},
		{name: "scripts/", mode: 0o755},
		{name: "scripts/run.sh", body: "#!/bin/sh\n", mode: 0o755},
		{name: "deep/er/.hidden", body: "x", mode: 0o600},
		{name: "current", link: "deep/er", mode: 0o777},
		{name: "deep/up", link: "../scripts/run.sh", mode: 0o777},
		{name: "locked/", mode: 0o500},
	}
	for kind, content := range map[Kind][]byte{Tar: tarOf(t, entries...), Tgz: tgzOf(t, entries...), Zip: zipOf(t, entries...)} {
		dest, err := unpack(t, kind, content, Limits{})
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		for name, want := range map[string]string{"appspec.yml": "version: 0.0", "current/.hidden": "x", "deep/up": "#!/bin/sh\n"} {
			if got, err := os.ReadFile(filepath.Join(dest, name)); err != nil || string(got) != want {
				t.Errorf("%s: %s is %q, %v", kind, name, got, err)
			}
		}
		if runtime.GOOS == "windows" {
			continue
		}
		for name, want := range map[string]fs.FileMode{"scripts/run.sh": 0o755, "deep/er/.hidden": 0o600, "locked": 0o700} {
			info, err := os.Lstat(filepath.Join(dest, name))
			if err != nil || info.Mode().Perm() != want || (!info.IsDir() && !info.ModTime().Equal(stamp)) {
				t.Errorf("%s: %s is %v, %v", kind, name, info, err)
			}
		}
	}
}

func TestASingleTopDirectoryIsStripped(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		entries []entry
		want    string // a path that must be there
	}{
		"with an AppSpec":    {[]entry{{name: "shop-1a2b/AppSpec.YML", body: "x", mode: 0o644}, {name: "shop-1a2b/a", body: "a", mode: 0o644}}, "a"},
		"without an AppSpec": {[]entry{{name: "top/a", body: "a", mode: 0o644}}, "top/a"},
		"not single":         {[]entry{{name: "top/appspec.yml", body: "x", mode: 0o644}, {name: "b", body: "b", mode: 0o644}}, "top/appspec.yml"},
	} {
		dest, err := unpack(t, Tgz, tgzOf(t, tc.entries...), Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := os.Stat(filepath.Join(dest, tc.want)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if left, err := os.ReadDir(filepath.Dir(dest)); err != nil || len(left) != 1 {
			t.Errorf("%s: %v is left over, %v", name, left, err)
		}
	}
}

func TestUnpackReplacesWhatWasThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bundle, dest := filepath.Join(dir, "bundle.tar"), filepath.Join(dir, "out")
	for i, name := range []string{"old", "new"} {
		if err := os.WriteFile(bundle, zipOf(t, entry{name: name, body: "x", mode: 0o644}), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Unpack(context.Background(), bundle, Zip, dest, Limits{}); err != nil {
			t.Fatal(i, err)
		}
	}
	if got, err := os.ReadDir(dest); err != nil || len(got) != 1 || got[0].Name() != "new" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestALaterTarEntryReplacesAnEarlierOne(t *testing.T) {
	t.Parallel()
	dest, err := unpack(t, Tar, tarOf(t, entry{name: "a", body: "1", mode: 0o644}, entry{name: "h", link: "a", kind: tar.TypeLink}, entry{name: "a", body: "2", mode: 0o644}), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a": "2", "h": "1"} {
		if got, err := os.ReadFile(filepath.Join(dest, name)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
}

func TestHostileBundlesAreRefused(t *testing.T) {
	t.Parallel()
	plain := func(name string) entry { return entry{name: name, body: "x", mode: 0o644} }
	link := func(name, target string) entry { return entry{name: name, link: target, mode: 0o777} }
	for _, tc := range []struct {
		name    string
		kinds   string // of the bundle: tar, zip or both
		entries []entry
		limits  Limits
		want    string
	}{
		{"absolute", "tar zip", []entry{plain("/etc/passwd")}, Limits{}, `"/etc/passwd" has an absolute path`},
		{"climbing", "tar zip", []entry{plain("a/../../x")}, Limits{}, `climbs with ".."`},
		{"absolute link", "tar zip", []entry{link("l", "/etc")}, Limits{}, `"l" is a link to "/etc", which leads out`},
		{"climbing link", "tar zip", []entry{link("a/l", "../../x")}, Limits{}, "leads out"},
		{"through a link", "tar zip", []entry{plain("d/x"), link("l", "d"), plain("l/y")}, Limits{}, `written through the link "l"`},
		{"over a link", "tar zip", []entry{plain("d"), link("l", "d"), plain("l")}, Limits{}, "comes twice"},
		{"link over a file", "tar zip", []entry{plain("d"), link("d", "x")}, Limits{}, "comes twice"},
		{"links that add up", "tar zip", []entry{link("x", "."), link("y", "x/.."), link("z", "y/x/../..")}, Limits{}, "leads out"},
		{"links in a circle", "tar zip", []entry{link("x", "y"), link("y", "x")}, Limits{}, "circle"},
		{"link out of the stripped top", "tar zip", []entry{plain("top/appspec.yml"), link("top/l", "../top/appspec.yml")}, Limits{}, "leads out"},
		{"file as directory", "tar zip", []entry{plain("a"), plain("a/b")}, Limits{}, "which is a file"},
		{"directory as file", "tar zip", []entry{plain("a/b"), plain("a")}, Limits{}, "comes twice"},
		{"twice", "zip", []entry{plain("a"), plain("./a")}, Limits{}, "comes twice"},
		{"root as file", "tar", []entry{{name: ".", body: "x", kind: tar.TypeReg}}, Limits{}, "bundle's root"},
		{"climbing hard link", "tar", []entry{{name: "h", link: "../x", kind: tar.TypeLink}}, Limits{}, "leads out"},
		{"absolute hard link", "tar", []entry{{name: "h", link: "/etc/passwd", kind: tar.TypeLink}}, Limits{}, "leads out"},
		{"hard link to a link", "tar", []entry{link("l", "x"), {name: "h", link: "l", kind: tar.TypeLink}}, Limits{}, "no file before it"},
		{"too many hard links", "tar", []entry{{name: "a", body: "12345"}, {name: "g", link: "a", kind: tar.TypeLink}, {name: "h", link: "a", kind: tar.TypeLink}}, Limits{Bytes: 14}, "over the limit"},
		{"hard link to nothing", "tar", []entry{{name: "h", link: "nothing", kind: tar.TypeLink}}, Limits{}, "no file before it"},
		{"device", "tar", []entry{{name: "dev", kind: tar.TypeBlock}}, Limits{}, "is a device"},
		{"pipe", "tar", []entry{{name: "pipe", kind: tar.TypeFifo}}, Limits{}, "named pipe"},
		{"many", "tar zip", []entry{plain("a"), plain("b"), plain("c")}, Limits{Entries: 2}, "the limit is 2"},
		{"large", "tar zip", []entry{{name: "a", body: strings.Repeat("x", 1000), mode: 0o644}}, Limits{Bytes: 999}, "limit of 999 bytes"},
		{"bomb", "zip", []entry{{name: "a", body: strings.Repeat("x", 1<<20), mode: 0o644}}, Limits{Ratio: 10, RatioFrom: 1000}, "over 10 times its size"},
		{"nothing", "tar zip", nil, Limits{}, "no entries"},
	} {
		for _, kind := range strings.Fields(tc.kinds) {
			content := tarOf
			if kind == "zip" {
				content = zipOf
			}
			dest, err := unpack(t, Kind(kind), content(t, tc.entries...), tc.limits)
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s, %s: got %v, want %q", tc.name, kind, err, tc.want)
			}
			if left, err := os.ReadDir(filepath.Dir(dest)); err != nil || len(left) != 0 {
				t.Errorf("%s, %s: %v is left over, %v", tc.name, kind, left, err)
			}
		}
	}
}

func TestWrongAndDamagedContent(t *testing.T) {
	t.Parallel()
	good := entry{name: "a", body: strings.Repeat("abc", 1000), mode: 0o644}
	tgz, zipped := tgzOf(t, good), zipOf(t, good)
	for _, tc := range []struct {
		name    string
		kind    Kind
		content []byte
		want    string
	}{
		{"empty", Tar, nil, "empty"},
		{"tgz called zip", Zip, tgz, "not zip"},
		{"zip called tgz", Tgz, zipped, "not tgz"},
		{"zip called tar", Tar, zipped, "not tar"},
		{"text called tar", Tar, []byte(strings.Repeat("hello ", 200)), "damaged"},
		{"text called zip", Zip, []byte("hello"), "damaged"},
		{"short tgz", Tgz, tgz[:len(tgz)/2], "damaged"},
		{"short zip", Zip, zipped[:len(zipped)/2], "damaged"},
		{"header bomb", Tgz, gzipped(t, tarOf(t, good)), "limits"},
	} {
		limits := Limits{}
		if tc.name == "header bomb" {
			limits = Limits{Bytes: 1, Entries: 1}
		}
		if _, err := unpack(t, tc.kind, tc.content, limits); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
	if dest, err := unpack(t, Tar, tgz, Limits{}); err != nil {
		t.Errorf("a gzipped tar is no tar: %v", err)
	} else if _, err := os.Stat(filepath.Join(dest, "a")); err != nil {
		t.Error(err)
	}
}

func TestUnpackEndsWithItsContext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bundle := filepath.Join(dir, "bundle.tar")
	if err := os.WriteFile(bundle, tgzOf(t, entry{name: "a", body: "x"}), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Unpack(ctx, bundle, Tgz, filepath.Join(dir, "out"), Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func FuzzUnpack(f *testing.F) {
	entries := []entry{{name: "d/", mode: 0o755}, {name: "d/a", body: "x", mode: 0o644}, {name: "l", link: "d/a", mode: 0o777}}
	f.Add(0, tarOf(f, entries...))
	f.Add(1, zipOf(f, entries...))
	f.Add(0, tarOf(f, entry{name: "x", link: "."}, entry{name: "y", link: "x/.."}))
	f.Add(1, zipOf(f, entry{name: "x", link: "../a"}, entry{name: "x/b", body: "b"}))
	f.Fuzz(func(t *testing.T, kind int, content []byte) {
		dest, err := unpack(t, []Kind{Tar, Zip, Tgz}[uint(kind)%3], content, Limits{Bytes: 1 << 20, Entries: 100})
		left, readErr := os.ReadDir(filepath.Dir(dest))
		if readErr != nil || (err != nil && len(left) != 0) || (err == nil && len(left) != 1) {
			t.Fatalf("after %v there is %v, %v", err, left, readErr)
		}
		if err == nil {
			if err := checkLinks(dest); err != nil {
				t.Error(err)
			}
		}
	})
}
