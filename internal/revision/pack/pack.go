// Package pack makes a bundle of a directory: a zip file whose bytes depend on nothing but the names and contents of the files, so that the same
// revision has the same ETag wherever and whenever it is packed.
//
// It owns what goes in: files, with their contents and whether they can be executed; of a link to a file what the link leads to, as `aws deploy push`
// has it. Names are in order and times are left out. Directories without files are left out; so are links to directories, with a note. Other
// things than files are refused. It uploads nothing. Its functions may be called concurrently.
package pack

import (
	"archive/zip"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Options say what goes into a bundle.
type Options struct {
	SkipHidden bool // files and directories whose name begins with a dot are left out
	// Progress is told after each file how many have been packed. It may be nil.
	Progress func(files int)
}

// Facts are what was packed.
type Facts struct {
	Files int
	Bytes int64    // of all files together
	Notes []string // what was left out though somebody may miss it
}

// Zip writes the bundle of a directory.
func Zip(ctx context.Context, dir string, to io.Writer, o Options) (Facts, error) {
	var f Facts
	names, err := f.find(ctx, dir, o)
	if err != nil {
		return Facts{}, err
	}
	z := zip.NewWriter(to)
	// Go's own compressor, at a level that is named: the default may change.
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, 6) })
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return Facts{}, err
		}
		if err := f.add(z, dir, name); err != nil {
			return Facts{}, fmt.Errorf("pack %s: %w", name, err)
		}
		if o.Progress != nil {
			o.Progress(f.Files)
		}
	}
	if err := z.Close(); err != nil {
		return Facts{}, fmt.Errorf("pack %s: %w", dir, err)
	}
	return f, nil
}

// find lists the files, by slash-separated names, in order.
func (f *Facts) find(ctx context.Context, dir string, o Options) (names []string, err error) {
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, fmt.Errorf("find what to pack: %w", err)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, errors.Join(err, fmt.Errorf("%s is no directory: name the one with the AppSpec", dir))
	}
	err = filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || at == dir {
			return err
		}
		rel, err := filepath.Rel(dir, at)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if o.SkipHidden && strings.HasPrefix(path.Base(name), ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return f.take(at, name, d, &names)
	})
	if err != nil {
		return nil, fmt.Errorf("find what to pack: %w", err)
	}
	slices.Sort(names)
	return names, nil
}

func (f *Facts) take(at, name string, d fs.DirEntry, names *[]string) error {
	if d.IsDir() {
		return nil
	}
	info, err := os.Stat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is a link to nothing: remove it", name)
	case err != nil:
		return err
	case info.IsDir():
		f.Notes = append(f.Notes, name+" is a link to a directory and was left out")
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file: remove it", name)
	default:
		*names = append(*names, name)
	}
	return nil
}

func (f *Facts) add(z *zip.Writer, dir, name string) error {
	in, err := os.Open(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	mode := fs.FileMode(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	header.SetMode(mode)
	out, err := z.CreateHeader(header)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, in)
	if err != nil {
		return err
	}
	f.Files++
	f.Bytes += n
	return nil
}
