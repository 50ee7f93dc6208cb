// Package inspect opens a revision's bundle before anything is deployed and says what hosts of the Server platform would find wrong with it: that
// it can't be unpacked, has no AppSpec or a bad one, or that its AppSpec names files and scripts that are not in it.
//
// It owns this list of problems, and reads as hosts do (package agent/archive): the type by content, a single directory around everything taken
// off, links followed. What it reads and holds is bounded by the limits that hosts have; content other than the AppSpec's is only counted. It
// prepares nothing itself and changes nothing; a zip is kept in a temporary file meanwhile. An [Inspector] is safe for concurrent use and owns no
// goroutine.
package inspect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"crossfade/internal/appspec"
	"crossfade/internal/deploy"
	"crossfade/internal/revision"
	"crossfade/internal/revision/tree"
)

// Bundles is where revisions are prepared and read; see prepare.Preparer.
type Bundles interface {
	Prepare(ctx context.Context, account string, r deploy.Revision) (*deploy.ErrorInfo, error)
	Open(ctx context.Context, account string, r deploy.Revision) (content io.ReadCloser, info revision.Info, bundleType string, err error)
}

// Limits bound what is read. A zero member means its default.
type Limits struct {
	Packed int64 // bytes of the bundle; default 5 GiB, what an S3 object of one piece may have
	Bytes  int64 // of all files together; default 8 GiB, as hosts have it
	// Ratio is how many times larger than the bundle its files may be once they are past RatioFrom bytes; default 200, as hosts have it.
	Ratio     int64
	RatioFrom int64 // default 256 MiB
	Entries   int   // default tree.DefaultEntries
}

func (l Limits) withDefaults() Limits {
	for of, value := range map[*int64]int64{&l.Packed: 5 << 30, &l.Bytes: 8 << 30, &l.Ratio: 200, &l.RatioFrom: 256 << 20} {
		if *of <= 0 {
			*of = value
		}
	}
	return l
}

// Facts are what is known of a bundle. Those after Size are zero as far as a problem kept them from being found out.
type Facts struct {
	Type     string // tar, tgz or zip
	ETag     string
	Version  string        // empty where there is no versioning
	Size     int64         // of the bundle, in bytes
	Entries  int           // names in it, directories that only paths mention included
	Bytes    int64         // of all files together, unpacked
	Spec     *appspec.Spec // nil: there is none, or none that is valid
	Warnings []string      // what hosts would ignore though its author may have meant something
}

// Problem is what is wrong with a bundle. File is the AppSpec's name, or Whole.
type Problem = appspec.Problem

// Whole is the File of problems of a bundle as a whole.
const Whole = "bundle"

// Inspector looks into bundles.
type Inspector struct {
	bundles Bundles
	limits  Limits
}

// New makes an Inspector.
func New(bundles Bundles, limits Limits) *Inspector {
	return &Inspector{bundles: bundles, limits: limits.withDefaults()}
}

// Inspect prepares a revision, opens its bundle and says what is wrong with it; no problems: hosts can unpack it and find what its AppSpec names.
// An error means that it could not be found out.
func (i *Inspector) Inspect(ctx context.Context, account string, r deploy.Revision) (Facts, []Problem, error) {
	if r.S3 == nil && r.GitHub == nil {
		return Facts{}, []Problem{{File: Whole, What: "the revision is an AppSpec without a bundle", Hint: "give servers a bundle in S3 or a commit"}}, nil
	}
	wrong, err := i.bundles.Prepare(ctx, account, r)
	if err != nil {
		return Facts{}, nil, err
	}
	if wrong != nil {
		return Facts{}, []Problem{{File: Whole, What: wrong.Message}}, nil
	}
	content, info, bundleType, err := i.bundles.Open(ctx, account, r)
	if err != nil {
		return Facts{}, nil, fmt.Errorf("open the bundle: %w", err)
	}
	defer content.Close()
	facts := Facts{Type: bundleType, ETag: info.ETag, Version: info.Version, Size: info.Size}
	limits := i.limits
	limits.RatioFrom = max(limits.RatioFrom, limits.Ratio*info.Size)
	b := &bundle{limits: limits, names: tree.New(limits.Entries), specs: map[string][]byte{}}
	source := &source{ctx: ctx, from: content, most: limits.Packed}
	err = b.read(source, bundleType)
	if err == nil {
		err = b.names.Check()
	}
	facts.Entries, facts.Bytes = b.names.Len(), b.bytes
	switch {
	case source.err != nil:
		return facts, nil, fmt.Errorf("read the bundle: %w", source.err)
	case errors.Is(err, errOwn):
		return facts, nil, err
	case err != nil:
		return facts, []Problem{{File: Whole, What: strings.TrimPrefix(err.Error(), tree.ErrRefused.Error()+": "), Hint: "pack it anew"}}, nil
	}
	problems := b.check(&facts)
	return facts, problems, nil
}

// source remembers what goes wrong in reading, to tell it from what is wrong with what was read.
type source struct {
	ctx  context.Context
	from io.Reader
	most int64
	err  error
}

func (s *source) Read(p []byte) (int, error) {
	if s.err = s.ctx.Err(); s.err != nil {
		return 0, s.err
	}
	n, err := s.from.Read(p)
	if s.most -= int64(n); s.most < 0 {
		return 0, fmt.Errorf("%w: it has more bytes than are read of one", tree.ErrRefused)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// names are those that hosts look for, in their order.
var specNames = []string{"appspec.yml", "appspec.yaml"}

// windows is an AppSpec that says to be for Windows. Which one a host runs is not known here.
var windows = regexp.MustCompile(`(?mi)^os:\s*['"]?windows\b`)

// check finds the AppSpec and holds the bundle against it.
func (b *bundle) check(facts *Facts) []Problem {
	if b.names.Len() == 0 {
		return []Problem{{File: Whole, What: "the bundle has no entries", Hint: "pack it anew"}}
	}
	root := b.root()
	for _, name := range specNames {
		at, kind, found := b.names.Find(path.Join(root, name))
		if !found || kind != tree.File {
			continue
		}
		content, held := b.specs[at]
		if !held {
			facts.Warnings = append(facts.Warnings, fmt.Sprintf("%s is a link to %s, and was not looked into", name, at))
			return nil
		}
		system := appspec.Linux
		if windows.Match(content) {
			system = appspec.Windows
		}
		spec, err := appspec.Parse(name, content, system)
		if err != nil {
			var p *appspec.Problem
			if errors.As(err, &p) {
				return []Problem{*p}
			}
			return []Problem{{File: name, What: err.Error()}}
		}
		facts.Spec, facts.Warnings = spec, append(facts.Warnings, spec.Warnings...)
		return b.missing(root, spec)
	}
	return []Problem{{File: Whole, What: "the bundle has no AppSpec file appspec.yml at its root", Hint: "pack it so that the file is at the top"}}
}

// missing holds that what the AppSpec names is in the bundle, in the order of its lines.
func (b *bundle) missing(root string, spec *appspec.Spec) []Problem {
	var all []Problem
	for _, f := range spec.Files {
		if _, _, ok := b.names.Find(path.Join(root, f.Source)); !ok {
			all = append(all, Problem{File: spec.Name, Line: f.Line, What: fmt.Sprintf("the source %q is not in the bundle", f.Source), Hint: "add it to the bundle, or name what is there"})
		}
	}
	for event, scripts := range spec.Hooks {
		for _, s := range scripts {
			if _, kind, ok := b.names.Find(path.Join(root, s.Location)); !ok || kind != tree.File {
				all = append(all, Problem{File: spec.Name, Line: s.Line, What: fmt.Sprintf("the script %q of %s is not in the bundle", s.Location, event), Hint: "add it to the bundle, or name what is there"})
			}
		}
	}
	slices.SortStableFunc(all, func(x, y Problem) int {
		if x.Line != y.Line {
			return x.Line - y.Line
		}
		return strings.Compare(x.What, y.What)
	})
	return all
}
