package safefile_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"crossfade/internal/safefile"
)

var writers = map[string]func(string, fs.FileMode, []byte) error{"Write": safefile.Write, "WriteUnsynced": safefile.WriteUnsynced}

// TestTheFileIsReplaced holds that what is written takes the old file's place, has the mode that was asked for, and leaves nothing else behind.
func TestTheFileIsReplaced(t *testing.T) {
	t.Parallel()
	for name, write := range writers {
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path, []byte("the old one, which is longer"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := write(path, 0o600, []byte("new")); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != "new" {
			t.Errorf("%s: the file has %q, %v", name, got, err)
		}
		if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
			t.Errorf("%s: the file is %v, %v", name, info, err)
		}
		if names := list(t, dir); len(names) != 1 {
			t.Errorf("%s: the directory has %v", name, names)
		}
	}
}

// TestAFailureLeavesWhatWasThere holds that a write that fails at its end changes nothing and leaves no new file.
func TestAFailureLeavesWhatWasThere(t *testing.T) {
	t.Parallel()
	for name, write := range writers {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "taken", "full"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := write(filepath.Join(dir, "taken"), 0o600, []byte("new")); err == nil {
			t.Errorf("%s takes the place of a directory", name)
		}
		if names := list(t, dir); len(names) != 1 || names[0] != "taken" {
			t.Errorf("%s: the directory has %v", name, names)
		}
		if err := write(filepath.Join(dir, "absent", "file"), 0o600, nil); err == nil {
			t.Errorf("%s writes where there is no directory", name)
		}
	}
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
