package backup_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossfade/internal/backup"
)

// plain is a database that is one file.
type plain struct{ dir string }

func (plain) Kind() string    { return "sqlite" }
func (plain) Files() []string { return []string{"crossfade.db", "crossfade.lock"} }
func (p plain) Copy(_ context.Context, file string) error {
	text, err := os.ReadFile(filepath.Join(p.dir, "crossfade.db"))
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

func (p plain) Restore(_ context.Context, file string) error {
	return os.Rename(file, filepath.Join(p.dir, "crossfade.db"))
}

var made = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func put(t *testing.T, dir, name, text string, mode fs.FileMode) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// tree is the files of a directory with their modes and contents.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			name, err := filepath.Rel(dir, path)
			fmt.Fprintf(&b, "%s/\n", filepath.ToSlash(name))
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		fmt.Fprintf(&b, "%s %v %q\n", filepath.ToSlash(name), info.Mode(), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func write(t *testing.T, data, file string) (backup.Manifest, error) {
	t.Helper()
	return backup.Write(t.Context(), backup.Options{Data: data, Database: plain{data}, File: file, Version: "test", Now: func() time.Time { return made }})
}

// directory is a data directory, and a file for its backup.
func directory(t *testing.T) (data, file string) {
	t.Helper()
	data = filepath.Join(t.TempDir(), "data")
	put(t, data, "crossfade.db", "rows", 0o600)
	put(t, data, "crossfade.lock", "123", 0o600)
	put(t, data, "secret.key", "key", 0o600)
	put(t, data, "ca.pem", "certificate", 0o644)
	put(t, data, "revisions/buckets/releases/bucket.json", "{}", 0o600)
	put(t, data, "revisions/buckets/releases/objects/ab", strings.Repeat("bundle", 100_000), 0o600)
	put(t, data, "revisions/tmp/object-1", "half", 0o600)
	put(t, data, "revisions/uploads/u/part-00001", "half", 0o600)
	put(t, data, "fleets/instance-web-1.json", "{}", 0o600)
	if err := os.MkdirAll(filepath.Join(data, "revisions", "buckets", "empty", "objects"), 0o700); err != nil {
		t.Fatal(err)
	}
	return data, filepath.Join(t.TempDir(), "backup.tar")
}

func TestABackupIsRestored(t *testing.T) {
	t.Parallel()
	data, file := directory(t)
	m, err := write(t, data, file)
	if err != nil || len(m.Files) != 6 || m.Bytes() < 600_000 || !m.MadeAt.Equal(made) || m.Version != "test" {
		t.Fatalf("%+v, %v", m, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 1 {
		t.Errorf("beside the backup there is %v, %v", left, err)
	}
	to := filepath.Join(t.TempDir(), "new", "data")
	if _, err := backup.Restore(t.Context(), backup.RestoreOptions{File: file, Data: to, Database: plain{to}}); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"crossfade.lock", "revisions/tmp", "revisions/uploads"} {
		if err := os.RemoveAll(filepath.Join(data, gone)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := tree(t, to), tree(t, data); got != want {
		t.Errorf("restored:\n%s\nwant:\n%s", got, want)
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	t.Parallel()
	data, file := directory(t)
	if _, err := write(t, data, file); err != nil {
		t.Fatal(err)
	}
	if _, err := write(t, data, file); err == nil || !strings.Contains(err.Error(), "exists: name another file") {
		t.Errorf("a second backup to the same file: %v", err)
	}
	before := tree(t, data)
	if _, err := backup.Restore(t.Context(), backup.RestoreOptions{File: file, Data: data, Database: plain{data}}); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("a restore over a data directory: %v", err)
	}
	if tree(t, data) != before {
		t.Error("the data directory has changed")
	}
	if _, err := write(t, filepath.Join(data, "nope"), file+"2"); err == nil || !strings.Contains(err.Error(), "no data directory") {
		t.Errorf("a backup of nothing: %v", err)
	}
}

// rewrite makes a backup of another one with some entries changed.
func rewrite(t *testing.T, file string, change func(h *tar.Header, text []byte) (keep bool, with []byte)) string {
	t.Helper()
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	from, to := tar.NewReader(bytes.NewReader(old)), tar.NewWriter(&b)
	for {
		h, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		text, err2 := io.ReadAll(from)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		keep, text := change(h, text)
		if !keep {
			continue
		}
		h.Size = int64(len(text))
		if err := to.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := to.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(t.TempDir(), "changed.tar")
	if err := os.WriteFile(changed, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return changed
}

func TestADamagedBackupIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	data, file := directory(t)
	if _, err := write(t, data, file); err != nil {
		t.Fatal(err)
	}
	all := func(_ *tar.Header, text []byte) (bool, []byte) { return true, text }
	cut := func(n int64) string {
		short := rewrite(t, file, all)
		if err := os.Truncate(short, n); err != nil {
			t.Fatal(err)
		}
		return short
	}
	for name, c := range map[string]struct{ file, want string }{
		"cut off": {cut(300_000), "no whole backup"}, "cut off between files": {cut(1024), "no whole backup"}, "empty": {cut(0), "no manifest"},
		"another byte": {rewrite(t, file, func(h *tar.Header, text []byte) (bool, []byte) {
			if h.Name == "data/secret.key" {
				text[0]++
			}
			return true, text
		}), "secret.key is not what was backed up"},
		"a file less": {rewrite(t, file, func(h *tar.Header, text []byte) (bool, []byte) { return h.Name != "data/ca.pem", text }), "ca.pem is missing"},
		"a file more": {rewrite(t, file, func(h *tar.Header, text []byte) (bool, []byte) {
			if h.Name == "manifest.json" {
				text = bytes.Replace(text, []byte(`"name": "data/ca.pem"`), []byte(`"name": "data/secret.key"`), 1)
			}
			return true, text
		}), "is not what was backed up"},
		"a way out": {rewrite(t, file, func(h *tar.Header, text []byte) (bool, []byte) {
			if h.Name == "data/ca.pem" {
				h.Name = "data/../ca.pem"
			}
			return true, bytes.Replace(text, []byte("data/ca.pem"), []byte("data/../ca.pem"), 1)
		}), "no file of a data directory"},
		"a link": {rewrite(t, file, func(h *tar.Header, text []byte) (bool, []byte) {
			if h.Name == "data/ca.pem" {
				h.Typeflag, h.Linkname, text = tar.TypeSymlink, "/etc/passwd", nil
			}
			return true, text
		}), "is no file"},
		"a form to come": {rewrite(t, file, func(h *tar.Header, text []byte) (bool, []byte) {
			return true, bytes.Replace(text, []byte(`"format": 1`), []byte(`"format": 2`), 1)
		}), "restore it with the version that made it"},
		"another file": {filepath.Join(data, "secret.key"), "no whole backup"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := filepath.Join(t.TempDir(), "data")
			_, err := backup.Restore(t.Context(), backup.RestoreOptions{File: c.file, Data: to, Database: plain{to}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %s", err, c.want)
			}
			if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("something was written: %v", err)
			}
		})
	}
}

// broken is a database that can't be restored.
type broken struct{ plain }

func (broken) Restore(context.Context, string) error { return errors.New("no room") }

func TestARestoreThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	data, file := directory(t)
	if _, err := write(t, data, file); err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	_, err := backup.Restore(t.Context(), backup.RestoreOptions{File: file, Data: to, Database: broken{plain{to}}})
	if err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("the error is %v", err)
	}
	if left := tree(t, to); left != "./\n" {
		t.Errorf("left over:\n%s", left)
	}
	if _, err := write(t, data, filepath.Join(data, "nope", "backup.tar")); err == nil {
		t.Error("a backup into a directory that is not there")
	}
}

func TestBundlesOfADirectoryThatServersShare(t *testing.T) {
	t.Parallel()
	data, file := directory(t)
	shared := t.TempDir()
	put(t, shared, "buckets/releases/objects/cd", "shared bundle", 0o600)
	put(t, shared, "lock", "", 0o600)
	put(t, shared, "changes", "line", 0o600)
	put(t, shared, "tmp/object-1", "half", 0o600)
	if _, err := backup.Write(t.Context(), backup.Options{
		Data: data, Bundles: shared, Database: plain{data}, File: file, Version: "test", Now: func() time.Time { return made },
	}); err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	if _, err := backup.Restore(t.Context(), backup.RestoreOptions{File: file, Data: to, Database: plain{to}}); err != nil {
		t.Fatal(err)
	}
	want := "./\nbuckets/\nbuckets/releases/\nbuckets/releases/objects/\nbuckets/releases/objects/cd -rw------- \"shared bundle\"\n"
	if got := tree(t, filepath.Join(to, "revisions")); got != want {
		t.Errorf("the bundles are\n%s", got)
	}
}
