package pack

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, body := range files {
		at, mode := filepath.Join(dir, name), os.FileMode(0o600)
		if strings.HasSuffix(name, ".sh") {
			mode = 0o700
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(body), mode)); err != nil {
			t.Fatal(err)
		}
	}
}

func pack(t *testing.T, dir string, o Options) ([]byte, Facts) {
	t.Helper()
	var b bytes.Buffer
	f, err := Zip(t.Context(), dir, &b, o)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), f
}

// listing tells name, mode and content of each entry.
func listing(t *testing.T, bundle []byte) (all []string) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(bundle), int64(len(bundle)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s %v %s", f.Name, f.Mode(), body))
	}
	return all
}

func TestTheSameContentIsTheSameBundle(t *testing.T) {
	t.Parallel()
	files := map[string]string{"appspec.yml": "spec", "b/c.sh": "run", "b/a": "a", "B": "upper", ".hidden": "h", ".git/x": "g"}
	one, two := t.TempDir(), t.TempDir()
	write(t, one, files)
	write(t, two, files)
	old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	if err := errors.Join(os.Chtimes(filepath.Join(two, "B"), old, old), os.Chmod(filepath.Join(two, "B"), 0o666), os.Mkdir(filepath.Join(two, "empty"), 0o755)); err != nil {
		t.Fatal(err)
	}
	a, facts := pack(t, one, Options{})
	b, _ := pack(t, two, Options{})
	if !bytes.Equal(a, b) {
		t.Error("the same files make two bundles")
	}
	want := []string{".git/x -rw-r--r-- g", ".hidden -rw-r--r-- h", "B -rw-r--r-- upper", "appspec.yml -rw-r--r-- spec", "b/a -rw-r--r-- a", "b/c.sh -rwxr-xr-x run"}
	if got := listing(t, a); runtime.GOOS != "windows" && !slices.Equal(got, want) || facts.Files != 6 || facts.Bytes != 15 {
		t.Errorf("got %q, %+v", got, facts)
	}
	last := 0
	hidden, facts := pack(t, one, Options{SkipHidden: true, Progress: func(n int) { last = n }})
	if got := listing(t, hidden); len(got) != 4 || facts.Files != 4 || last != 4 {
		t.Errorf("without hidden files: %q, %+v, %d", got, facts, last)
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "content", "d/x": "x"})
	if err := errors.Join(os.Symlink("a", filepath.Join(dir, "file")), os.Symlink("d", filepath.Join(dir, "directory"))); err != nil {
		t.Skipf("this system makes no symbolic links here: %v", err)
	}
	bundle, facts := pack(t, dir, Options{})
	if got := listing(t, bundle); !slices.Equal(got, []string{"a -rw-r--r-- content", "d/x -rw-r--r-- x", "file -rw-r--r-- content"}) {
		t.Errorf("got %q", got)
	}
	if !slices.Equal(facts.Notes, []string{"directory is a link to a directory and was left out"}) {
		t.Errorf("got %q", facts.Notes)
	}
	// The directory itself may be named by a link.
	named := filepath.Join(t.TempDir(), "named")
	if err := os.Symlink(dir, named); err != nil {
		t.Fatal(err)
	}
	if again, _ := pack(t, named, Options{}); !bytes.Equal(again, bundle) {
		t.Error("a directory that a link names makes another bundle")
	}
}

func TestWhatCanNotBePacked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "content"})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Zip(ended, dir, io.Discard, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for _, missing := range []string{filepath.Join(dir, "gone"), filepath.Join(dir, "a")} {
		if _, err := Zip(t.Context(), missing, io.Discard, Options{}); err == nil {
			t.Errorf("%s was packed", missing)
		}
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "dangling")); err != nil {
		t.Skipf("this system makes no symbolic links here: %v", err)
	}
	if _, err := Zip(t.Context(), dir, io.Discard, Options{}); err == nil || !strings.Contains(err.Error(), "dangling is a link to nothing") {
		t.Errorf("got %v", err)
	}
}
