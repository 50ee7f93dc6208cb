// Package bundlecheck holds an AppSpec of the Server platform against the unpacked bundle that it is in: what it names must be there, and its
// scripts must be such that a host can start them.
//
// It only reads, and nothing outside of the bundle: a link that leads out of it counts as what it is, a link. It keeps nothing and may be used
// by several goroutines.
package bundlecheck

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"crossfade/internal/appspec"
)

// most is how much of a script is looked at, in bytes.
const most = 1 << 20

// Check finds what the AppSpec names and the bundle lacks, and scripts that can't run as they are, in the order of the AppSpec's lines. The
// error is one of reading the bundle.
func Check(bundle *os.Root, spec *appspec.Spec) (problems, warnings []*appspec.Problem, err error) {
	c := &check{bundle: bundle, spec: spec, seen: map[string]bool{}}
	for _, f := range spec.Files {
		if err := c.source(f); err != nil {
			return nil, nil, err
		}
	}
	for _, event := range slices.Sorted(maps.Keys(spec.Hooks)) {
		for _, s := range spec.Hooks[event] {
			if err := c.script(event, s); err != nil {
				return nil, nil, err
			}
		}
	}
	byLine := func(a, b *appspec.Problem) int { return a.Line - b.Line }
	slices.SortStableFunc(c.problems, byLine)
	slices.SortStableFunc(c.warnings, byLine)
	return c.problems, c.warnings, nil
}

type check struct {
	bundle             *os.Root
	spec               *appspec.Spec
	seen               map[string]bool // scripts whose content has been looked at
	problems, warnings []*appspec.Problem
}

func (c *check) problem(line int, hint, format string, args ...any) {
	c.problems = append(c.problems, &appspec.Problem{File: c.spec.Name, Line: line, What: fmt.Sprintf(format, args...), Hint: hint})
}

func (c *check) warn(line int, hint, format string, args ...any) {
	c.warnings = append(c.warnings, &appspec.Problem{File: c.spec.Name, Line: line, What: fmt.Sprintf(format, args...), Hint: hint})
}

func (c *check) source(f appspec.File) error {
	_, err := c.bundle.Lstat(f.Source)
	if missing(err) {
		c.problem(f.Line, c.near(f.Source), "the source %q is not in the bundle", f.Source)
		return nil
	}
	if err != nil {
		return fmt.Errorf("look into the bundle: %w", err)
	}
	return nil
}

// missing also holds when something above the path is a file.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// near is a hint to what the bundle has in another spelling.
func (c *check) near(name string) string {
	found := "."
	for part := range strings.SplitSeq(name, "/") {
		entries, err := fs.ReadDir(c.bundle.FS(), found)
		if err != nil {
			return "add it to the bundle, or name what is there"
		}
		i := slices.IndexFunc(entries, func(e fs.DirEntry) bool { return strings.EqualFold(e.Name(), part) })
		if i < 0 {
			return "add it to the bundle, or name what is there"
		}
		found = path.Join(found, entries[i].Name())
	}
	return fmt.Sprintf("the bundle has %q: capitals count on most hosts", found)
}

func (c *check) script(event string, s appspec.Script) error {
	info, err := c.bundle.Lstat(s.Location)
	switch {
	case missing(err):
		c.problem(s.Line, c.near(s.Location), "the script %q of %s is not in the bundle", s.Location, event)
		return nil
	case err != nil:
		return fmt.Errorf("look into the bundle: %w", err)
	case info.IsDir():
		c.problem(s.Line, "name the script in it", "the script %q of %s is a directory", s.Location, event)
		return nil
	case !info.Mode().IsRegular() || c.spec.OS == appspec.Windows || c.seen[s.Location]:
		return nil
	}
	c.seen[s.Location] = true
	content, err := c.read(s.Location)
	if err != nil {
		return err
	}
	c.text(s, content)
	return nil
}

func (c *check) read(name string) ([]byte, error) {
	f, err := c.bundle.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read script of the bundle: %w", err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return nil, fmt.Errorf("read script of the bundle: %w", err)
	}
	return content, nil
}

// text looks at what a host of Linux starts. A file with zero bytes is a program and not a script.
func (c *check) text(s appspec.Script, content []byte) {
	mark := []byte("\xef\xbb\xbf")
	switch {
	case bytes.IndexByte(content, 0) >= 0:
	case bytes.HasPrefix(content, mark):
		c.problem(s.Line, "save it without one", "the script %q begins with a byte-order mark, so that hosts don't see its first line", s.Location)
	case bytes.Contains(content, []byte("\r\n")):
		c.problem(s.Line, "convert it, for example with dos2unix", "the script %q has Windows line ends, in line %d first", s.Location, 1+bytes.Count(content[:bytes.Index(content, []byte("\r\n"))], []byte("\n")))
	case !bytes.HasPrefix(content, []byte("#!")):
		c.warn(s.Line, `begin it with a line such as "#!/bin/bash"`, "the script %q has no interpreter line, so it runs with /bin/sh", s.Location)
	case bytes.HasPrefix(content, []byte("#!")) && !bytes.HasPrefix(bytes.TrimLeft(content[2:], " \t"), []byte("/")):
		c.warn(s.Line, `write it as in "#!/bin/bash"`, "the interpreter of the script %q is not an absolute path", s.Location)
	}
}
