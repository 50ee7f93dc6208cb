package sqlite_test

import (
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"crossfade/internal/store"
	"crossfade/internal/store/sqlite"
)

func TestOneServerInADirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "data # 100%?")
	s := open(t, dir)
	_, err := sqlite.Open(t.Context(), dir, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("two servers opened one directory")
	}
	for _, word := range []string{dir, strconv.Itoa(os.Getpid()), "--data"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not say %q: %v", word, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

func TestOnlyTheServersUserReads(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 3 {
		t.Fatalf("the directory has %d files, %v", len(files), err)
	}
	for _, path := range append([]string{dir}, names(dir, files)...) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			t.Errorf("%s has mode %o", path, mode)
		}
	}
}

func names(dir string, files []os.DirEntry) (out []string) {
	for _, f := range files {
		out = append(out, filepath.Join(dir, f.Name()))
	}
	return out
}

func TestOpenDirectoryIsPointedOut(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	s, err := sqlite.Open(t.Context(), dir, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "chmod 700") {
		t.Errorf("nothing was said of a directory that all can read: %s", log.String())
	}
}

func TestANewerSchemaIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "crossfade.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), dir, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "newer") || !strings.Contains(err.Error(), dir) {
		t.Errorf("a newer schema: %v", err)
	}
}

func TestAFileThatIsNoDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "crossfade.db"), []byte(strings.Repeat("this is no database ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), dir, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "not a database") {
		t.Errorf("no database: %v", err)
	}
	// The lock was given back.
	if err := os.Remove(filepath.Join(dir, "crossfade.db")); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

func TestADirectoryThatCannotBe(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), filepath.Join(file, "data"), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("below a file: %v", err)
	}
}

var _ store.Store = (*sqlite.Store)(nil)
