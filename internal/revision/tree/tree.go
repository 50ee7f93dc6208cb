// Package tree holds what a bundle would unpack to, without unpacking it: which names are files, directories and links, and whether anything
// among them would leave the bundle's root.
//
// It owns the rules, which are those that hosts apply when they unpack: no absolute path and no "..", no entry through a link or a file, no link
// that leads out of the root by whatever way, no name twice. What a [Tree] holds is bounded. It reads no archive and touches no disk. A Tree is for
// one goroutine.
package tree

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// Kind is what a name stands for.
type Kind int

// The kinds.
const (
	File Kind = iota + 1
	Directory
	Link
)

const (
	// DefaultEntries is how many names a bundle may have, directories that only paths mention included.
	DefaultEntries = 250_000
	maxName        = 4096 // bytes, as paths have on Linux
	maxNames       = 64 << 20
	maxHops        = 40 // links on the way to one file, as Linux counts
)

// ErrRefused is behind every refusal.
var ErrRefused = errors.New("the bundle is refused")

func refuse(entry, format string, args ...any) error {
	return fmt.Errorf("%w: entry %.200q %s", ErrRefused, entry, fmt.Sprintf(format, args...))
}

type node struct {
	kind   Kind
	target string // of a link, as written
}

// Tree is the names of one bundle.
type Tree struct {
	nodes   map[string]node
	links   []string
	entries int
	bytes   int // of all names and targets
}

// New returns a tree for at most that many names; zero or less: DefaultEntries.
func New(entries int) *Tree {
	if entries <= 0 {
		entries = DefaultEntries
	}
	return &Tree{nodes: map[string]node{".": {kind: Directory}}, entries: entries}
}

// Clean is an entry's name as a path below the root, which is "."; or a refusal.
func Clean(entry string) (string, error) {
	switch {
	case entry == "":
		return "", refuse(entry, "has no name")
	case strings.IndexByte(entry, 0) >= 0:
		return "", refuse(entry, "has a NUL byte in its name")
	case len(entry) > maxName:
		return "", refuse(entry, "has a name of %d bytes, more than a path can have", len(entry))
	case strings.HasPrefix(entry, "/"):
		return "", refuse(entry, "has an absolute path")
	}
	for part := range strings.SplitSeq(entry, "/") {
		if part == ".." {
			return "", refuse(entry, `climbs with ".."`)
		}
	}
	return path.Clean(entry), nil
}

// Add adds an entry: its name as the archive has it, and the target of a link. A file may replace a file of the same name if replace is set, as in
// a tar to which newer versions were appended; a directory may come again.
func (t *Tree) Add(entry string, kind Kind, target string, replace bool) error {
	name, err := Clean(entry)
	if err != nil {
		return err
	}
	if name == "." && kind != Directory {
		return refuse(entry, "is in the place of the bundle's root")
	}
	if err := t.parents(entry, name); err != nil {
		return err
	}
	if old, there := t.nodes[name]; there {
		again := old.kind == kind && (kind == Directory || kind == File && replace)
		if !again {
			return refuse(entry, "comes twice")
		}
		return nil
	}
	if kind == Link {
		if err := checkTarget(entry, name, target); err != nil {
			return err
		}
		t.links = append(t.links, name)
	}
	return t.put(entry, name, node{kind, target})
}

func checkTarget(entry, name, target string) error {
	if target == "" || strings.IndexByte(target, 0) >= 0 || len(target) > maxName {
		return refuse(entry, "is a link that makes no sense")
	}
	if strings.HasPrefix(target, "/") || climbs(path.Join(path.Dir(name), target)) {
		return refuse(entry, "is a link to %.200q, which leads out of the bundle", target)
	}
	return nil
}

func climbs(name string) bool { return name == ".." || strings.HasPrefix(name, "../") }

// parents holds that what is above a name is a directory, made by an entry or by being mentioned.
func (t *Tree) parents(entry, name string) error {
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		n, there := t.nodes[dir]
		switch {
		case !there:
			if err := t.put(entry, dir, node{kind: Directory}); err != nil {
				return err
			}
			continue
		case n.kind == Link:
			return refuse(entry, "would be written through the link %.200q", dir)
		case n.kind == File:
			return refuse(entry, "needs the directory %.200q, which is a file in the same bundle", dir)
		}
		return nil // what is above a directory was looked at when that came
	}
}

func (t *Tree) put(entry, name string, n node) error {
	t.bytes += len(name) + len(n.target)
	if len(t.nodes) > t.entries || t.bytes > maxNames {
		return refuse(entry, "is one too many: a bundle may have %d names, of %d MiB together", t.entries, maxNames>>20)
	}
	t.nodes[name] = n
	return nil
}

// Check holds that no link leads out of the root or in a circle, by whatever other links it goes. Links to nothing may stay. It is called when
// all entries are there.
func (t *Tree) Check() error {
	for _, name := range t.links {
		if _, _, err := t.resolve(name); err != nil {
			return refuse(name, "is a link to %.200q, which leads out of the bundle or in a circle", t.nodes[name].target)
		}
	}
	return nil
}

// Len is how many names there are, directories that only paths mention included and the root not.
func (t *Tree) Len() int { return len(t.nodes) - 1 }

// Inside are the names directly inside a directory, in no order.
func (t *Tree) Inside(dir string) []string {
	var all []string
	for name := range t.nodes {
		if name != "." && path.Dir(name) == dir {
			all = append(all, path.Base(name))
		}
	}
	return all
}

// Find says what a name below the root stands for, links followed. A name that is not there, or leads out, is not found.
func (t *Tree) Find(name string) (resolved string, kind Kind, ok bool) {
	if name == "" || strings.HasPrefix(name, "/") {
		return "", 0, false
	}
	resolved, kind, err := t.resolve(name)
	return resolved, kind, err == nil && kind != 0
}

var errAway = errors.New("leads out of the bundle or in a circle")

// resolve walks a name component by component; kind is 0 when nothing is there.
func (t *Tree) resolve(name string) (string, Kind, error) {
	at, left := ".", strings.Split(name, "/")
	for hops := 0; len(left) > 0; {
		part := left[0]
		left = left[1:]
		if part == "" || part == "." {
			continue
		}
		if part == ".." {
			if at == "." {
				return "", 0, errAway
			}
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, part)
		n, there := t.nodes[next]
		switch {
		case !there:
			return next, 0, stays(at, left)
		case n.kind == Link:
			if hops++; hops > maxHops {
				return "", 0, errAway
			}
			left = append(strings.Split(n.target, "/"), left...)
		case n.kind == File && len(left) > 0:
			return next, 0, stays(at, left)
		default:
			at = next
		}
	}
	return at, t.nodes[at].kind, nil
}

// stays holds that what is left of a way into nothing does not climb out: a host may have there what the bundle has not.
func stays(at string, left []string) error {
	if climbs(path.Join(append([]string{at, "x"}, left...)...)) {
		return errAway
	}
	return nil
}
