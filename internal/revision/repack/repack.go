// Package repack makes a bundle of the archive that a source host gives of a commit: a tgz without the one directory that the host puts around
// everything, so that the AppSpec is at the bundle's root.
//
// It owns what is taken over (directories, files, symbolic links, their permissions and times) and what is refused (see package tree; and hard
// links and devices, which git has not), the bounds, and the check of the commit's id that git writes into its archives. It streams: nothing of
// the content is held. It fetches and stores nothing. Its functions may be called concurrently.
package repack

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"crossfade/internal/revision/tree"
)

// Limits bound an archive. A zero member means its default.
type Limits struct {
	Packed  int64 // bytes that are read; default 2 GiB
	Bytes   int64 // of all files together; default 8 GiB, as hosts have it
	Entries int   // default tree.DefaultEntries
	// Ratio is how many times larger than what was read the files may be once they are past RatioFrom bytes; default 200.
	Ratio     int64
	RatioFrom int64 // default 256 MiB
}

func (l Limits) withDefaults() Limits {
	if l.Packed <= 0 {
		l.Packed = 2 << 30
	}
	if l.Bytes <= 0 {
		l.Bytes = 8 << 30
	}
	if l.Ratio <= 0 {
		l.Ratio = 200
	}
	if l.RatioFrom <= 0 {
		l.RatioFrom = 256 << 20
	}
	return l
}

// ErrOtherCommit is the refusal of an archive of another commit than the one that was asked for.
var ErrOtherCommit = errors.New("the archive is of another commit")

// Facts are what was seen of the archive.
type Facts struct {
	Entries int   // names in the bundle
	Bytes   int64 // of all files together
}

// Commit reads a source host's tar.gz of a commit and writes the bundle. An error that wraps tree.ErrRefused or ErrOtherCommit is the archive's
// own; every other one may be another time's or the reader's or writer's.
func Commit(ctx context.Context, from io.Reader, to io.Writer, commit string, limits Limits) (Facts, error) {
	p := &packer{ctx: ctx, limits: limits.withDefaults(), commit: commit, names: tree.New(limits.Entries)}
	p.in = &counter{ctx: ctx, from: from, most: p.limits.Packed}
	z, err := gzip.NewReader(p.in)
	if err != nil {
		return Facts{}, fmt.Errorf("read the archive: %w", err)
	}
	packed := gzip.NewWriter(to)
	p.out = tar.NewWriter(packed)
	// Headers lie outside the files, and a bomb may be made of them.
	if err := p.all(tar.NewReader(&counter{ctx: ctx, from: z, most: p.limits.Bytes + int64(tree.DefaultEntries)*2048})); err != nil {
		return Facts{}, err
	}
	if err := p.names.Check(); err != nil {
		return Facts{}, err
	}
	if p.names.Len() == 0 {
		return Facts{}, fmt.Errorf("%w: the commit has no files", tree.ErrRefused)
	}
	if err := errors.Join(p.out.Close(), packed.Close()); err != nil {
		return Facts{}, fmt.Errorf("write the bundle: %w", err)
	}
	return Facts{Entries: p.names.Len(), Bytes: p.bytes}, nil
}

// packer is one archive on its way.
type packer struct {
	ctx    context.Context
	limits Limits
	commit string
	names  *tree.Tree
	in     *counter
	out    *tar.Writer
	top    string // the directory around everything
	bytes  int64
}

func (p *packer) all(t *tar.Reader) error {
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return fmt.Errorf("read the archive: %w", err)
		}
		if err := p.entry(h, t); err != nil {
			return err
		}
	}
}

func (p *packer) entry(h *tar.Header, body io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		// git archive writes the commit's id there.
		if id := h.PAXRecords["comment"]; id != "" && !strings.EqualFold(id, p.commit) {
			return fmt.Errorf("%w: %.64q, not %s", ErrOtherCommit, id, p.commit)
		}
		return nil
	}
	name, err := p.below(h.Name)
	if err != nil {
		return err
	}
	if name == "" {
		if h.Typeflag != tar.TypeDir {
			return fmt.Errorf("%w: entry %.200q is in the place of the directory around everything", tree.ErrRefused, h.Name)
		}
		return nil
	}
	out := &tar.Header{Typeflag: h.Typeflag, Name: name, Mode: h.Mode & 0o777, ModTime: h.ModTime}
	switch h.Typeflag {
	case tar.TypeReg:
		out.Size = h.Size
		err = p.names.Add(name, tree.File, "", false)
	case tar.TypeDir:
		out.Name += "/"
		err = p.names.Add(name, tree.Directory, "", false)
	case tar.TypeSymlink:
		out.Linkname = h.Linkname
		err = p.names.Add(name, tree.Link, h.Linkname, false)
	default:
		err = fmt.Errorf("%w: entry %.200q is of the kind %q, which git does not know", tree.ErrRefused, h.Name, h.Typeflag)
	}
	if err != nil {
		return err
	}
	if err := p.out.WriteHeader(out); err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	if _, err := io.Copy(p.out, content{p, body}); err != nil {
		return fmt.Errorf("copy %.200q: %w", name, err)
	}
	return nil
}

// below is an entry's name without the directory around everything; empty for that directory itself.
func (p *packer) below(entry string) (string, error) {
	name, err := tree.Clean(entry)
	if err != nil {
		return "", err
	}
	top, rest, _ := strings.Cut(name, "/")
	switch {
	case p.top == "":
		p.top = top
	case p.top != top:
		return "", fmt.Errorf("%w: entry %.200q is not in the directory %.200q that is around the others", tree.ErrRefused, entry, p.top)
	}
	return rest, nil
}

// counter counts what is read through it and ends with a refusal when that is more than the bound, or when its context ends.
type counter struct {
	ctx  context.Context
	from io.Reader
	most int64
	read int64
}

func (c *counter) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.from.Read(b)
	if c.read += int64(n); c.read > c.most {
		return 0, fmt.Errorf("%w: it has more than the %d bytes that are read of one", tree.ErrRefused, c.most)
	}
	return n, err
}

// content is a file's content, held against the bounds on what it unpacks to.
type content struct {
	packer *packer
	from   io.Reader
}

func (c content) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	p := c.packer
	p.bytes += int64(n)
	switch {
	case p.bytes > p.limits.Bytes:
		return 0, fmt.Errorf("%w: its files have more than %d bytes", tree.ErrRefused, p.limits.Bytes)
	case p.bytes > p.limits.RatioFrom && p.bytes > p.limits.Ratio*p.in.read:
		return 0, fmt.Errorf("%w: it unpacks to more than %d bytes, over %d times its size", tree.ErrRefused, p.limits.RatioFrom, p.limits.Ratio)
	}
	return n, err
}
