package inspect

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"crossfade/internal/appspec"
	"crossfade/internal/revision/tree"
)

// errOwn is behind what goes wrong here and not with the bundle.
var errOwn = errors.New("look into the bundle")

// bundle is what is seen of one bundle.
type bundle struct {
	limits Limits
	names  *tree.Tree
	bytes  int64
	top    string // the first component of the first name
	tops   int    // how many different first components there are, counted to two
	// specs are the contents of what may be the AppSpec, by name: at the root, and in top.
	specs map[string][]byte
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", tree.ErrRefused, fmt.Sprintf(format, args...))
}

// read takes in a bundle, by its content where the type leaves it open, as hosts do.
func (b *bundle) read(from io.Reader, bundleType string) error {
	buffered := bufio.NewReaderSize(from, 64<<10)
	head, err := buffered.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	looksZip, looksGzip := bytes.HasPrefix(head, []byte("PK")), bytes.HasPrefix(head, []byte{0x1f, 0x8b})
	switch {
	case len(head) == 0:
		return refused("the file is empty")
	case bundleType != "zip" && bundleType != "tgz" && bundleType != "tar":
		return refused("a bundle of the type %s is not for servers", bundleType)
	case bundleType == "zip" && looksGzip, bundleType == "tgz" && !looksGzip, bundleType == "tar" && looksZip:
		return refused("the content is not %s: register the revision with the bundle type that it has", bundleType)
	case bundleType == "zip":
		return b.zip(buffered)
	case !looksGzip:
		return b.tar(buffered)
	}
	z, err := gzip.NewReader(buffered)
	if err != nil {
		return refused("the gzip content is damaged: %v", err)
	}
	return b.tar(z)
}

func (b *bundle) tar(from io.Reader) error {
	// Headers lie outside the files, and a bomb may be made of them.
	r := tar.NewReader(&io.LimitedReader{R: from, N: b.limits.Bytes + tree.DefaultEntries*2048})
	for n := 0; ; n++ {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return refused("the tar content is damaged after %d entries: %v", n, err)
		}
		if err := b.tarEntry(h, r); err != nil {
			return err
		}
	}
}

func (b *bundle) tarEntry(h *tar.Header, content io.Reader) error {
	switch h.Typeflag {
	case tar.TypeXGlobalHeader:
		return nil
	case tar.TypeDir:
		return b.add(h.Name, tree.Directory, "", true)
	case tar.TypeSymlink:
		return b.add(h.Name, tree.Link, h.Linkname, false)
	case tar.TypeLink:
		old, err := tree.Clean(h.Linkname)
		if at, kind, ok := b.names.Find(old); err != nil || !ok || kind != tree.File || at != old {
			return refused("entry %.200q is a hard link to %.200q, which is no file before it in the bundle", h.Name, h.Linkname)
		}
		return b.add(h.Name, tree.File, "", true)
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		if err := b.add(h.Name, tree.File, "", true); err != nil {
			return err
		}
		return b.file(h.Name, content)
	default:
		return refused("entry %.200q is a device, a pipe or of an unknown kind", h.Name)
	}
}

// add takes in a name.
func (b *bundle) add(entry string, kind tree.Kind, target string, replace bool) error {
	if err := b.names.Add(entry, kind, target, replace); err != nil {
		return err
	}
	first, _, below := strings.Cut(path.Clean(entry), "/")
	switch {
	case first == "." || first == b.top && b.tops == 1:
	case b.tops == 0:
		b.top, b.tops = first, 1
	default:
		b.tops = 2
	}
	if first == b.top && !below && kind != tree.Directory {
		b.tops = 2 // what is at the top is no directory around others
	}
	return nil
}

// file counts a file's content, and keeps it where it may be the AppSpec.
func (b *bundle) file(entry string, content io.Reader) error {
	name := path.Clean(entry)
	if b.maySpec(name) {
		// One byte more than allowed, so that Parse says that it is too large.
		var kept bytes.Buffer
		n, err := io.CopyN(&kept, content, appspec.MaxSize+1)
		if err := b.count(entry, n, err); err != nil {
			return err
		}
		b.specs[name] = kept.Bytes()
	}
	n, err := io.Copy(io.Discard, io.LimitReader(content, b.limits.Bytes-b.bytes+1))
	return b.count(entry, n, err)
}

func (b *bundle) count(entry string, n int64, err error) error {
	b.bytes += n
	switch {
	case b.bytes > b.limits.Bytes:
		return refused("it unpacks to more than %d bytes", b.limits.Bytes)
	case b.bytes > b.limits.RatioFrom:
		return refused("it unpacks to more than %d bytes, over %d times its size", b.limits.RatioFrom, b.limits.Ratio)
	case err != nil && !errors.Is(err, io.EOF):
		return refused("entry %.200q is damaged: %v", entry, err)
	}
	return nil
}

func (b *bundle) maySpec(name string) bool {
	dir, base := path.Split(name)
	for _, s := range specNames {
		if base == s && (dir == "" || dir == b.top+"/") {
			return true
		}
	}
	return false
}

// root is the directory that hosts take for the bundle's root: the only one at the top, if something like an AppSpec is directly inside.
func (b *bundle) root() string {
	if b.tops != 1 {
		return "."
	}
	for _, inside := range b.names.Inside(b.top) {
		if strings.Contains(strings.ToLower(inside), "appspec") {
			return b.top
		}
	}
	return "."
}

// zip keeps the bundle in a temporary file: what is in a zip stands at its end.
func (b *bundle) zip(from io.Reader) (err error) {
	f, err := os.CreateTemp("", "crossfade-bundle-*")
	if err != nil {
		return fmt.Errorf("%w: make a temporary file: %w", errOwn, err)
	}
	defer func() {
		f.Close()
		if removeErr := os.Remove(f.Name()); removeErr != nil {
			err = errors.Join(err, fmt.Errorf("%w: remove a temporary file: %w", errOwn, removeErr))
		}
	}()
	size, err := io.Copy(f, from)
	if errors.Is(err, tree.ErrRefused) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w: write a temporary file: %w", errOwn, err)
	}
	// The package reads the whole directory before anybody can look at it, and each entry takes much more memory than it has bytes.
	d := &directory{from: f, counting: true, left: cmp.Or(b.limits.Entries, tree.DefaultEntries)}
	z, err := zip.NewReader(d, size)
	d.counting = false
	if errors.Is(err, tree.ErrRefused) {
		return err
	}
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return refused("the zip content is damaged or no zip at all: %v", err)
	}
	for _, e := range z.File {
		if err := b.zipEntry(e); err != nil {
			return err
		}
	}
	return nil
}

// directory reads a zip, and while it counts ends with an error when too many entries were read. The end of the directory is read twice.
type directory struct {
	from     io.ReaderAt
	counting bool
	left     int
}

// readTwice is more entries than the end of a zip has that is searched for where its directory begins.
const readTwice = 2048

// ReadAt implements io.ReaderAt.
func (d *directory) ReadAt(p []byte, offset int64) (int, error) {
	n, err := d.from.ReadAt(p, offset)
	if !d.counting {
		return n, err
	}
	if d.left -= bytes.Count(p[:n], []byte("PK\x01\x02")); d.left < -readTwice {
		return 0, refused("it has more entries than the limit")
	}
	return n, err
}

const (
	zipEncrypted = 0x1
	// zipMadeByUnix and zipMadeByMac are the values of a creator that stores modes.
	zipMadeByUnix = 3
	zipMadeByMac  = 19
)

func (b *bundle) zipEntry(e *zip.File) error {
	name := e.Name
	// Some Windows tools write their own separators.
	if creator := e.CreatorVersion >> 8; creator != zipMadeByUnix && creator != zipMadeByMac && !strings.Contains(name, "/") {
		name = strings.ReplaceAll(name, `\`, "/")
	}
	switch mode := e.Mode(); {
	case e.Flags&zipEncrypted != 0:
		return refused("entry %.200q is encrypted", e.Name)
	case mode.IsDir() || strings.HasSuffix(name, "/"):
		return b.add(name, tree.Directory, "", true)
	case mode&fs.ModeSymlink != 0:
		target, err := zipText(e, 4097)
		if err != nil {
			return err
		}
		return b.add(name, tree.Link, string(target), false)
	case !mode.IsRegular():
		return refused("entry %.200q is a device, pipe or socket", e.Name)
	}
	if err := b.add(name, tree.File, "", false); err != nil {
		return err
	}
	content, err := e.Open()
	if err != nil {
		return refused("entry %.200q can't be read: %v", e.Name, err)
	}
	defer content.Close()
	return b.file(name, content)
}

func zipText(e *zip.File, most int64) ([]byte, error) {
	content, err := e.Open()
	if err != nil {
		return nil, refused("entry %.200q can't be read: %v", e.Name, err)
	}
	defer content.Close()
	text, err := io.ReadAll(io.LimitReader(content, most))
	if err != nil {
		return nil, refused("entry %.200q is damaged: %v", e.Name, err)
	}
	return text, nil
}
