package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

// writer puts entries below a root, holding the rules of the package. It is for one bundle and one goroutine.
type writer struct {
	root    *os.Root
	limits  Limits
	entries int
	bytes   int64
	plain   map[string]bool // directories that are known to be directories
	links   []string
	dirs    []directory
	buffer  []byte
}

// directory is what a directory gets at the end, when nothing is written below it any more.
type directory struct {
	name    string
	mode    fs.FileMode
	changed time.Time
}

func newWriter(root *os.Root, limits Limits) *writer {
	return &writer{root: root, limits: limits, plain: map[string]bool{".": true}, buffer: make([]byte, 128<<10)}
}

// admit counts an entry and cleans its name; "." is the root itself.
func (w *writer) admit(entry string) (string, error) {
	w.entries++
	if w.entries > w.limits.Entries {
		return "", refuse(entry, "is one too many: the limit is %d entries", w.limits.Entries)
	}
	return cleanName(entry)
}

func cleanName(entry string) (string, error) {
	switch {
	case entry == "":
		return "", refuse(entry, "has no name")
	case strings.IndexByte(entry, 0) >= 0:
		return "", refuse(entry, "has a NUL byte in its name")
	case len(entry) > 4096:
		return "", refuse(entry, "has a name of %d bytes, more than a path can have", len(entry))
	case strings.HasPrefix(entry, "/"):
		return "", refuse(entry, "has an absolute path")
	}
	for _, part := range strings.Split(entry, "/") {
		if part == ".." {
			return "", refuse(entry, `climbs with ".."`)
		}
	}
	name := path.Clean(entry)
	if !localOnThisSystem(name) {
		return "", refuse(entry, "has a path that this system reads as outside the bundle")
	}
	return name, nil
}

// makeParents makes the directories above name. Each must be a real directory: writing through a link is how bundles escape.
func (w *writer) makeParents(entry, name string) error {
	parent := path.Dir(name)
	if w.plain[parent] {
		return nil
	}
	parts := strings.Split(parent, "/")
	for i := range parts {
		dir := strings.Join(parts[:i+1], "/")
		if err := w.makePlain(entry, dir); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) makePlain(entry, dir string) error {
	if w.plain[dir] {
		return nil
	}
	err := w.root.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrExist) {
		info, statErr := w.root.Lstat(dir)
		switch {
		case statErr != nil:
			return fmt.Errorf("look at %q: %w", dir, statErr)
		case info.Mode()&fs.ModeSymlink != 0:
			return refuse(entry, "would be written through the link %.200q", dir)
		case !info.IsDir():
			return refuse(entry, "needs the directory %.200q, which is a file in the same bundle", dir)
		}
	} else if err != nil {
		return fmt.Errorf("make directory %q: %w", dir, err)
	}
	w.plain[dir] = true
	return nil
}

func (w *writer) directory(entry string, mode fs.FileMode, changed time.Time) error {
	name, err := w.admit(entry)
	if err != nil {
		return err
	}
	if name != "." {
		if err := w.makeParents(entry, name); err != nil {
			return err
		}
		if err := w.makePlain(entry, name); err != nil {
			return err
		}
	}
	w.dirs = append(w.dirs, directory{name, mode.Perm(), changed})
	return nil
}

// file writes a plain file. A plain file of that name from the same bundle is replaced if mayReplace: tar appends newer versions.
func (w *writer) file(ctx context.Context, entry string, mode fs.FileMode, changed time.Time, content io.Reader, mayReplace bool) error {
	name, err := w.admit(entry)
	if err != nil {
		return err
	}
	if name == "." {
		return refuse(entry, "is a file in the place of the bundle's root")
	}
	if err := w.makeParents(entry, name); err != nil {
		return err
	}
	if err := w.vacate(entry, name, mayReplace); err != nil {
		return err
	}
	f, err := w.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create %q: %w", name, err)
	}
	err = w.fill(ctx, entry, f, content)
	if closeErr := f.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("write %q: %w", name, closeErr)
	}
	if err != nil {
		return err
	}
	return w.dress(name, mode, changed)
}

func (w *writer) vacate(entry, name string, mayReplace bool) error {
	info, err := w.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look at %q: %w", name, err)
	case !info.Mode().IsRegular() || !mayReplace:
		return refuse(entry, "comes twice")
	}
	if err := w.root.Remove(name); err != nil {
		return fmt.Errorf("replace %q: %w", name, err)
	}
	return nil
}

func (w *writer) fill(ctx context.Context, entry string, f *os.File, content io.Reader) error {
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("unpack entry %q: %w", entry, err)
		}
		n, readErr := content.Read(w.buffer)
		if err := w.grow(entry, int64(n)); err != nil {
			return err
		}
		if n > 0 {
			if _, err := f.Write(w.buffer[:n]); err != nil {
				return fmt.Errorf("write entry %q: %w", entry, err)
			}
		}
		if errors.Is(readErr, io.EOF) {
			return nil
		}
		if readErr != nil {
			return fmt.Errorf("%w: entry %.200q is damaged: %w", ErrRefused, entry, readErr)
		}
	}
}

// grow counts what an entry adds to the size of the files.
func (w *writer) grow(entry string, bytes int64) error {
	w.bytes += bytes
	switch {
	case w.bytes > w.limits.Bytes:
		return refuse(entry, "takes the bundle over the limit of %d bytes", w.limits.Bytes)
	case w.bytes > w.limits.RatioFrom:
		return refuse(entry, "makes the bundle unpack to more than %d bytes, over %d times its size", w.limits.RatioFrom, w.limits.Ratio)
	}
	return nil
}

func (w *writer) dress(name string, mode fs.FileMode, changed time.Time) error {
	if err := w.root.Chmod(name, mode.Perm()); err != nil {
		return fmt.Errorf("set mode of %q: %w", name, err)
	}
	if changed.IsZero() {
		return nil
	}
	if err := w.root.Chtimes(name, changed, changed); err != nil {
		return fmt.Errorf("set time of %q: %w", name, err)
	}
	return nil
}

func (w *writer) symlink(entry, target string) error {
	name, err := w.admit(entry)
	if err != nil {
		return err
	}
	if name == "." || target == "" || strings.IndexByte(target, 0) >= 0 || len(target) > 4096 {
		return refuse(entry, "is a link that makes no sense")
	}
	if !linkStaysInside(name, target) {
		return refuse(entry, "is a link to %.200q, which leads out of the bundle", target)
	}
	if err := w.makeParents(entry, name); err != nil {
		return err
	}
	if err := w.vacate(entry, name, false); err != nil {
		return err
	}
	if err := w.root.Symlink(target, name); err != nil {
		return fmt.Errorf("make link %q: %w", name, err)
	}
	w.links = append(w.links, name)
	return nil
}

// hardLink links to a plain file that the bundle had before.
func (w *writer) hardLink(entry, target string) error {
	name, err := w.admit(entry)
	if err != nil {
		return err
	}
	old, err := cleanName(target)
	if err != nil || name == "." {
		return refuse(entry, "is a hard link to %.200q, which leads out of the bundle", target)
	}
	if err := w.makeParents(entry, name); err != nil {
		return err
	}
	size, ok := w.throughPlain(old)
	if !ok {
		return refuse(entry, "is a hard link to %.200q, which is no file before it in the bundle", target)
	}
	if old == name {
		return nil
	}
	if err := w.grow(entry, size); err != nil { // each link is installed as a file of its own
		return err
	}
	if err := w.vacate(entry, name, true); err != nil {
		return err
	}
	if err := w.root.Link(old, name); err != nil {
		return fmt.Errorf("make hard link %q: %w", name, err)
	}
	return nil
}

// throughPlain is the size of a plain file below plain directories of this bundle; false when name is none.
func (w *writer) throughPlain(name string) (size int64, ok bool) {
	if !w.plain[path.Dir(name)] {
		return 0, false
	}
	info, err := w.root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return 0, false
	}
	return info.Size(), true
}

// finish checks the links now that all that they may go through is there, and dresses the directories.
func (w *writer) finish() error {
	for _, name := range w.links {
		if err := checkLink(w.root, name); err != nil {
			return err
		}
	}
	for _, d := range w.dirs {
		// The agent itself must be able to read and search what it unpacked.
		if err := w.dress(d.name, d.mode|0o700, d.changed); err != nil {
			return err
		}
	}
	return nil
}

// linkStaysInside tells whether a link's target, as written, lies inside the root. What other links make of it is checked at the end.
func linkStaysInside(name, target string) bool {
	if os.PathSeparator == '\\' {
		if strings.Contains(target, ":") {
			return false
		}
		target = strings.ReplaceAll(target, `\`, "/")
	}
	return !strings.HasPrefix(target, "/") && localOnThisSystem(path.Join(path.Dir(name), target))
}
