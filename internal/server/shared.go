package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"crossfade/internal/auth"
	"crossfade/internal/authority"
	"crossfade/internal/safefile"
	"crossfade/internal/store"
)

const (
	purposeShared   = "shared files"
	sharedAuthority = "authority"
	sharedSigner    = "signer"
	// sharedKey names what shows that a server has the key file of the others.
	sharedKey = "key file"
)

// authorityFiles are the authority's, with their modes.
func authorityFiles() map[string]fs.FileMode {
	return map[string]fs.FileMode{authority.KeyFile: 0o600, authority.CertificateFile: 0o644}
}

// shared are the small files that all servers on a store must have the same of. They are in the store, sealed under the key file, which is not:
// whoever reads the database alone can do nothing with them. Each server has copies in its data directory.
type shared struct {
	kept      store.Secrets // nil: this server is alone, and its files are its own
	sealer    *auth.Sealer
	directory string
}

// openKey reads the key file, or makes one when nothing has been sealed yet, and takes care that all servers on the store have the same.
func openKey(ctx context.Context, path, directory string, kept store.Secrets) (key []byte, _ shared, err error) {
	if path == "" {
		path = filepath.Join(directory, keyFile)
	}
	elsewhere := fmt.Errorf("the secrets in the store are sealed under the key file of the server that was the first on it: copy that file here as %s, with mode 0600", path)
	if kept != nil {
		// A database elsewhere has not made it.
		if err := os.MkdirAll(directory, 0o700); err != nil {
			return nil, shared{}, fmt.Errorf("make the data directory: %w", err)
		}
		_, inStore := kept.Secret(ctx, sharedKey)
		if inStore != nil && !errors.Is(inStore, store.ErrNotFound) {
			return nil, shared{}, inStore
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && inStore == nil {
			return nil, shared{}, elsewhere
		}
	}
	if key, err = auth.OpenKeyFile(path); err != nil || kept == nil {
		return key, shared{}, err
	}
	sealer, err := auth.NewSealer(key, purposeShared)
	if err != nil {
		return nil, shared{}, err
	}
	first, err := kept.KeepSecret(ctx, store.Secret{Name: sharedKey, Sealed: sealer.Seal(sharedKey, sharedKey)})
	if err != nil {
		return nil, shared{}, err
	}
	if _, err := sealer.Open(sharedKey, first.Sealed); err != nil {
		return nil, shared{}, elsewhere
	}
	return key, shared{kept, sealer, directory}, nil
}

// open has a part opened by files in the data directory that are all servers' own: those that the store has are there before, and those that the
// opening makes or changes go into the store. When another server was faster, the part is opened again by that one's files.
func (x shared) open(ctx context.Context, name string, modes map[string]fs.FileMode, part func() error) error {
	if x.kept == nil {
		return part()
	}
	is, err := x.kept.Secret(ctx, name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	known := err == nil
	if known {
		if err := x.write(is, modes); err != nil {
			return err
		}
	}
	if err := part(); err != nil {
		return err
	}
	mine, err := x.read(name, modes)
	if err != nil {
		return err
	}
	if known {
		if same, err := x.same(is, mine); err != nil || same {
			return err
		}
		// The part has renewed something.
		err := x.kept.ReplaceSecret(ctx, is, mine)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	first, err := x.kept.KeepSecret(ctx, mine)
	if err != nil || bytes.Equal(first.Sealed, mine.Sealed) {
		return err
	}
	if err := x.write(first, modes); err != nil {
		return err
	}
	return part()
}

// read is the files as they are here.
func (x shared) read(name string, modes map[string]fs.FileMode) (store.Secret, error) {
	files := map[string][]byte{}
	for file := range modes {
		content, err := os.ReadFile(filepath.Join(x.directory, file))
		if err != nil {
			return store.Secret{}, fmt.Errorf("read what all servers share: %w", err)
		}
		files[file] = content
	}
	doc, err := json.Marshal(files)
	if err != nil {
		return store.Secret{}, fmt.Errorf("encode what all servers share: %w", err)
	}
	return store.Secret{Name: name, Sealed: x.sealer.Seal(name, string(doc))}, nil
}

// same reports whether two hold the same files.
func (x shared) same(a, b store.Secret) (bool, error) {
	one, err := x.sealer.Open(a.Name, a.Sealed)
	if err != nil {
		return false, err
	}
	two, err := x.sealer.Open(b.Name, b.Sealed)
	return one == two, err
}

// write makes the files here what the store has.
func (x shared) write(s store.Secret, modes map[string]fs.FileMode) error {
	doc, err := x.sealer.Open(s.Name, s.Sealed)
	if err != nil {
		return err
	}
	files := map[string][]byte{}
	if err := json.Unmarshal([]byte(doc), &files); err != nil {
		return fmt.Errorf("decode the secret %q: %w", s.Name, err)
	}
	// A key comes before its certificate: a certificate alone would have lost its key.
	for _, file := range slices.Sorted(maps.Keys(modes)) {
		path := filepath.Join(x.directory, file)
		if is, err := os.ReadFile(path); err == nil && bytes.Equal(is, files[file]) {
			continue
		}
		if err := safefile.Write(path, modes[file], files[file]); err != nil {
			return fmt.Errorf("write %s, which all servers share: %w", file, err)
		}
	}
	return nil
}
