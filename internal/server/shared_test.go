package server

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossfade/internal/authority"
	"crossfade/internal/store/sqlite"
)

// TestServersShareTheirFiles holds that servers on one store come to have the same authority, and that one with another key file is told what to do.
func TestServersShareTheirFiles(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	log := slog.New(slog.DiscardHandler)
	kept, err := sqlite.Open(ctx, t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
	}()
	start := func(dir string, now time.Time) (string, error) {
		_, x, err := openKey(ctx, "", dir, kept)
		if err != nil {
			return "", err
		}
		var a *authority.Authority
		err = x.open(ctx, sharedAuthority, authorityFiles(), func() (err error) {
			a, err = authority.Open(dir, now, log)
			return err
		})
		if err != nil {
			return "", err
		}
		return a.Fingerprint(), nil
	}
	dirs := []string{t.TempDir(), t.TempDir(), t.TempDir()}
	now := time.Now()
	first, err := start(dirs[0], now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := start(dirs[1], now); err == nil || !strings.Contains(err.Error(), "copy that file here as "+filepath.Join(dirs[1], keyFile)) {
		t.Errorf("a server without the key file: %v", err)
	}
	key, err := os.ReadFile(filepath.Join(dirs[0], keyFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs[1:] {
		if err := os.WriteFile(filepath.Join(dir, keyFile), key, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := start(dir, now); err != nil || got != first {
			t.Errorf("another server has authority %q, not %q: %v", got, first, err)
		}
	}
	if info, err := os.Stat(filepath.Join(dirs[1], authority.KeyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v: %v", info, err)
	}
	// One that renews it renews it for all.
	later := now.Add(9 * 365 * 24 * time.Hour)
	renewed, err := start(dirs[1], later)
	if err != nil || renewed == first {
		t.Fatalf("the authority was not renewed: %v", err)
	}
	if got, err := start(dirs[2], later); err != nil || got != renewed {
		t.Errorf("another server has authority %q, not the renewed %q: %v", got, renewed, err)
	}
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, keyFile), []byte(strings.Repeat("x", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := start(foreign, now); err == nil {
		t.Error("a server with another key file was started")
	}
}
