package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
)

// Installer installs revisions and keeps the lists of what it did.
type Installer struct {
	Dir    string // the deployment-instructions directory; must exist
	Log    *slog.Logger
	Runner Runner // nil: the programs of this machine
}

// Install replaces what the deployment group has on the host by what the request says. The instruction list and the cleanup list stay behind
// under the group's id.
func (i Installer) Install(ctx context.Context, groupID string, r Request) error {
	run := i.runner()
	if err := ready(run, r.Spec); err != nil {
		return err
	}
	cleanup := i.cleanupList(groupID)
	if err := cleanUp(ctx, i.Log, run, cleanup); err != nil {
		return err
	}
	list, err := plan(ctx, run, r, nil)
	if err != nil {
		return err
	}
	if err := writeList(filepath.Join(i.Dir, groupID+"-install.json"), list); err != nil {
		return err
	}
	journal, err := os.OpenFile(cleanup, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("create cleanup list: %w", err)
	}
	err = execute(ctx, run, list, journal)
	if closeErr := journal.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("write cleanup list: %w", closeErr)
	}
	return err
}

func (i Installer) runner() Runner {
	if i.Runner == nil {
		return programs{}
	}
	return i.Runner
}

func (i Installer) cleanupList(groupID string) string {
	return filepath.Join(i.Dir, groupID+"-cleanup")
}

func writeList(path string, list []Instruction) error {
	if list == nil {
		list = []Instruction{}
	}
	content, err := json.Marshal(file{Instructions: list})
	if err != nil {
		return fmt.Errorf("encode instructions: %w", err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return fmt.Errorf("write instructions: %w", err)
	}
	return nil
}

func execute(ctx context.Context, run Runner, list []Instruction, journal io.StringWriter) error {
	for _, in := range list {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("install: %w", err)
		}
		if err := in.do(ctx, run, journal); err != nil {
			return err
		}
	}
	return nil
}

func (in Instruction) do(ctx context.Context, run Runner, journal io.StringWriter) error {
	switch in.Type {
	case kindCopy:
		return in.copy(journal)
	case kindMkdir:
		return in.mkdir(journal)
	case kindChmod:
		return in.chmod()
	case kindChown:
		return in.chown(ctx, run)
	case kindSetfacl:
		return in.setACL(ctx, run)
	case kindSemanage:
		return in.label(ctx, run, journal)
	default:
		return fmt.Errorf("unknown instruction %q", in.Type)
	}
}

func note(journal io.StringWriter, path string) error {
	if _, err := journal.WriteString(path + "\n"); err != nil {
		return fmt.Errorf("write cleanup list: %w", err)
	}
	return nil
}

// mkdir notes the directory after making it: one that somebody else has made meanwhile is not ours to take away.
func (in Instruction) mkdir(journal io.StringWriter) error {
	err := os.Mkdir(in.Directory, 0o755)
	if errors.Is(err, fs.ErrExist) {
		if info, statErr := os.Stat(in.Directory); statErr == nil && info.IsDir() {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	return note(journal, in.Directory)
}

// copy notes the file before making it. One that exists is replaced by a rename: a program that runs from it keeps running, nobody ever
// sees half of it, and a link in its place is replaced and not followed.
func (in Instruction) copy(journal io.StringWriter) error {
	info, err := os.Lstat(in.Source)
	if err != nil {
		return fmt.Errorf("look at source: %w", err)
	}
	if err := note(journal, in.Destination); err != nil {
		return err
	}
	target := in.Destination
	if in.replace {
		target = filepath.Join(filepath.Dir(in.Destination), ".crossfade-new")
		if err := note(journal, target); err != nil {
			return err
		}
		if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what a crash left: %w", err)
		}
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		err = copyLink(in.Source, target)
	} else {
		err = copyContent(in.Source, target, info)
	}
	if err == nil {
		err = copyOwner(target, info)
	}
	if err == nil && in.replace {
		err = os.Rename(target, in.Destination)
	}
	if errors.Is(err, fs.ErrExist) {
		return alreadyExists(in.Destination)
	}
	if err != nil {
		return fmt.Errorf("copy to %s: %w", in.Destination, err)
	}
	return nil
}

func copyLink(source, target string) error {
	to, err := os.Readlink(source)
	if err != nil {
		return err
	}
	return os.Symlink(to, target)
}

func copyContent(source, target string, info fs.FileInfo) error {
	from, err := os.Open(source)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if err == nil {
		err = to.Chmod(info.Mode().Perm())
	}
	if closeErr := to.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Chtimes(target, info.ModTime(), info.ModTime())
}

func (in Instruction) chmod() error {
	bits, err := strconv.ParseUint(in.Mode, 8, 12)
	if err != nil {
		return fmt.Errorf("read mode %q: %w", in.Mode, err)
	}
	if err := setMode(in.File, modeOf(bits)); err != nil {
		return fmt.Errorf("set mode: %w", err)
	}
	return nil
}

// modeOf is the mode of the bits that systems write it with.
func modeOf(bits uint64) fs.FileMode {
	mode := fs.FileMode(bits) & fs.ModePerm
	for bit, special := range map[uint64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if bits&bit != 0 {
			mode |= special
		}
	}
	return mode
}

func exchanged(path string) error {
	return fmt.Errorf("%s was exchanged for a link while it was installed: see who can write to its directory", path)
}
