package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"crossfade/internal/appspec"
	"crossfade/internal/envelope"
)

// Request is what to install.
type Request struct {
	Archive  string // the unpacked revision
	Spec     *appspec.Spec
	Behavior string // what the deployment says about files that exist; the AppSpec has precedence; empty: DISALLOW
}

func (r Request) behavior() string {
	for _, b := range []string{r.Spec.FileExistsBehavior, r.Behavior} {
		if b != "" {
			return b
		}
	}
	return envelope.Disallow
}

// planner decides what to do. All that can be checked is checked here, before anything is touched.
type planner struct {
	ctx      context.Context
	run      Runner
	request  Request
	behavior string
	list     []Instruction
	copies   map[string]string      // destination → source
	made     map[string]bool        // directories that the list makes
	links    map[string]bool        // destinations that will be symbolic links
	there    map[string]fs.FileInfo // what was found on the host; nil: nothing
	settled  map[string]bool        // objects that permissions have been planned for
	visits   int                    // of entries of the bundle's directories
}

// mostEntries bounds the visits: as many as a bundle may have, but links to directories can lead to each many times.
const mostEntries = 1_000_000

// plan makes the list. What is in gone counts as not on the host.
func plan(ctx context.Context, run Runner, r Request, gone map[string]bool) ([]Instruction, error) {
	p := &planner{
		ctx: ctx, run: run, request: r, behavior: r.behavior(), copies: map[string]string{}, made: map[string]bool{}, links: map[string]bool{},
		there: map[string]fs.FileInfo{}, settled: map[string]bool{},
	}
	for path := range gone {
		p.there[path] = nil
	}
	for _, f := range r.Spec.Files {
		if err := p.entry(f); err != nil {
			return nil, err
		}
	}
	for _, permission := range r.Spec.Permissions {
		if err := p.permission(permission); err != nil {
			return nil, err
		}
	}
	return p.list, nil
}

func (p *planner) problem(line int, hint, format string, args ...any) error {
	return &appspec.Problem{File: p.request.Spec.Name, Line: line, What: fmt.Sprintf(format, args...), Hint: hint}
}

func (p *planner) entry(f appspec.File) error {
	destination := filepath.Clean(filepath.FromSlash(f.Destination))
	if !filepath.IsAbs(destination) {
		return p.problem(f.Line, "write an absolute path", "the destination %q is not absolute", f.Destination)
	}
	source := filepath.Join(p.request.Archive, filepath.FromSlash(f.Source))
	info, err := os.Lstat(source)
	if errors.Is(err, fs.ErrNotExist) {
		return p.problem(f.Line, "check the path and what was packed", "the source %q is not in the bundle", f.Source)
	}
	if err != nil {
		return fmt.Errorf("look at source %q: %w", f.Source, err)
	}
	if leadsToDirectory(source) {
		return p.directory(f.Line, source, destination)
	}
	if err := p.makeDirectory(f.Line, destination); err != nil {
		return err
	}
	return p.copyFile(f.Line, source, filepath.Join(destination, filepath.Base(source)), info)
}

// directory plans the contents of source into destination. Above are the directories of the bundle that lead to it.
func (p *planner) directory(line int, source, destination string, above ...fs.FileInfo) error {
	own, err := os.Stat(source)
	if err != nil {
		return fmt.Errorf("look at directory of the bundle: %w", err)
	}
	if slices.ContainsFunc(above, func(o fs.FileInfo) bool { return os.SameFile(o, own) }) {
		return p.problem(line, "remove the link", "%s is a link to a directory that it is in, so it would be copied without end", source)
	}
	above = append(slices.Clip(above), own)
	if err := p.makeDirectory(line, destination); err != nil {
		return err
	}
	entries, err := os.ReadDir(source)
	if err != nil {
		return fmt.Errorf("read directory of the bundle: %w", err)
	}
	for _, e := range entries {
		if p.visits++; p.visits > mostEntries {
			return p.problem(line, "remove links to directories", "there are more than %d files to install, counting those again that links lead to", mostEntries)
		}
		from, to := filepath.Join(source, e.Name()), filepath.Join(destination, e.Name())
		if leadsToDirectory(from) {
			if err := p.directory(line, from, to, above...); err != nil {
				return err
			}
			continue
		}
		info, err := e.Info()
		if err != nil {
			return fmt.Errorf("look at file of the bundle: %w", err)
		}
		if err := p.copyFile(line, from, to, info); err != nil {
			return err
		}
	}
	return nil
}

// leadsToDirectory holds for a link to a directory as for the directory itself, whose contents are installed either way: what the link leads to may not be
// where it would lead on the host.
func leadsToDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// makeDirectory plans a directory and the missing ones above it.
func (p *planner) makeDirectory(line int, dir string) error {
	if p.made[dir] {
		return nil
	}
	if _, file := p.copies[dir]; file {
		return p.problem(line, "give one of them another destination", "%s would be a directory, but an entry before it makes it a file", dir)
	}
	if strings.ContainsRune(dir, '\n') {
		return p.lineBreak(line, dir)
	}
	info, err := p.look(dir)
	if err != nil {
		return err
	}
	if info != nil {
		if !info.IsDir() {
			return p.problem(line, "remove the file from the host, or change the destination", "%s must be a directory, but it is a file on this host", dir)
		}
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := p.makeDirectory(line, parent); err != nil {
			return err
		}
	}
	p.made[dir] = true
	p.list = append(p.list, Instruction{Type: kindMkdir, Directory: dir, line: line})
	return nil
}

// lineBreak refuses a path that the cleanup list, a line for each, would tell as two.
func (p *planner) lineBreak(line int, path string) error {
	return p.problem(line, "rename it", "the name %q has a line break", path)
}

// look finds out what a path leads to, following links as everything that uses it will. Nothing is nil.
func (p *planner) look(path string) (fs.FileInfo, error) {
	if info, known := p.there[path]; known {
		return info, nil
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		info, err = os.Lstat(path) // a link to nothing is something
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		info = nil
	case err != nil:
		return nil, fmt.Errorf("look at destination: %w", err)
	}
	p.there[path] = info
	return info, nil
}

func (p *planner) copyFile(line int, source, destination string, what fs.FileInfo) error {
	if !what.Mode().IsRegular() && what.Mode()&fs.ModeSymlink == 0 {
		return p.problem(line, "leave it out of the bundle", "%s is neither a file nor a link", source)
	}
	if strings.ContainsRune(destination, '\n') {
		return p.lineBreak(line, destination)
	}
	if other, twice := p.copies[destination]; twice {
		return p.problem(line, "keep one of them", "%s would be copied to %s, where %s goes too", source, destination, other)
	}
	if p.made[destination] {
		return p.problem(line, "give one of them another destination", "%s would be a file, but an entry before it makes it a directory", destination)
	}
	info, err := p.look(destination)
	if err != nil {
		return err
	}
	replace := false
	if info != nil {
		if info.IsDir() {
			return p.problem(line, "remove it from the host, or change the destination", "%s must be a file, but it is a directory on this host", destination)
		}
		switch p.behavior {
		case envelope.Retain:
			return nil
		case envelope.Overwrite:
			replace = true
		default:
			return alreadyExists(destination)
		}
	}
	p.copies[destination] = source
	p.links[destination] = what.Mode()&fs.ModeSymlink != 0
	p.list = append(p.list, Instruction{Type: kindCopy, Source: source, Destination: destination, line: line, replace: replace})
	return nil
}

// alreadyExists begins with the official agent's words, which people search for.
func alreadyExists(path string) error {
	const official = "The deployment failed because a specified file already exists at this location"
	return fmt.Errorf("%s: %s: remove the file, or let the deployment's file-exists behavior be OVERWRITE or RETAIN", official, path)
}
