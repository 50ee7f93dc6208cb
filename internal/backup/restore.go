package backup

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"crossfade/internal/safefile"
)

// RestoreOptions say what to restore. All members are required.
type RestoreOptions struct {
	File     string
	Data     string // the directory to be; empty or not there
	Database Database
}

// Verify reads a backup and holds each of its files against the manifest.
func Verify(ctx context.Context, file string) (Manifest, error) {
	var m Manifest
	found := map[string]File{}
	err := each(ctx, file, func(h *tar.Header, from io.Reader) error {
		if h.Name == manifestName {
			text, err := io.ReadAll(io.LimitReader(from, maxManifest))
			if err != nil {
				return err
			}
			if err := json.Unmarshal(text, &m); err != nil {
				return fmt.Errorf("its manifest can't be read: %w", err)
			}
			return nil
		}
		digest := newDigest()
		n, err := io.Copy(digest, from)
		if _, twice := found[h.Name]; twice {
			return fmt.Errorf("it has %s twice", h.Name)
		}
		found[h.Name] = File{Name: h.Name, Size: n, SHA256: sum(digest)}
		return err
	})
	if err == nil {
		err = m.holds(found)
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("%s is no whole backup: %w", file, err)
	}
	return m, nil
}

// holds says what of the files is not as the manifest says.
func (m Manifest) holds(found map[string]File) error {
	switch {
	case m.Format == 0:
		return errors.New("it has no manifest at its end: it was cut off, or it is something else")
	case m.Format != formatVersion:
		return fmt.Errorf("it has the form %d, and this Crossfade knows %d: restore it with the version that made it, %s", m.Format, formatVersion, m.Version)
	}
	for _, f := range m.Files {
		is, ok := found[f.Name]
		switch {
		case !ok:
			return fmt.Errorf("%s is missing", f.Name)
		case is.Size != f.Size || is.SHA256 != f.SHA256:
			return fmt.Errorf("%s is not what was backed up", f.Name)
		}
		if name, ok := strings.CutPrefix(f.Name, dataPrefix); f.Name != databaseDir+m.Database && (!ok || !inside(name)) {
			return fmt.Errorf("%s is no file of a data directory", f.Name)
		}
	}
	for _, dir := range m.Empty {
		if !inside(dir) {
			return fmt.Errorf("%s is no part of a data directory", dir)
		}
	}
	if len(found) != len(m.Files) {
		return fmt.Errorf("it has %d files, and its manifest %d", len(found), len(m.Files))
	}
	if _, ok := found[databaseDir+m.Database]; !ok {
		return errors.New("it has no database")
	}
	return nil
}

// inside reports whether a path stays in the data directory.
func inside(name string) bool {
	return filepath.IsLocal(filepath.FromSlash(name)) && path.Clean(name) == name && name != "."
}

// each visits the entries of a backup.
func each(ctx context.Context, file string, visit func(h *tar.Header, from io.Reader) error) (err error) {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	entries := tar.NewReader(f)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			return fmt.Errorf("%s is no file", h.Name)
		}
		if err := visit(h, entries); err != nil {
			return err
		}
	}
}

// Restore makes the data directory and the database of a backup. It checks all of it before it writes anything, and takes back what it wrote when it
// fails.
func Restore(ctx context.Context, o RestoreOptions) (_ Manifest, err error) {
	if err := vacant(o.Data); err != nil {
		return Manifest{}, err
	}
	m, err := Verify(ctx, o.File)
	if err != nil {
		return Manifest{}, err
	}
	if m.Database != o.Database.Kind() {
		return Manifest{}, fmt.Errorf("%s has a database of the kind %s, and it is to become one of the kind %s: say with --store where it goes", o.File, m.Database, o.Database.Kind())
	}
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return Manifest{}, fmt.Errorf("make the data directory: %w", err)
	}
	if err := os.Chmod(o.Data, 0o700); err != nil {
		return Manifest{}, fmt.Errorf("close the data directory to others: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, empty(o.Data))
		}
	}()
	// The database comes last: without it the directory is nothing that a server goes on with.
	database := filepath.Join(o.Data, ".restored-database")
	if err := unpack(ctx, o, m, database); err != nil {
		return Manifest{}, fmt.Errorf("write the data directory: %w", err)
	}
	if err := o.Database.Restore(ctx, database); err != nil {
		return Manifest{}, fmt.Errorf("restore the database: %w", err)
	}
	if err := os.Remove(database); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Manifest{}, fmt.Errorf("remove the copy of the database: %w", err)
	}
	return m, safefile.SyncDirectory(o.Data)
}

// vacant refuses a directory in which there is something.
func vacant(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look into the directory: %w", err)
	case len(entries) > 0:
		return fmt.Errorf("%s is not empty (it has %s): name a directory that is empty or not there, so that nothing is lost", dir, entries[0].Name())
	}
	return nil
}

func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

// unpack writes the files of a backup that was verified.
func unpack(ctx context.Context, o RestoreOptions, m Manifest, database string) (err error) {
	root, err := os.OpenRoot(o.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	files, directories := map[string]File{}, map[string]bool{}
	for _, f := range m.Files {
		files[f.Name] = f
	}
	err = each(ctx, o.File, func(h *tar.Header, from io.Reader) error {
		if h.Name == manifestName {
			return nil
		}
		f, known := files[h.Name]
		name := filepath.FromSlash(strings.TrimPrefix(h.Name, dataPrefix))
		if h.Name == databaseDir+m.Database {
			name = filepath.Base(database)
		}
		if !known {
			return fmt.Errorf("%s came into the backup meanwhile", h.Name)
		}
		if above := filepath.Dir(name); above != "." {
			if err := root.MkdirAll(above, 0o700); err != nil {
				return err
			}
			for ; above != "."; above = filepath.Dir(above) {
				directories[above] = true
			}
		}
		return writeFile(root, name, f, from)
	})
	for _, dir := range m.Empty {
		err = errors.Join(err, root.MkdirAll(filepath.FromSlash(dir), 0o700))
	}
	for dir := range directories {
		err = errors.Join(err, safefile.SyncDirectory(filepath.Join(o.Data, dir)))
	}
	return err
}

func writeFile(root *os.Root, name string, f File, from io.Reader) (err error) {
	to, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.Mode.Perm()&0o755|0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	digest := newDigest()
	if _, err := io.Copy(io.MultiWriter(to, digest), from); err != nil {
		return err
	}
	if sum(digest) != f.SHA256 {
		return fmt.Errorf("%s changed in the backup meanwhile", f.Name)
	}
	return to.Sync()
}
