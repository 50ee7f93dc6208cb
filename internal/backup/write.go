package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"crossfade/internal/safefile"
)

// Database is one kind of database.
type Database interface {
	// Kind is sqlite or postgres.
	Kind() string
	// Copy writes the database as it is at one moment into a file that is not there yet, while others go on using the database.
	Copy(ctx context.Context, file string) error
	// Restore makes the database of such a file. It fails when there is one already.
	Restore(ctx context.Context, file string) error
	// Files are the paths in the data directory that the database itself or its copies take up, and that are not copied as files.
	Files() []string
}

// Options say what to write. All members but Bundles are required.
type Options struct {
	Data     string // the data directory
	Database Database
	File     string // must not exist
	// Bundles is the directory of bundles when it is not in the data directory, where a restore puts it. Empty: it is there.
	Bundles string
	Version string
	Now     func() time.Time
}

// spoolMost is up to which size a file is read as a whole before it is written, because it may change while it is read.
const spoolMost = 64 << 20

// Write makes a backup. On an error there is no file.
func Write(ctx context.Context, o Options) (_ Manifest, err error) {
	if info, err := os.Stat(o.Data); err != nil || !info.IsDir() {
		return Manifest{}, errors.Join(fmt.Errorf("%s is no data directory: name the one of the server with --data", o.Data), err)
	}
	if _, err := os.Lstat(o.File); err == nil {
		return Manifest{}, fmt.Errorf("%s exists: name another file, or remove it", o.File)
	}
	// The copy of the database lies beside the file, where there must be room for it anyway.
	work, err := os.MkdirTemp(filepath.Dir(o.File), ".crossfade-backup-*")
	if err != nil {
		return Manifest{}, fmt.Errorf("make a directory beside the backup: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	copied := filepath.Join(work, "database")
	if err := o.Database.Copy(ctx, copied); err != nil {
		return Manifest{}, fmt.Errorf("copy the database: %w", err)
	}
	part := filepath.Join(work, "backup.tar")
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return Manifest{}, fmt.Errorf("make the backup: %w", err)
	}
	m, err := write(ctx, f, copied, o)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return Manifest{}, fmt.Errorf("write the backup: %w", err)
	}
	// A link fails where a rename would replace a file that came meanwhile.
	if err := os.Link(part, o.File); err != nil {
		if _, there := os.Lstat(o.File); there == nil {
			return Manifest{}, fmt.Errorf("%s exists: name another file, or remove it", o.File)
		}
		if err := os.Rename(part, o.File); err != nil { // the file system has no links
			return Manifest{}, fmt.Errorf("name the backup: %w", err)
		}
	}
	return m, safefile.SyncDirectory(filepath.Dir(o.File))
}

// writer is a backup under way.
type writer struct {
	tar      *tar.Writer
	manifest Manifest
	without  []string // paths in the data directory that are left out
}

func write(ctx context.Context, to io.Writer, database string, o Options) (Manifest, error) {
	w := &writer{tar: tar.NewWriter(to), manifest: Manifest{Format: formatVersion, Version: o.Version, MadeAt: o.Now().UTC(), Database: o.Database.Kind()}}
	if err := w.file(ctx, databaseDir+o.Database.Kind(), database); err != nil {
		return Manifest{}, err
	}
	// Locks, and what is under way, are nothing to bring back.
	w.without = append([]string{"revisions/tmp", "revisions/uploads", "revisions/lock", "revisions/changes"}, o.Database.Files()...)
	if o.Bundles != "" {
		w.without = append(w.without, bundles)
	}
	if err := w.directory(ctx, o.Data, ""); err != nil {
		return Manifest{}, err
	}
	if o.Bundles != "" {
		if err := w.directory(ctx, o.Bundles, bundles); err != nil {
			return Manifest{}, err
		}
	}
	m := w.manifest
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return Manifest{}, fmt.Errorf("encode the manifest: %w", err)
	}
	if err := w.entry(manifestName, int64(len(text)), 0o600, bytes.NewReader(text)); err != nil {
		return Manifest{}, err
	}
	return m, w.tar.Close()
}

// bundles is the directory of bundles in the data directory.
const bundles = "revisions"

// directory writes what is in a directory, which has or will have its place in the data directory at the path, in the order of names but for bundles,
// which come last.
func (w *writer) directory(ctx context.Context, dir, at string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		if strings.Contains(at, "/") && errors.Is(err, fs.ErrNotExist) { // it went meanwhile
			return nil
		}
		return fmt.Errorf("read the data directory: %w", err)
	}
	if len(entries) == 0 && at != "" {
		w.manifest.Empty = append(w.manifest.Empty, at)
	}
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int {
		last := func(e fs.DirEntry) int {
			if at == "" && e.Name() == bundles {
				return 1
			}
			return 0
		}
		return last(a) - last(b)
	})
	for _, e := range entries {
		name := e.Name()
		if at != "" {
			name = at + "/" + name
		}
		if slices.Contains(w.without, name) || strings.HasPrefix(e.Name(), safefile.Prefix) || at == "" && strings.HasPrefix(name, ".crossfade-backup-") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		mode := e.Type()
		if at == "" && mode&fs.ModeSymlink != 0 { // bundles may lie on another disk
			info, err := os.Stat(path)
			if err != nil {
				return fmt.Errorf("read the data directory: %w", err)
			}
			mode = info.Mode().Type()
		}
		switch {
		case mode.IsDir():
			err = w.directory(ctx, path, name)
		case mode.IsRegular():
			if err = w.file(ctx, dataPrefix+name, path); errors.Is(err, fs.ErrNotExist) { // it went meanwhile
				err = nil
			}
		default:
			w.manifest.LeftOut = append(w.manifest.LeftOut, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// file writes a file as long as it is when it is opened.
func (w *writer) file(ctx context.Context, name, path string) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size, from := info.Size(), io.Reader(f)
	if size <= spoolMost {
		text, err := io.ReadAll(io.LimitReader(f, size))
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		size, from = int64(len(text)), bytes.NewReader(text)
	}
	return w.entry(name, size, info.Mode().Perm(), from)
}

func (w *writer) entry(name string, size int64, mode fs.FileMode, from io.Reader) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: int64(mode.Perm()), ModTime: w.manifest.MadeAt.Truncate(time.Second), Format: tar.FormatPAX}
	if err := w.tar.WriteHeader(h); err != nil {
		return err
	}
	digest := newDigest()
	n, err := io.Copy(io.MultiWriter(w.tar, digest), io.LimitReader(from, size))
	if err == nil && n < size {
		err = errors.New("it became shorter while it was read; make the backup again")
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	w.manifest.Files = append(w.manifest.Files, File{Name: name, Size: size, Mode: mode, SHA256: sum(digest)})
	return nil
}
